package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// What an operator asks of failover, on any node. Each call returns once its entry is applied
// on this node, and says whether it took effect.

// Errors that callers test for.
var (
	ErrNoPart     = errors.New("node: this node takes no part in failover")
	ErrNoSuchNode = errors.New("node: no member has that node id")
)

// VoidError is an operator's entry that was applied and did nothing.
type VoidError struct{ Void failover.Void }

func (e *VoidError) Error() string { return e.Void.String() }

// LackError lists what is missing for failover to be enabled.
type LackError struct{ Lacks []failover.Lack }

func (e *LackError) Error() string {
	return fmt.Sprintf("%d things are missing for failover to be enabled", len(e.Lacks))
}

// UnderWayError says that what was asked for goes on, though nobody waits for it any longer.
type UnderWayError struct {
	What string
	Why  failover.Why // what it waits for, as far as this node knows
}

func (e *UnderWayError) Error() string { return e.What + " is still under way" }

// GivenUpError says that what was asked for came to nothing.
type GivenUpError struct{ What string }

func (e *GivenUpError) Error() string { return e.What + " was given up" }

// operatorPoll is how often an operator's call looks how far the cluster has come.
const operatorPoll = 20 * time.Millisecond

func isVoter(m core.MemberStatus) bool { return m.Member.GetRole() == corepb.Role_VOTER }

// operate proposes an entry of an operator's, and waits until it is applied here. It returns
// where.
func (n *Node) operate(ctx context.Context, e failover.Entry) (index uint64, err error) {
	requestID := newUUID()
	rep, err := n.ask(ctx, func(id uint64) core.Input {
		return core.ProposeFailover{ID: id, RequestID: requestID, Entry: e}
	})
	if rep.Void != failover.NotVoid {
		return 0, &VoidError{rep.Void}
	}
	return rep.Index, err
}

// newest is what this node knows once it has applied all that was committed before the call.
func (n *Node) newest(ctx context.Context) (Failover, error) {
	if f, err := n.Failover(ctx); err != nil || f.Boot == 0 {
		return f, errors.Join(err, noPart(f, err))
	}
	if _, err := n.ReadBarrier(ctx); err != nil {
		return Failover{}, err
	}
	return n.Failover(ctx)
}

func noPart(f Failover, err error) error {
	if err == nil && f.Boot == 0 {
		return ErrNoPart
	}
	return nil
}

// awaits looks at failover until done says true, or ctx ends.
func (n *Node) awaits(ctx context.Context, done func(f *Failover) (bool, error)) (Failover, error) {
	t := time.NewTicker(operatorPoll)
	defer t.Stop()
	for {
		f, err := n.Failover(ctx)
		if err != nil {
			return f, err
		}
		if yes, err := done(&f); yes || err != nil {
			return f, err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return f, ctx.Err()
		}
	}
}

// EnableFailover begins failover with this node's server, which takes writes, as the primary.
// system is that server's system identifier. First the standbys note that they take part, then
// this server does; the epoch opens once the standbys have followed, after the call has
// returned. A LackError says what is missing.
func (n *Node) EnableFailover(ctx context.Context, system uint64) error {
	f, err := n.newest(ctx)
	if err != nil {
		return err
	}
	if f.State.Mode != failover.ModeOff {
		return &VoidError{failover.VoidEnabled}
	}
	if err := n.lacksNothing(ctx, system); err != nil {
		return err
	}
	if f, err = n.Failover(ctx); err != nil {
		return err
	}
	from, err := n.cfg.Server.Keep(f.servers())
	defer n.keepsNoMore()
	if err != nil {
		return err
	}
	defer n.joins(failover.JoinNobody)
	for _, j := range []failover.Joining{failover.JoinStandbys, failover.JoinAll} {
		if err := n.joins(j); err != nil {
			return err
		}
		if f, err = n.awaitJoined(ctx, system, from, j == failover.JoinAll); err != nil {
			return err
		}
		if _, void := f.enabling(system).Enable(); void != failover.NotVoid {
			return &VoidError{void}
		}
	}
	e, _ := f.enabling(system).Enable()
	_, err = n.operate(ctx, e)
	return err
}

// lacksNothing returns once nothing is missing that servers could not join for. What may come by
// itself is waited for, as long as a member may be silent.
func (n *Node) lacksNothing(ctx context.Context, system uint64) error {
	n.mu.Lock()
	limit := n.cfg.ElectionTimeout
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var lacks []failover.Lack
	_, err := n.awaits(ctx, func(f *Failover) (bool, error) {
		lacks = f.enabling(system).Lacks()
		return len(lacks) == 0 || !passes(lacks), nil
	})
	if len(lacks) > 0 {
		return &LackError{lacks}
	}
	return err
}

// passes says that all that is missing may come by itself.
func passes(lacks []failover.Lack) bool {
	return !slices.ContainsFunc(lacks, func(l failover.Lack) bool { return !l.Reason.Passes() })
}

// joins tells the core whom an operator asks to join.
func (n *Node) joins(j failover.Joining) error {
	r, err := n.running()
	if err != nil {
		return err
	}
	if !r.put(core.FailoverJoin{Joining: j}) {
		return ErrNotRunning
	}
	return nil
}

// servers are the other members that have a server.
func (f *Failover) servers() (ids []uint64) {
	for _, x := range f.Said {
		if t := f.Told(x.Member); t != nil && t.Server {
			ids = append(ids, x.Member)
		}
	}
	return ids
}

// keepsNoMore has the server keep its WAL for those only who take part.
func (n *Node) keepsNoMore() {
	if _, err := n.cfg.Server.Keep(nil); err != nil {
		n.cfg.Logger.Warn(fmt.Sprintf("node %d: its server's WAL for members that take no part: %v", n.cfg.NodeID, err))
	}
}

// awaitJoined returns once the log knows that the standbys have joined, or all servers, and that
// WAL from from on is all that has to be compared.
func (n *Node) awaitJoined(ctx context.Context, system, from uint64, all bool) (Failover, error) {
	var missing []failover.Lack
	f, err := n.awaits(ctx, func(f *Failover) (bool, error) {
		x := f.enabling(system)
		x.From = from
		if missing = x.Lacks(); !passes(missing) {
			return false, &LackError{missing}
		} else if len(missing) == 0 {
			missing = x.Unjoined(all)
		}
		return len(missing) == 0, nil
	})
	if err != nil && ctx.Err() != nil && len(missing) > 0 {
		return f, &LackError{missing}
	}
	return f, err
}

// DisableFailover ends failover, at any stage.
func (n *Node) DisableFailover(ctx context.Context) error {
	f, err := n.newest(ctx)
	if err != nil {
		return err
	}
	_, err = n.operate(ctx, failover.Disable{Epoch: f.State.Epoch.Number})
	return err
}

// FailoverChange is what an operator changes of the cluster's settings; nil: it stays.
type FailoverChange struct {
	Mode        *failover.Mode // ModeOn or ModeManual
	Durability  *failover.Durability
	SyncCount   *uint32
	Delay       *time.Duration
	SyncTimeout *time.Duration
	MaximumLag  *uint64 // bytes
}

// None says that nothing is changed.
func (c *FailoverChange) None() bool { return *c == FailoverChange{} }

func (c *FailoverChange) apply(mode failover.Mode, s failover.Settings) failover.Adjust {
	set(&mode, c.Mode)
	set(&s.Durability, c.Durability)
	set(&s.SyncCount, c.SyncCount)
	set(&s.MaximumLag, c.MaximumLag)
	if c.Delay != nil {
		s.DelayMillis = uint64(c.Delay.Milliseconds())
	}
	if c.SyncTimeout != nil {
		s.SyncTimeoutMillis = uint64(c.SyncTimeout.Milliseconds())
	}
	return failover.Adjust{Mode: mode, Settings: s}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// FailoverSettings changes the cluster's settings, and returns those in force. Without a change
// it reads them, as this node knows them; while failover is off they are those with which it
// would be enabled.
func (n *Node) FailoverSettings(ctx context.Context, change FailoverChange) (failover.Mode, failover.Settings, error) {
	if change.None() {
		f, err := n.Failover(ctx)
		if f.State.Mode == failover.ModeOff {
			return failover.ModeOff, f.State.EnablingSettings(), err
		}
		return f.State.Mode, f.State.Settings, err
	}
	f, err := n.newest(ctx)
	if err != nil {
		return 0, failover.Settings{}, err
	}
	e := change.apply(f.State.Mode, f.State.Settings)
	if f.State.Mode == failover.ModeOff {
		return 0, failover.Settings{}, &VoidError{failover.VoidOff}
	}
	if _, err := n.operate(ctx, e); err != nil {
		return 0, failover.Settings{}, err
	}
	return e.Mode, e.Settings, nil
}

// ClearQuarantine has a member's data be used again.
func (n *Node) ClearQuarantine(ctx context.Context, nodeID uint32) error {
	f, id, err := n.target(ctx, nodeID)
	if err == nil && f.State.Member(id) == nil {
		err = &VoidError{failover.VoidUnknown}
	}
	if err == nil {
		_, err = n.operate(ctx, failover.Clear{Member: id})
	}
	return err
}

// target is a member by its node id, and what is known of failover.
func (n *Node) target(ctx context.Context, nodeID uint32) (Failover, uint64, error) {
	f, err := n.newest(ctx)
	if err != nil {
		return f, 0, err
	}
	for _, m := range f.Members {
		if id := m.Member.GetRaftId(); core.NodeID(id) == nodeID {
			return f, id, nil
		}
	}
	return f, 0, fmt.Errorf("%w: %d", ErrNoSuchNode, nodeID)
}
