package core

import (
	"fmt"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// The replicated state of package failover, as a part of the state machine: what its
// entries do, and which membership changes it refuses.

// applyFailover applies an entry of package failover. What it rests on is looked at
// now, with the members as they are here: so all nodes decide alike.
func (m *machine) applyFailover(data []byte) applied {
	e, err := failover.Unmarshal(data)
	if err != nil {
		panic(fmt.Sprintf("committed entry %d: %v", m.index, err))
	}
	return applied{failover: true, void: m.failover.Apply(e, m.place()).Void}
}

// FailoverState is a copy of the replicated state of package failover, as of
// Status.Applied.
func (c *Core) FailoverState() failover.State { return c.machine.failover.Clone() }

// FailoverServer is what the host last said of this node's server; false if it has said
// nothing yet, or if this node takes no part. It shares memory with the core, which only
// ever replaces it.
func (c *Core) FailoverServer() (failover.Server, bool) {
	if c.failing.machine == nil {
		return failover.Server{}, false
	}
	return c.failing.machine.Server()
}

// FailoverPrimary is whose the newest epoch is, 0: nobody's, and where that one's server
// listens.
func (c *Core) FailoverPrimary() (id uint64, address string) {
	e := &c.machine.failover.Epoch
	if e.Stage < failover.StageGranted {
		return 0, ""
	}
	if m := c.machine.failover.Member(e.Primary); m != nil {
		address = m.Address
	}
	return e.Primary, address
}

// FailoverPart appends the members that take part with a server.
func (c *Core) FailoverPart(ids []uint64) []uint64 {
	for i := range c.machine.failover.Members {
		if m := &c.machine.failover.Members[i]; m.Data && m.Joined {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// place is where the entry that is applied now stands.
func (m *machine) place() failover.Place {
	at := failover.Place{Index: m.index}
	for _, x := range m.members.List {
		at.Members = append(at.Members, x.GetRaftId())
		if x.GetRole() == corepb.Role_VOTER {
			at.Voters = append(at.Voters, x.GetRaftId())
		}
	}
	return at
}

// mayLeave says whether failover lets a change take a member, number i of list, out of
// the voters, or out of the cluster.
func (m *machine) mayLeave(ch *corepb.MemberChange, list []*corepb.Member, i int) failover.Void {
	if i < 0 {
		return failover.NotVoid
	}
	switch ch.GetStep() {
	case corepb.MemberChange_REMOVE, corepb.MemberChange_DEMOTE:
		return m.failover.MayLeave(list[i].GetRaftId())
	case corepb.MemberChange_REPLACE:
		return m.failover.MayLeave(list[i].GetReplaces())
	}
	return failover.NotVoid
}

// failoverKeeps says why failover does not let a member go as things are; its code is OK
// if it does. A leader that proposed the change all the same would do so without end, as
// each is refused when it is applied.
func (m *machine) failoverKeeps(id uint64) refusal {
	if why := m.failover.MayLeave(id); why != failover.NotVoid {
		return refusal{code: NotPossible, text: fmt.Sprintf("failover needs node %d: %v", NodeID(id), why)}
	}
	return refusal{}
}

// failoverState codes the state as its bytes.
func (m *machine) failoverState(k *checkpoint.Codec) {
	b := m.failover.Marshal()
	k.Blob(&b)
	if k.Writing() {
		return
	}
	s, err := failover.UnmarshalState(b)
	if err != nil {
		k.Fail("%v", err)
	}
	m.failover = s
}
