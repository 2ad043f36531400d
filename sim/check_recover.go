package sim

import (
	"maps"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// recovery is the entry with which a node goes on alone.
type recovery struct {
	at uint64
	id core.Identity
}

// recovers: a node that goes on alone keeps its log and adds an entry, is in a term
// that it never was in, and is another member of another cluster.
func (c *checks) recovers(n *node, id core.Identity, b *core.Persist) {
	d := n.disk.dir
	was := d.identity
	if id.ClusterUUID == was.ClusterUUID || id.RaftID == was.RaftID || core.NodeID(id.RaftID) != n.id || c.replica(id.RaftID) != nil ||
		id.NodeID != was.NodeID || id.ReplicaUUID != was.ReplicaUUID {
		c.w.fail(checkRecover, "%v goes on as %+v, and was %+v", n, id, was)
	}
	if b.Snapshot != nil || b.Mark != nil || len(b.Entries) != 1 || b.HardState == nil || !b.Sync {
		c.w.fail(checkRecover, "%v goes on with another batch than one entry and a term", n)
		return
	}
	if e, h := &b.Entries[0], b.HardState; e.Index != d.last()+1 || h.Commit != e.Index || h.Term != e.Term || h.Term <= d.hard.Term || h.Term <= d.termAt(d.last()) {
		c.w.fail(checkRecover, "%v goes on with entry %d of term %d, in term %d with commit index %d; its log ended at %d of term %d, in term %d",
			n, e.Index, e.Term, h.Term, h.Commit, d.last(), d.termAt(d.last()), d.hard.Term)
	}
}

// rebase makes what n has on its disk the truth: that is what it costs to lose a
// majority. What was committed and n has not is forgotten; it returns how many
// entries that are. Nothing else may be lost. Its log ended at had before.
func (c *checks) rebase(n *node, had uint64) (lost int) {
	d, at := n.disk.dir, uint64(0)
	for i := min(had, uint64(len(c.committed))-1); i > 0; i-- {
		if t := d.termAt(i); t != 0 && t == c.committed[i].term || d.snapshot.Index >= i {
			at = i
			break
		}
	}
	lost = len(c.committed) - int(at) - 1
	c.committed = c.committed[:at+1]
	c.forgetApplied(at)
	c.contents = c.contents[:min(len(c.contents), len(c.order)+1)]
	c.firstIs(d, at, had)
	c.leaders = c.leaders[:min(uint64(len(c.leaders)), d.hard.Term)]
	c.others, c.votes, c.candidates, c.promises, c.changes = map[slotKey]digest{}, map[vote]uint64{}, nil, nil, nil
	c.replicas, c.w.operator.ever, c.raise = nil, nil, raise{}
	maps.DeleteFunc(c.joints, func(k slotKey, _ *jointChange) bool { return k.index > at })
	maps.DeleteFunc(c.agreed, func(i uint64, _ digest) bool { return i > at })
	for c.members[len(c.members)-1].from > at {
		c.members = c.members[:len(c.members)-1]
	}
	last := c.members[len(c.members)-1]
	c.newest, c.newestAt = last.Members, last.from
	c.cluster, c.availability = d.identity.ClusterUUID, availability{}
	c.recovery = recovery{d.last(), d.identity}
	return lost
}

// firstIs makes the log of d the first that had its entries: up to at they are
// committed, up to had it may hold more, a snapshot of them too.
func (c *checks) firstIs(d *directory, at, had uint64) {
	for i := range c.first {
		i := uint64(i)
		if i <= at && c.committed[i].term != 0 {
			c.first[i] = c.committed[i].slot
		} else if i > at && i >= d.snapshot.Index {
			t := d.termAt(i)
			chain, ok := c.chainAt(i, t)
			if i > had || !ok || t == 0 {
				c.first = c.first[:i]
				return
			}
			c.first[i] = slot{t, chain}
		}
	}
}

// forgetApplied takes back what was applied after an index, and what clients know
// of it.
func (c *checks) forgetApplied(at uint64) {
	keep := c.positionAfter(at)
	for _, e := range c.order[keep:] {
		e.op.applied = nil
		c.costs(e.op)
	}
	c.order = c.order[:keep]
	for k, l := range c.byKey { // each by itself
		for len(l) > 0 && l[len(l)-1] >= keep {
			l = l[:len(l)-1]
		}
		c.byKey[k] = l
	}
	c.acked = min(c.acked, at)
	term := c.commitTerm()
	for _, o := range c.w.ops {
		o.acked, o.term, o.places = min(o.acked, at), min(o.term, term), nil
	}
}

// costs notes that a client may have seen o done, and that it is lost: what was read
// and written of its key need not fit together any more.
func (c *checks) costs(o *op) {
	if c.lostKeys == nil {
		c.lostKeys = map[int]bool{}
	}
	c.lostKeys[o.key] = true
}

// recovered is called when the node that goes on alone has started: all that it had
// is committed.
func (c *checks) recovered(n *node) {
	if n.state != running {
		c.w.fail(checkRecover, "%v does not start to go on alone: %v %s", n, n.state, n.why)
		return
	}
	for i := uint64(len(c.committed)); i <= n.seen.last(); i++ {
		e := committed{leaderTerm: n.status.Term}
		if i >= n.seen.base {
			e.slot = *n.seen.at(i)
		} else if i < uint64(len(c.first)) {
			e.slot = c.first[i]
		}
		c.committed = append(c.committed, e)
	}
	if n.status.Commit != n.seen.last() || n.status.Last != n.seen.last() {
		c.w.fail(checkRecover, "%v goes on alone with commit index %d, and its log ends at %d", n, n.status.Commit, n.seen.last())
	}
}

// alone: with that entry the node is the only member.
func (c *checks) alone(n *node, m core.Members) {
	id := &c.recovery.id
	if x := m.Get(id.RaftID); len(m.List) != 1 || x.GetRole() != corepb.Role_VOTER || m.ClusterUUID != id.ClusterUUID ||
		m.LastIncarnation != core.Incarnation(id.RaftID) || string(x.GetReplicaUuid()) != string(id.ReplicaUUID[:]) {
		c.w.fail(checkRecover, "%v goes on alone as %x of cluster %x, and its members are %v of cluster %x", n, id.RaftID, id.ClusterUUID, m.List, m.ClusterUUID)
	}
}
