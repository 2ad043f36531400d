package core

import (
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// How package failover is driven: its machine gets the members, the ticks, what the
// host says and what the other members tell; its proposals go into the log, and what it
// decides goes to the host. From the cluster version on that knows it, and only on a
// node that takes part. Its replicated half is a part of the state machine, on all
// nodes: see failover_state.go.

// failing is what the core keeps for that.
type failing struct {
	machine *failover.Machine // nil: this node takes no part
	// changed says that what the machine looks at has changed since it decided last,
	// beside what is in seen.
	changed bool
	seen    failoverSeen
	current bool // the read of the log that this start began with has ended
	telling bool // it is time to tell the others

	partakers []partaker // on a node that takes no part: who does, by Raft id
}

// failoverSeen is what else had been so when the machine decided last.
type failoverSeen struct {
	term, lead            uint64
	leads, lease, current bool
}

func (c *Core) startFailover() {
	f := c.cfg.Failover
	if f.Boot == 0 {
		return
	}
	c.failing.machine = failover.New(failover.Config{Self: c.self, TickMillis: c.cfg.TickMillis,
		ElectionTicks: uint64(c.cfg.ElectionTicks), SealMillis: f.SealMillis}, f.Boot, c.now)
	c.failing.changed = true
	c.reads.open = append(c.reads.open, &read{id: nobody, kind: readFailover})
}

// failoverMachine is for an input that only a node with failover gets.
func (c *Core) failoverMachine(in Input) *failover.Machine {
	if c.failing.machine == nil {
		panic(fmt.Sprintf("%T, and this node takes no part in failover", in))
	}
	c.failing.changed = true
	return c.failing.machine
}

// failsOver says whether the machine decides and tells. A node that is no member any
// more has no say; one that lost acknowledged data may hold another state than the
// cluster's.
func (c *Core) failsOver() bool {
	return c.failing.machine != nil && c.members.Version >= FailoverVersion && !c.removed && !c.lost
}

// decideFailover ends a step: the machine decides, if there is anything new for it to
// look at. What it appends may be committed at once, so it looks again.
func (c *Core) decideFailover() {
	if !c.failsOver() {
		return
	}
	for c.failing.changed || c.failing.seen != c.failoverSeen() {
		c.failing.changed, c.failing.seen = false, c.failoverSeen()
		a := c.failoverAround()
		out := c.failing.machine.Decide(a)
		c.carryOut(&out)
		c.failing.telling = c.failing.telling || out.Tell
		c.out.Failover = &FailoverOutput{Shared: out.Shared, Orders: out.Orders, Why: out.Why, Nobody: out.Nobody}
		c.settle()
	}
	if c.failing.telling {
		c.failing.telling = false
		c.tellFailover()
	}
}

// carryOut does what a decision says of the log, and of leadership.
func (c *Core) carryOut(out *failover.Output) {
	if out.Append != nil {
		if _, ok := c.appendFailover(out.Append); !ok {
			c.failing.machine.Refused()
		}
	}
	for _, e := range out.Propose {
		if c.role == raft.StateLeader {
			c.appendFailover(e) // or else it comes again
		} else if c.lead != 0 {
			c.send(&corepb.Envelope{To: c.lead, Body: &corepb.Envelope_FailoverEntry{FailoverEntry: failover.Marshal(e)}})
		}
	}
	if out.Transfer != 0 {
		c.giveLeadership(out.Transfer)
	}
}

// failoverLeads says that this node leads and has applied an entry of its own term.
func (c *Core) failoverLeads() bool {
	return c.role == raft.StateLeader && c.machine.term == c.hard.Term
}

func (c *Core) failoverSeen() failoverSeen {
	return failoverSeen{c.hard.Term, c.lead, c.failoverLeads(), c.lease.ticks > 0, c.failing.current}
}

// failoverAround is what the machine is told with each decision.
func (c *Core) failoverAround() failover.Around {
	a := failover.Around{Now: c.now, Term: c.hard.Term, Leader: c.lead, Quorum: true, Current: c.failing.current,
		Leads: c.failoverLeads(), Lease: c.lease.ticks > 0, Applied: c.machine.index, State: &c.machine.failover,
		Voters: c.machine.place().Voters}
	c.voters(func(ids []uint64) {
		heard := 0
		for _, id := range ids {
			if c.reachable(id) {
				heard++
			}
		}
		a.Quorum = a.Quorum && heard >= Majority(len(ids))
	})
	for _, m := range c.members.List {
		if id := m.GetRaftId(); id != c.self {
			silent := uint64(failover.Never)
			if p := c.peers.of(id); p != nil && p.heard {
				silent = c.now - p.lastHeard
			}
			a.Peers = append(a.Peers, failover.Peer{ID: id, Silent: silent, Closed: c.closed(id)})
		}
	}
	return a
}

// tickFailover has the machine decide with each tick, and tell with each heartbeat
// interval. In between it tells what others wait for.
func (c *Core) tickFailover() {
	beats := c.now%uint64(c.cfg.HeartbeatTicks) == 0
	switch {
	case c.failing.machine != nil:
		c.failing.changed, c.failing.telling = true, beats
	case beats:
		c.leadsApart()
	}
}

// tellFailover tells all other members: at this cluster version each knows how to read it.
func (c *Core) tellFailover() {
	told := c.failing.machine.Tells(c.failoverAround())
	body := &corepb.Envelope_FailoverTold{FailoverTold: told.Message()}
	for _, m := range c.members.List {
		if id := m.GetRaftId(); id != c.self {
			c.send(&corepb.Envelope{To: id, Body: body})
		}
	}
}

// failoverTold takes what another member tells. To a node that takes no part it says only
// that the other does.
func (c *Core) failoverTold(from uint64, m *corepb.FailoverTold) {
	if c.failing.machine == nil {
		c.failing.tells(from, c.now)
		return
	}
	c.failing.machine.Hear(from, failover.ToldFrom(m), c.now)
	c.failing.changed = true
}

// failoverEntry is a proposal of another member, which was checked at the door. It may
// be lost: its sender proposes it again, to whoever leads then.
func (c *Core) failoverEntry(from uint64, data []byte) {
	e, err := failover.Unmarshal(data)
	if err != nil {
		panic(fmt.Sprintf("checked on receipt, but: %v", err))
	}
	if c.members.Get(from) != nil {
		c.appendFailover(e)
	}
}

// checkFailoverEntry refuses what members do not propose of themselves.
func checkFailoverEntry(from uint64, data []byte) error {
	e, err := failover.Unmarshal(data)
	if err != nil {
		return err
	}
	if failover.Proposer(e) != from {
		return fmt.Errorf("%T, which is not for that member to propose", e)
	}
	return nil
}

// appendFailover appends an entry to this node's log, in its own term; false: this node
// does not lead, or its log takes none now, as while it hands leadership over.
func (c *Core) appendFailover(e failover.Entry) (at place, ok bool) {
	if c.role != raft.StateLeader || c.removed || c.members.Version < FailoverVersion || c.takesNone() {
		return place{}, false
	}
	c.appendWaiting()
	if err := c.rn.Propose([]*pb.Entry{{Data: marshal(&corepb.Command{Failover: failover.Marshal(e)})}}); err != nil {
		return place{}, false
	}
	c.last++
	return place{c.last, c.hard.Term}, true
}

// giveLeadership hands leadership on as if somebody had asked for it. Where that makes
// no sense now it is left: the machine asks again.
func (c *Core) giveLeadership(to uint64) {
	t := &c.transfer
	switch {
	case c.role == raft.StateLeader && (t.target != 0 || t.wish.open): // it is being handed over
	case c.role != raft.StateLeader || to == c.self || !c.isVoter(to) || c.fullHere(to) || c.closed(to) || c.goes(to):
		c.failoverKept(nobody)
	default:
		t.wish = wish{open: true, id: nobody, target: to}
	}
}

// failoverKept says that leadership which the machine wanted to hand on was not: id is of the
// input that had asked for it.
func (c *Core) failoverKept(id uint64) {
	if c.failing.machine != nil && id == nobody {
		c.failing.machine.Kept()
	}
}

// hasServer says whether failover knows a member as one with a PostgreSQL server.
func (c *Core) hasServer(id uint64) bool {
	m := c.machine.failover.Member(id)
	return m != nil && m.Data
}

// proposeFailover is what an operator asks for, of any member.
func (c *Core) proposeFailover(in ProposeFailover) {
	switch {
	case c.removed:
		c.reply(in.ID, RemovedMember, removedText)
	case c.failing.machine == nil:
		c.reply(in.ID, NotPossible, "this node takes no part in failover")
	case c.members.Version < FailoverVersion:
		c.reply(in.ID, NotPossible, "the cluster is at version %d, failover needs version %d on all members", c.members.Version, FailoverVersion)
	case !failover.ByOperator(in.Entry):
		c.reply(in.ID, NotPossible, "that entry is for members and the leader alone")
	default:
		c.takeProposal(Propose{ID: in.ID, RequestID: in.RequestID}, failover.Marshal(in.Entry))
	}
}

// FailoverBoot is the boot of this node's engine, 0 if the node takes no part.
func (c *Core) FailoverBoot() uint64 { return c.cfg.Failover.Boot }

// Hears says that this node has heard a member within an election timeout.
func (c *Core) Hears(id uint64) bool { return c.reachable(id) }

// FailoverSaid is what the other members have told of their servers, as far as this node has
// heard, by Raft id; nothing if it takes no part. It shares memory with the core, which only
// ever replaces it.
func (c *Core) FailoverSaid() []failover.Said {
	if c.failing.machine == nil {
		return nil
	}
	return c.failing.machine.Said(c.now)
}

func (f *failing) state(k *checkpoint.Codec, takesPart bool) {
	if !takesPart {
		checkpoint.List(k, &f.partakers, func(p *partaker) {
			k.Uint(&p.id)
			k.Uint(&p.at)
		})
		return
	}
	if !k.Writing() {
		f.machine = &failover.Machine{}
	}
	f.machine.State(k)
	k.Flag(&f.changed)
	k.Uint(&f.seen.term)
	k.Uint(&f.seen.lead)
	k.Flag(&f.seen.leads)
	k.Flag(&f.seen.lease)
	k.Flag(&f.seen.current)
	k.Flag(&f.current)
	k.Flag(&f.telling)
}
