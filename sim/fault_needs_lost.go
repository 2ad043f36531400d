package sim

import (
	"fmt"
	"time"
)

// faultNeedsLost: what a member says of its database's needs does not arrive for a
// while; with Param 1 it arrives late, after up to For. With Param 2 what it asks other
// members for, and what it answers, arrives once more, at once or late.
var faultNeedsLost = Kind{
	Name: "needs-lost", Group: "network", most: 4, databases: true,
	Doc: "what a member says of its database's needs is lost or late, what it asks and answers comes twice",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(3))
		d.For = s.Between(time.Second, 20*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.database == nil {
			return ""
		}
		w.stageBegins(s)
		return fmt.Sprintf("%s, for %v", [...]string{"lost", "late", "questions and answers twice"}[s.Param%3], s.For)
	},
	stage: func(*World, *strike) {},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		switch {
		case n != s.node || p.info.isHeard():
			return false
		case s.Param == 2:
			if p.info.body != bodyApplyNeeds && p.info.body != bodyLostData {
				w.sendKept(w.now+s.draws.Between(0, Pick(&s.draws, 100*time.Millisecond, 3*time.Second)), *p)
			}
			return false
		case p.info.body != bodyApplyNeeds:
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
