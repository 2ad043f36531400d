package sim

import (
	"fmt"
	"slices"
	"time"
)

// faultNeedsLost: what a node says of its database's needs does not arrive. Its database
// can be filled from nothing but the log, if one of that kind is there, and the others
// keep next to no log; once they have heard what it needs, it applies nothing. When none
// of them runs any more that has heard it, it goes on until one has. With Param 1 a
// database goes on all the time, and what its node says of its needs arrives late, after
// up to For. With Param 2 what the node asks other members for, and what it answers,
// arrives once more, at once or late.
var faultNeedsLost = Kind{
	Name: "needs-lost", Group: "network", most: 4, databases: true, patient: true,
	Doc: "what a member says of its database's needs is lost or late, what it asks and answers comes twice",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(Pick(s, 0, 0, 1, 2))
		d.For = s.Between(time.Second, 25*time.Second)
		if d.Param == 0 {
			d.At, d.For = formTime+(d.At-formTime)/4, s.Between(16*time.Second, 40*time.Second)
		}
	},
	begin: func(w *World, s *strike) string {
		another := slices.ContainsFunc(w.keeping, func(x *strike) bool { return x.kind == s.kind && x.Param == 0 })
		if s.node.database == nil || s.Param == 0 && another {
			return "" // who begins has the others forget what they heard
		}
		w.stageBegins(s)
		if s.Param == 0 {
			w.keepsLittle(s)
		}
		return fmt.Sprintf("%s, for %v", [...]string{"it stands still, and they are lost", "late", "questions and answers twice"}[s.Param%3], s.For)
	},
	// The stages are 0 the others are to hear the need, 1 they have.
	stage: func(w *World, s *strike) {
		knowing, all := w.knowNeed(s.node)
		switch {
		case s.Param != 0:
		case s.stage == 0 && knowing > 0 && (knowing == all || w.waited(s)):
			s.node.database.stopped++
			w.next(s, 1, 0, 0)
		case s.stage == 1 && knowing == 0:
			s.node.database.stopped--
			w.next(s, 0, needHeard, needHeard)
		}
	},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		switch {
		case n != s.node || p.info.isHeard():
			return false
		case s.Param == 2:
			if p.info.body != bodyApplyNeeds && p.info.body != bodyLostData {
				w.sendKept(w.now+s.draws.Between(0, Pick(&s.draws, 100*time.Millisecond, 3*time.Second)), *p)
			}
			return false
		case p.info.body != bodyApplyNeeds || s.Param == 0 && s.stage == 0:
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
			s.node.database.stopped -= s.stage
			for _, n := range w.nodes {
				n.limitLog(w.databases.limits)
			}
		}
	},
}

// needHeard is how long all are waited for that are to hear a need; then one is enough.
const needHeard = 3 * time.Second

// keepsLittle makes s about the next node whose database needs the log, if there is one,
// and has the others keep next to none.
func (w *World) keepsLittle(s *strike) {
	for i := 0; i < len(w.nodes) && !w.needsTheLog(s.node); i++ {
		s.node = w.nodes[int(s.node.id)%len(w.nodes)]
	}
	for _, n := range w.nodes {
		if n != s.node && w.votes(n) {
			w.setCompact(s, n)
			n.limitLog(retention{entries: uint64(s.draws.Int(1, 10))})
		}
	}
	w.next(s, 0, needHeard, needHeard)
}

// needsTheLog says that n's database applies the log, and can be filled from nothing else.
func (w *World) needsTheLog(n *node) bool {
	return w.votes(n) && n.database.applies && !n.database.imports
}

// knowNeed counts the members that have heard in this life what n's database needs, of
// all that are to be there.
func (w *World) knowNeed(n *node) (knowing, all int) {
	for _, x := range w.nodes {
		if x == n || !w.operator.want[x.id-1] || x.foreign() {
			continue
		}
		all++
		if x.state == running && x.heardNeed(n.identity.RaftID) != nil {
			knowing++
		}
	}
	return knowing, all
}
