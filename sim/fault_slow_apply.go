package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultSlowApply: whoever takes over committed entries at a node is slow: it says so
// Param milliseconds later.
var faultSlowApply = Kind{
	Name: "slow-apply", Group: "process", most: 4,
	Doc: "a node's host takes over committed entries late",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(Pick(s, 5, 50, 300, 2000))
		d.For = s.Between(500*time.Millisecond, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.applyDelay > 0 {
			return ""
		}
		s.node.applyDelay = time.Duration(max(1, s.Param)) * time.Millisecond
		return fmt.Sprintf("by %d ms, for %v", s.Param, s.For)
	},
	end: func(w *World, s *strike) { s.node.applyDelay = 0 },
}

// takeOver says whether the host has taken over all that it was given, up to an index;
// if it is late, it tells the core in time, in order.
func (n *node) takeOver(i uint64) bool {
	if n.applyDelay == 0 && len(n.untaken) == 0 {
		return true
	}
	n.takenAt = max(n.takenAt, n.w.now+n.applyDelay)
	n.untaken = append(n.untaken, i)
	n.w.marks.add(markAppliedLate)
	n.w.arrange(event{at: n.takenAt, kind: evInput, node: n, life: n.life, ref: core.Applied{Index: i}})
	return false
}

// taken is the host having taken over everything up to an index.
func (n *node) taken(in core.Applied) {
	for len(n.untaken) > 0 && n.untaken[0] <= in.Index {
		n.untaken = n.untaken[1:]
	}
}
