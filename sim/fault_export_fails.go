package sim

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// faultExportFails: from now on all nodes keep next to no log, and some seconds later a
// database that can be filled from another one's state is made anew, so that it asks for
// one. Meanwhile all exports fail; with Param 1 they take long, with 2 a part of the state
// is lost on the way, once others have come, with 3 the process that sent it dies. Once
// the database is filled, it is made anew again. It is Node's, or that of the next node
// which has such a one.
var faultExportFails = Kind{
	Name: "export-fails", Group: "process", most: 8, databases: true,
	Doc: "a database is made anew, and the exports that it is filled from fail, take long, or are cut",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(Pick(s, 0, 0, 1, 2, 2, 3))
		d.For = s.Between(6*time.Second, 30*time.Second)
	},
	begin: func(w *World, s *strike) string {
		for i := 0; !w.canBeFilled(s.node); i++ {
			if i == len(w.nodes) {
				return ""
			}
			s.node = w.nodes[int(s.node.id)%len(w.nodes)]
		}
		w.stageBegins(s)
		w.next(s, 0, 2*time.Second, 4*time.Second)
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
		n := s.node
		if !w.waited(s) || !w.canBeFilled(n) {
			return
		}
		if s.stage == 0 {
			w.exportsFail(s, 1)
		}
		w.next(s, 1, time.Second, 4*time.Second)
		w.say(n, "its database is made anew, and was at entry %d", n.database.now.index)
		n.database.becomes(empty())
		w.again(n, surviveAll, 100*time.Millisecond)
	},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		if s.stage == 0 || s.Param < 2 || p.to != s.node || p.info.body != bodyState || w.now < s.asked {
			return false
		}
		var env corepb.Envelope
		if proto.Unmarshal(p.data, &env) != nil || env.GetTableState().GetOffset() == 0 && s.draws.Below(8) > 0 || s.draws.Below(2) == 0 {
			return false
		}
		s.asked = w.now + statesPass
		w.marks.add(markStateCut)
		if s.Param == 3 {
			w.soon(func() { w.again(n, surviveAll, 100*time.Millisecond) })
		}
		return s.Param == 2
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

// canBeFilled says that n's database has applied something, and can be filled from the
// state of another one.
func (w *World) canBeFilled(n *node) bool {
	d := n.database
	return d != nil && d.applies && d.imports && n.state == running && n.paused == 0 && !n.foreign() && d.now.index > core.FoundingIndex
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
