package sim

import (
	"fmt"
	"time"
)

// faultNeedsLost: what a member says of its database's needs does not arrive for a
// while; with Param 1 it arrives late, after up to For.
var faultNeedsLost = Kind{
	Name: "needs-lost", Group: "network", most: 4, databases: true,
	Doc: "what a member says of its database's needs is lost, or late",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(2))
		d.For = s.Between(time.Second, 20*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.database == nil {
			return ""
		}
		w.stageBegins(s)
		if s.Param == 1 {
			return fmt.Sprintf("late, for %v", s.For)
		}
		return fmt.Sprintf("lost, for %v", s.For)
	},
	stage: func(*World, *strike) {},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		if n != s.node || p.info.body != bodyApplyNeeds {
			return false
		}
		w.marks.add(markNeedsLost)
		if s.Param == 1 {
			w.sendKept(w.now+s.draws.Between(0, s.For), *p)
		}
		return true
	},
	end: func(w *World, s *strike) { w.stageEnds(s) },
}
