package sim

import (
	"fmt"
	"time"
)

// faultBusy is no accident: from the start, a step of a core takes some time, as it does
// on a server, so that what arrives meanwhile is taken as one batch. How long, Param
// says, for each node another time.
var faultBusy = Kind{
	Name: "busy", Group: "process", most: 1,
	Doc: "what arrives while a node is at work is taken as one batch",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.At, d.Node, d.Param = 0, 1, int64(s.Below(1<<16))
	},
	begin: func(w *World, s *strike) string {
		if w.now > 0 {
			return ""
		}
		var longest []time.Duration
		for _, n := range w.nodes {
			n.inbox.longest = stepTime(uint64(s.Param), n.id)
			n.inbox.draws = For(w.o.Seed, "busy", uint64(n.id))
			longest = append(longest, n.inbox.longest)
		}
		return fmt.Sprintf("a step takes up to %v", longest)
	},
}

// stepTime is the longest that a step of a node takes.
func stepTime(number uint64, node uint32) time.Duration {
	s := For(number, "step", uint64(node))
	return Pick(&s, 100*time.Microsecond, time.Millisecond, 5*time.Millisecond, 20*time.Millisecond)
}
