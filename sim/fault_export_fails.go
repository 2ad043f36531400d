package sim

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// faultExportFails: from now on all nodes keep next to no log, and some seconds later a
// database that can be filled from another one's state is made anew, so that it asks for
// one; so again, once it or another one can be filled. Meanwhile all exports fail; with
// Param 1 they take long. With Param 2 a part of a state is lost on the way, with 3 the
// process that sent it dies and is back when it arrives; then states have several parts,
// and all databases export theirs.
var faultExportFails = Kind{
	Name: "export-fails", Group: "process", most: 8, databases: true, patient: true,
	Doc: "a database is made anew, and the exports that it is filled from fail, take long, or are cut",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		if d.Param = int64(Pick(s, 0, 0, 1, 2, 3, 3, 3)); d.Param >= 2 { // two other members have to be there
			d.At = formTime + (d.At-formTime)/4
		}
		d.For = s.Between(6*time.Second, 30*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if slices.ContainsFunc(w.keeping, func(x *strike) bool { return x.kind == s.kind }) {
			return "" // who is made anew exports nothing
		}
		for i := 0; !w.canBeFilled(s.node); i++ {
			if i == len(w.nodes) {
				return ""
			}
			s.node = w.nodes[int(s.node.id)%len(w.nodes)]
		}
		w.stageBegins(s)
		w.next(s, 0, 2*time.Second, 4*time.Second)
		if s.Param >= 2 {
			w.databases.state = 3 << 20
			for _, n := range w.nodes {
				n.database.exports = true
			}
		}
		for _, n := range w.nodes {
			if w.votes(n) {
				n.timing.SnapshotEntries, n.timing.MaxTailBytes = uint64(s.draws.Int(1, 10)), 256
				w.again(n, surviveAll, 10*time.Millisecond)
			}
			n.limitLog(retention{entries: uint64(s.draws.Int(1, 10))})
		}
		return fmt.Sprintf("for %v exports %s", s.For, [...]string{"fail", "take long", "are cut", "kill who sends a part"}[s.Param&3])
	},
	stage: func(w *World, s *strike) {
		w.sendersPart(s)
		if !w.waited(s) || w.isBeingFilled(s.node) || !w.toBeMadeAnew(s) {
			return
		}
		n := s.node
		if s.stage == 0 {
			w.exportsFail(s, 1)
		}
		w.next(s, 1, time.Second, 4*time.Second)
		w.say(n, "its database is made anew, and was at entry %d", n.database.now.index)
		n.database.becomes(empty())
		if s.Param < 2 || s.draws.Below(4) == 0 {
			w.again(n, surviveAll, 100*time.Millisecond)
		}
	},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		switch {
		case s.Param < 2 || p.info.body != bodyState:
			return false
		case w.now < s.asked: // a copy of the part that was lost is lost too
			return s.Param == 2 && w.now < s.asked-statesPass+readLatency
		case s.draws.Below(4) == 0 || s.Param == 2 && beginsState(p) && s.draws.Below(8) > 0:
			return false
		}
		s.asked = w.now + statesPass
		w.marks.add(markStateCut)
		if s.Param == 3 {
			s.leader, s.kept = n, []packet{*p}
			w.soon(func() { w.again(n, surviveAll, 100*time.Millisecond) })
		}
		return true
	},
	end: func(w *World, s *strike) {
		if s.stage > 0 {
			w.exportsFail(s, -1)
		}
		w.stageEnds(s)
		for _, n := range w.nodes {
			n.limitLog(w.databases.limits)
		}
	},
}

// statesPass is how long all parts arrive once one was cut: in that time a whole state
// comes from another member.
const statesPass = 8 * time.Second

// beginsState says that p is the first part of a state.
func beginsState(p *packet) bool {
	var env corepb.Envelope
	if err := proto.Unmarshal(p.data, &env); err != nil {
		panic(err)
	}
	return env.GetTableState().GetOffset() == 0
}

// sendersPart has a part arrive whose sender has died, as soon as that one is back.
func (w *World) sendersPart(s *strike) {
	if len(s.kept) == 0 || s.leader.state != running {
		return
	}
	if p := s.leader.peer(s.kept[0].dest); p != nil && p.best() != nil {
		w.sendKept(w.now, s.kept[0])
		s.kept = nil
	}
}

// canBeFilled says that n's database has applied something, and can be filled from the
// state of another one.
func (w *World) canBeFilled(n *node) bool {
	d := n.database
	return d != nil && d.applies && d.imports && d.stopped == 0 && n.state == running && n.paused == 0 && !n.foreign() && d.now.index > core.FoundingIndex
}

// isBeingFilled says that n's database is empty, and asks for a state.
func (w *World) isBeingFilled(n *node) bool {
	return n.state == running && n.paused == 0 && n.database.asksState
}

// toBeMadeAnew makes s about a database that can be filled at the moment: all members
// that its node knows are there to say that they lack what it needs, and two of them
// export their state. false: there is none.
func (w *World) toBeMadeAnew(s *strike) bool {
	if s.Param < 2 {
		return w.canBeFilled(s.node)
	}
	for range w.nodes {
		if w.canBeFilled(s.node) && w.giversTo(s.node) >= 2 {
			return true
		}
		s.node = w.nodes[int(s.node.id)%len(w.nodes)]
	}
	return false
}

// giversTo counts the members that can give n the state of their database; 0 if one of
// the members is not there.
func (w *World) giversTo(n *node) (count int) {
	for _, m := range n.members.List {
		x := w.nodes[core.NodeID(m.GetRaftId())-1]
		if x.state != running || x.paused > 0 || x.identity.RaftID != m.GetRaftId() || x != n && w.link(n, x).cut+w.link(x, n).cut > 0 {
			return 0
		}
		if d := x.database; x != n && d.applies && d.exports && d.now.index > core.FoundingIndex {
			count++
		}
	}
	return count
}

// exportsFail has the exports of all databases fail, or take long, or mends that.
func (w *World) exportsFail(s *strike, by int) {
	for _, x := range w.nodes {
		switch s.Param {
		case 0:
			x.database.noExport += by
		case 1:
			x.database.lateExport += by
		}
	}
}
