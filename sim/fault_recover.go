package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// faultRecover: every other voter is gone for good, but for as many as are no
// quorum, and the operator has node go on alone. The servers come back empty, and
// are added again. With Param 1 the operator is cut short after the new identity is
// stored, with Param 2 after the batch, and begins anew. With For peer is first to
// take node's place, and the first that is in the middle of that goes on alone.
var faultRecover = Kind{
	Name: "recover", Group: "people", most: 1, alone: true,
	Doc: "a majority is lost for good, and a member goes on alone",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(3))
		if s.Below(2) == 0 {
			d.Node, d.Peer, d.For = uint32(s.Int(1, o.Nodes)), uint32(s.Int(o.Nodes+1, o.Nodes+spares)), 10*time.Second
		}
	},
	watch: func(w *World, s *strike, n *node) {
		if !s.cut && n.seen.joint != nil {
			s.cut = true
			w.arrange(event{at: w.now, kind: evBegin, ref: &Decision{Kind: s.Kind, At: w.now, Node: n.id, Param: s.Param}})
		}
	},
	end: func(*World, *strike) {},
	begin: func(w *World, s *strike) string {
		if s.For > 0 {
			what := faultReplaceBy.begin(w, s)
			if what != "" {
				w.watching = append(w.watching, s)
			}
			return what
		}
		n, d := s.node, s.node.disk.dir
		if !w.operator.formed || n.foreign() || !n.identity.Invited() || n.identity.Removed || d.identity != n.identity || d.snapshot == nil ||
			d.corrupt != "" || d.had > d.last() || n.state == broken || n.state == uninitialised || w.checks.newest.Get(n.identity.RaftID) == nil {
			return ""
		}
		if n.database != nil {
			w.restoreNewer(n.database)
		}
		n.crash(surviveAll)
		if d.version > n.knows() { // the operator hears so from the build of before, and installs the other
			n.version = core.NewestVersion
		}
		spared := 0
		for _, m := range w.checks.newest.List {
			x := w.nodes[core.NodeID(m.GetRaftId())-1]
			switch voters, _ := w.count(n); {
			case x == n:
			case m.GetRole() != corepb.Role_VOTER || spared+2 < core.Majority(voters):
				spared++
			default:
				w.destroy(x)
			}
		}
		lost := w.recover(n, s.Param)
		return fmt.Sprintf("it goes on alone, with a log that ends at %d; %d entries that were committed are lost", d.last(), lost)
	},
}

// destroy ends a server for good; another one comes in its place.
func (w *World) destroy(n *node) {
	w.checks.lost(n)
	n.crash(surviveNone)
	n.disk.dir, n.marker, n.lease = &directory{}, nil, lease{}
	w.restartLater(n, n.draws.Between(0, operatorPatience))
}

// recover is pgraft_recover_from_lost_quorum() on a node that is down, and its
// start. It returns how many committed entries it costs.
func (w *World) recover(n *node, cut int64) (lost int) {
	d, had, was := n.disk.dir, n.disk.dir.last(), n.disk.dir.identity.ClusterUUID
	for ; ; cut = 0 {
		before, err := d.load()
		if err != nil {
			w.fail(checkRecover, "%v: %v", n, err)
			return 0
		}
		id, batch, err := core.Recover(d.identity, before, n.knows(), n.uuid(), n.address, port)
		if err != nil {
			w.fail(checkRecover, "%v cannot go on alone: %v", n, err)
			return 0
		}
		w.checks.recovers(n, id, &batch)
		if cut != 2 {
			d.identity = id
		}
		if cut != 1 {
			d.write(&batch)
		}
		if cut == 0 {
			break
		}
	}
	w.marks.add(markRecovered)
	if n.database != nil {
		n.database.recovered(was, d.identity.ClusterUUID, had+1)
	}
	lost = w.checks.rebase(n, had)
	if lost > 0 {
		w.marks.add(markRecoveryCosts)
	}
	n.start()
	w.checks.recovered(n)
	return lost
}
