package node

import (
	"context"
	"errors"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// Failover is what a node knows of failover at one instant.
type Failover struct {
	RaftID  uint64
	Members []core.MemberStatus
	Voters  []uint64 // by Raft id, as the state has them
	Lead    uint64
	// State is the replicated state as of the entry at Applied.
	State   failover.State
	Applied uint64
	Boot    uint64 // of this node's engine; 0: the node takes no part
	// Server is what was said of this node's server last; nil: nothing yet, or there is none.
	Server *failover.Server
	// Why is what this node's server waits for; Nobody, on the leader, what the cluster waits
	// for until it has another primary.
	Why, Nobody failover.Why
	Said        []failover.Said // by the other members, by Raft id
	// SilentAfter is for how long what a member said counts.
	SilentAfter time.Duration

	heard []uint64 // by the core
}

// Failover is what this node knows now. On a node that takes no part the state is there, too.
func (n *Node) Failover(ctx context.Context) (Failover, error) {
	for {
		r, err := n.running()
		if err != nil {
			return Failover{}, err
		}
		f, err := r.failover(ctx)
		if errors.Is(err, ErrNotRunning) && r.wasReplaced(ctx) {
			continue
		}
		return f, err
	}
}

// failover reads the core as its owner.
func (r *runner) failover(ctx context.Context) (Failover, error) {
	answer := make(chan Failover, 1)
	r.put(func() { answer <- r.lookAtFailover() })
	select {
	case f := <-answer:
		return f, nil
	case <-r.ended:
		return Failover{}, ErrNotRunning
	case <-ctx.Done():
		return Failover{}, ctx.Err()
	}
}

func (r *runner) lookAtFailover() Failover {
	s := r.core.Status()
	f := Failover{RaftID: s.RaftID, Lead: s.Lead, Members: r.core.MemberStatuses(), State: r.core.FailoverState(), Applied: s.Applied,
		Boot: r.core.FailoverBoot(), Why: r.decided.Why, Nobody: r.decided.Nobody, Said: r.core.FailoverSaid(),
		SilentAfter: time.Duration(r.electionMillis) * time.Millisecond}
	for _, m := range f.Members {
		id := m.Member.GetRaftId()
		if isVoter(m) {
			f.Voters = append(f.Voters, id)
		}
		if r.core.Hears(id) {
			f.heard = append(f.heard, id)
		}
	}
	if v, ok := r.core.FailoverServer(); ok {
		f.Server = &v
	}
	return f
}

// PartChanged says that other members than before take part with a server. One caller
// hears of it.
func (n *Node) PartChanged() <-chan struct{} { return n.part }

// Told is what a member said within an election timeout; nil: nothing.
func (f *Failover) Told(id uint64) *failover.Told {
	for i := range f.Said {
		if x := &f.Said[i]; x.Member == id && time.Duration(x.Millis)*time.Millisecond < f.SilentAfter {
			return &x.Told
		}
	}
	return nil
}

// Primary is the member whose epoch is open, 0 if none is.
func (f *Failover) Primary() uint64 {
	if e := &f.State.Epoch; e.Stage == failover.StageOpen {
		return e.Primary
	}
	return 0
}

// TakesWrites is a member whose server takes writes, as far as that is known; 0: none does.
func (f *Failover) TakesWrites() uint64 {
	if f.Server != nil && !f.Server.Recovery {
		return f.RaftID
	}
	for _, x := range f.Said {
		if t := f.Told(x.Member); t != nil && t.Server && !t.Recovery {
			return x.Member
		}
	}
	return 0
}

// enabling is this as package failover looks at it when failover is enabled.
func (f *Failover) enabling(system uint64) *failover.Enabling {
	x := &failover.Enabling{Self: f.RaftID, Boot: f.Boot, System: system, State: &f.State, Server: f.Server,
		Place: failover.Place{Index: f.Applied, Voters: f.Voters}, Heard: f.heard, Said: f.Said, SilentMillis: uint64(f.SilentAfter.Milliseconds())}
	for _, m := range f.Members {
		x.Place.Members = append(x.Place.Members, m.Member.GetRaftId())
	}
	return x
}
