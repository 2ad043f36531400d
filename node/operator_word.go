package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// An operator's word for who is to be the primary. Each call waits until that one's epoch is
// open, or nothing comes of it.

// maxSwitchover bounds the time that a switchover is given.
const maxSwitchover = 24 * time.Hour

// Switchover has a standby take over from the primary, without loss and without an error for
// clients that wait. A nodeID of 0 leaves the choice to this node. It is given up after
// timeout, and commits go on. Where this node's server is the primary the call cannot return
// with success, as that server restarts.
func (n *Node) Switchover(ctx context.Context, nodeID uint32, timeout time.Duration) error {
	f, id, err := n.successor(ctx, nodeID)
	if err != nil {
		return err
	}
	const what = "the switchover"
	e := failover.Request{Epoch: f.State.Epoch.Number, Target: id, Way: failover.WaySwitchover,
		Millis: uint64(min(timeout, maxSwitchover).Milliseconds())}
	index, err := n.operate(ctx, e)
	if err != nil {
		return err
	}
	return n.awaitPrimary(ctx, what, e.Epoch, index, id)
}

// successor is who a switchover goes to: the member that is named, or else one of the sync set.
func (n *Node) successor(ctx context.Context, nodeID uint32) (Failover, uint64, error) {
	if nodeID != 0 {
		return n.target(ctx, nodeID)
	}
	f, err := n.newest(ctx)
	if err != nil {
		return f, 0, err
	}
	s := &f.State
	if s.Mode == failover.ModeOff {
		return f, 0, &VoidError{failover.VoidOff}
	}
	ids := slices.DeleteFunc(slices.Clone(s.Epoch.Set.Members), func(id uint64) bool {
		return !s.Electable(id, f.Voters) || f.RaftID != id && f.Told(id) == nil
	})
	if len(ids) == 0 {
		return f, 0, &VoidError{failover.VoidSetToSwitch}
	}
	slices.SortStableFunc(ids, func(x, y uint64) int {
		return cmp.Or(cmp.Compare(s.Member(y).Priority, s.Member(x).Priority), cmp.Compare(f.end(y), f.end(x)))
	})
	return f, ids[0], nil
}

// end is how far a member's WAL reaches, as it said last.
func (f *Failover) end(id uint64) uint64 {
	if id == f.RaftID && f.Server != nil {
		return f.Server.End
	}
	if t := f.Told(id); t != nil {
		return t.End
	}
	return 0
}

// awaitPrimary waits until a member's epoch is open, after one. It ends, too, once what was
// asked for at index has come to nothing, or another member's epoch has opened.
func (n *Node) awaitPrimary(ctx context.Context, what string, after, index, id uint64) error {
	f, err := n.awaits(ctx, func(f *Failover) (bool, error) {
		e := &f.State.Epoch
		switch {
		case e.Number > after && e.Stage == failover.StageOpen && e.Primary == id:
			return true, nil
		case e.Number > after && e.Stage == failover.StageOpen && e.Ask.Way == failover.NotAsked:
			return false, &GivenUpError{what}
		case e.Number == after && e.Ask.Index != index, f.State.Mode == failover.ModeOff:
			return false, &GivenUpError{what}
		}
		return false, nil
	})
	return underWay(ctx, &f, what, err)
}

// underWay is the error where nobody waits any longer.
func underWay(ctx context.Context, f *Failover, what string, err error) error {
	if err != nil && ctx.Err() != nil {
		return &UnderWayError{What: what, Why: f.Nobody}
	}
	return err
}

// FailOverTo has an epoch begin that goes to a member, as far as nothing is lost by it.
func (n *Node) FailOverTo(ctx context.Context, nodeID uint32) error {
	f, id, err := n.heir(ctx, nodeID)
	if err != nil {
		return err
	}
	e := failover.Request{Epoch: f.State.Epoch.Number, Target: id, Way: failover.WayFailover}
	index, err := n.operate(ctx, e)
	if err != nil {
		return err
	}
	if f.State.Epoch.Stage == failover.StageBegun {
		e.Epoch-- // it is this one that is to open
	}
	return n.awaitPrimary(ctx, "the failover", e.Epoch, index, id)
}

// heir is the member that is to be the primary, which it is not yet: another epoch would restart
// its server for nothing.
func (n *Node) heir(ctx context.Context, nodeID uint32) (Failover, uint64, error) {
	f, id, err := n.target(ctx, nodeID)
	if err == nil && f.Primary() == id {
		err = &VoidError{failover.VoidPrimary}
	}
	return f, id, err
}

// FailOverWithLoss has an epoch begin that goes to a member, and gives up what that one lacks:
// what is known of it once that member has reported is named in the log first, and returned.
func (n *Node) FailOverWithLoss(ctx context.Context, nodeID uint32) (failover.Loss, error) {
	f, id, e, err := n.requestOverride(ctx, nodeID)
	if err != nil {
		return failover.Loss{}, err
	}
	if f.State.Epoch.Stage == failover.StageBegun {
		e.Epoch--
	}
	const what = "the failover"
	f, err = n.awaits(ctx, func(f *Failover) (bool, error) {
		s := &f.State
		switch k := &s.Epoch; {
		case s.Mode == failover.ModeOff, k.Number > e.Epoch && k.Stage != failover.StageBegun && k.Primary != id:
			return false, &GivenUpError{what}
		case k.Number > e.Epoch && k.Stage == failover.StageOpen:
			return true, nil
		case k.Number > e.Epoch && k.Stage == failover.StageBegun && s.Report(id) != nil:
			return false, n.override(ctx, f, id)
		}
		return false, nil
	})
	if err != nil {
		return failover.Loss{}, underWay(ctx, &f, what, err)
	}
	return f.lossOf(id), nil
}

// requestOverride asks for an epoch that goes to a member whatever is lost; where another one has
// begun since it looked, for that one.
func (n *Node) requestOverride(ctx context.Context, nodeID uint32) (Failover, uint64, failover.Request, error) {
	for {
		f, id, err := n.heir(ctx, nodeID)
		e := failover.Request{Epoch: f.State.Epoch.Number, Target: id, Way: failover.WayOverride}
		if err == nil {
			_, err = n.operate(ctx, e)
		}
		if void, ok := err.(*VoidError); !ok || void.Void != failover.VoidEpoch {
			return f, id, e, err
		}
	}
}

// override names what a grant to a member would give up, unless the log has that already. One
// that is void is looked at again: more may be known by now.
func (n *Node) override(ctx context.Context, f *Failover, id uint64) error {
	s := &f.State
	loss := s.Loss(id, f.Voters)
	if s.Epoch.Overrides == id && s.Epoch.Loss.Covers(&loss) {
		return nil
	}
	_, err := n.operate(ctx, failover.Override{Epoch: s.Epoch.Number, Target: id, Loss: loss})
	if _, void := err.(*VoidError); void {
		return nil
	}
	return err
}

// lossOf is what was given up for the epoch that is open, whose primary a member is.
func (f *Failover) lossOf(id uint64) (l failover.Loss) {
	for _, p := range f.State.Past {
		if p.Epoch == f.State.Epoch.Number && p.Primary == id {
			l = p.Loss
		}
	}
	return l
}
