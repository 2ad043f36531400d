package sim

import (
	"bytes"
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultDirOlder: a copy of the data directory is made, and For later put in its
// place. Nothing in it tells that it is old: what was synced is gone, as with a
// disk that lies. So it is done only when the others can do without what is
// lost: it voted for nobody meanwhile, a quorum of others has its entries, and
// those that have not elect nobody with it.
// The leader notices, and the operator removes and empties it as the log says.
var faultDirOlder = Kind{
	Name: "dir-older", Group: "disk", most: 4, alone: true,
	Doc: "a restart finds an older copy of the data directory",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(200*time.Millisecond, 5*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.state != running || s.node.foreign() {
			return ""
		}
		s.copied = s.node.disk.dir.clone()
		return fmt.Sprintf("a copy is made of a log that ends at %d, to be used %v later", s.copied.last(), s.For)
	},
	end: func(w *World, s *strike) {
		n := s.node
		if w.settled || n.state != running || n.life != s.life || !w.mayForget(n, s.copied) {
			return
		}
		w.checks.lost(n)
		n.crash(surviveAll)
		if n.disk.dir.last() <= s.copied.last() {
			return
		}
		w.marks.add(markDirOlder)
		w.say(n, "is started on an older copy: its log ended at %d, and ends at %d", n.disk.dir.last(), s.copied.last())
		s.copied.had = n.disk.dir.last()
		n.disk.dir = s.copied
		w.restartLater(n, 100*time.Millisecond)
	},
}

// mayForget says whether the others can do without what n's directory has over
// an older copy of it.
func (w *World) mayForget(n *node, copied *directory) bool {
	d := n.disk.dir
	if !w.mayLose(n) || needsSync(n.disk.writing) || needsSync(n.disk.queue) || d.identity != copied.identity ||
		d.hard.Term != copied.hard.Term || d.hard.Vote != copied.hard.Vote || d.promise != copied.promise {
		return false
	}
	last := d.last()
	return quorum(w.checks.newest, nil, func(id uint64) bool {
		x := w.nodes[core.NodeID(id)-1].disk.dir
		return x != d && bytes.Equal(x.identity.ReplicaUUID[:], w.checks.newest.Get(id).GetReplicaUuid()) && x.termAt(last) == d.termAt(last)
	}) && !w.elect(n, copied, last, d.termAt(last))
}

// elect says whether the nodes that lack an entry could elect one of them, n with
// an older copy of its directory among them: whether they are a quorum in a
// configuration that one of them goes by. Such a copy of the only member is one by
// itself, whoever came after it.
func (w *World) elect(n *node, copied *directory, index, term uint64) bool {
	lacks, by := map[uint64]bool{}, []core.Members{}
	for _, x := range w.nodes {
		d := x.disk.dir
		if x == n {
			d = copied
		} else if !d.hasIdentity || d.identity.ClusterUUID != w.checks.cluster || d.termAt(index) == term {
			continue
		} else if x.state == running {
			by = append(by, x.members)
		}
		lacks[d.identity.RaftID] = true
		by = append(by, w.checks.membersAt(d.commit()))
	}
	for _, m := range by {
		if quorum(m, nil, func(id uint64) bool { return lacks[id] }) {
			return true
		}
	}
	return false
}
