package sim

import (
	"fmt"
	"time"
)

// faultNeedsLost: a database applies nothing for a while, and what its node says of its
// needs does not arrive; with Param 1 it goes on, and that arrives late, after up to For.
// With Param 2 what the node asks other members for, and what it answers, arrives once
// more, at once or late.
var faultNeedsLost = Kind{
	Name: "needs-lost", Group: "network", most: 4, databases: true,
	Doc: "what a member says of its database's needs is lost or late, what it asks and answers comes twice",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(Pick(s, 0, 0, 1, 2))
		d.For = s.Between(time.Second, 25*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.database == nil {
			return ""
		}
		w.stageBegins(s)
		if s.Param == 0 {
			s.node.database.stopped++
		}
		return fmt.Sprintf("%s, for %v", [...]string{"it stands still, and they are lost", "late", "questions and answers twice"}[s.Param%3], s.For)
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
	end: func(w *World, s *strike) {
		w.stageEnds(s)
		if s.Param == 0 {
			s.node.database.stopped--
		}
	},
}
