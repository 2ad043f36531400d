package sim

import (
	"fmt"
	"time"
)

// faultCrash: the process or the machine dies. Param is the survival of what was
// written and not synced; For is how long it stays down.
var faultCrash = Kind{
	Name: "crash", Group: "process", most: 10,
	Doc: "a process or a machine dies, and comes back at once or late",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(3))
		d.For = Pick(s, time.Millisecond, s.Between(0, time.Second), s.Between(0, 15*time.Second))
	},
	begin: func(w *World, s *strike) string {
		if s.node.state == down {
			return ""
		}
		s.node.crash(survival(s.Param))
		w.restartLater(s.node, s.For)
		return fmt.Sprintf("down for %v", s.For)
	},
}
