package core

import (
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
)

// Committed entries: applied to the replicated state machine, handed to the host,
// and reported to the library once the host has them.

type pendingApply struct {
	index     uint64 // last user entry in it: the host has to take it over
	responses []*pb.Message
}

// applyCommitted applies entries to the replicated state machine at once, and
// hands the user's to the host. The library hears of it when the host has
// taken them over.
func (c *Core) applyCommitted(m *pb.Message) {
	user := uint64(0)
	for _, e := range m.GetEntries() {
		if e.GetIndex() <= c.machine.index { // a snapshot overtook it
			continue
		}
		a := c.machine.apply(e, func(cc *pb.ConfChangeV2) *pb.ConfState { return c.rn.ApplyConfChange(cc) })
		switch {
		case a.change != nil:
			c.changeApplied(a)
		case a.jointLeft:
			c.jointLeft()
		case a.raised:
			c.versionRaised()
		case a.isCommand:
			c.resolve(a)
		}
		if a.failover {
			c.failing.changed = true
		}
		if a.first {
			user = e.GetIndex()
			c.out.Apply = append(c.out.Apply, Apply{Index: user, Term: e.GetTerm(), Data: a.user})
		}
	}
	c.supersede()
	c.storage.applies = append(c.storage.applies, pendingApply{user, m.GetResponses()})
	c.hostApplied(0) // a batch without user entries waits for nobody
}

// hostApplied tells the library about applied entries, in order.
func (c *Core) hostApplied(index uint64) {
	n := 0
	for ; n < len(c.storage.applies) && c.storage.applies[n].index <= index; n++ {
		for _, r := range c.storage.applies[n].responses {
			es := r.GetEntries()
			c.storage.libApplied = max(c.storage.libApplied, es[len(es)-1].GetIndex())
			c.step(r)
		}
	}
	if n > 0 {
		c.storage.applies = slices.Delete(c.storage.applies, 0, n)
		c.compact()
	}
}
