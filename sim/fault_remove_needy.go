package sim

import (
	"fmt"
	"time"
)

// faultRemoveNeedy: a member's database applies nothing, the others keep the log for
// it, and after half of For the member is removed: then they need to keep nothing. With
// Param 1 it does not run meanwhile.
var faultRemoveNeedy = Kind{
	Name: "remove-needy", Group: "people", most: 2, databases: true,
	Doc: "a member is removed while the others keep the log for its database",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(2))
		d.For = s.Between(4*time.Second, 30*time.Second)
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.database == nil || !n.database.applies || !w.operator.want[n.id-1] || !w.votes(n) {
			return ""
		}
		n.database.stopped++
		if s.Param == 1 {
			n.crash(surviveAll)
		}
		w.arrange(event{at: w.now + s.For/2, kind: evCall, ref: func() {
			if !s.over && w.wanted() > 1 {
				w.operator.want[n.id-1] = false
				w.marks.add(markNeedyRemoved)
			}
		}})
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		s.node.database.stopped--
		if s.node.state == down {
			s.node.start()
		}
	},
}
