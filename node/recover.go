package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// Errors of RecoverFromLostQuorum that callers test for.
var (
	ErrQuorumThere = errors.New("node: the cluster has not lost its quorum")
	ErrNoRecovery  = errors.New("node: it could not be recovered")
)

// RecoverFromLostQuorum makes this member a cluster of its own, under a new
// uuid, with all that its log holds; see core.Recover for what that means. It
// refuses with ErrQuorumThere while a leader is heard or a majority of the voters
// answers, which it asks for an election timeout. It returns once that is durable;
// AwaitLeader then waits until this node leads.
func (n *Node) RecoverFromLostQuorum(ctx context.Context) error {
	_, v, err := n.live(ctx)
	if err != nil {
		return err
	}
	if err := n.quorumIsLost(ctx, v); err != nil {
		return err
	}
	return n.recover(v.Core.RaftID)
}

// quorumIsLost looks for a sign that it is not. That there is none proves
// nothing: to be sure is up to the caller.
func (n *Node) quorumIsLost(ctx context.Context, v View) error {
	if v.hearsLeader() {
		return fmt.Errorf("%w: node %d leads", ErrQuorumThere, core.NodeID(v.Core.Lead))
	}
	answered, voters := n.askVoters(ctx, v)
	if err := ctx.Err(); err != nil {
		return err
	}
	if answered >= core.Majority(voters) {
		return fmt.Errorf("%w: %d of %d voters answer", ErrQuorumThere, answered, voters)
	}
	return nil
}

// leaderSilent is how many heartbeats a leader may be silent for: a connection that
// was cut without a word is not known to be for longer.
const leaderSilent = 2

// hearsLeader says that this node leads with a lease, or hears who does.
func (v View) hearsLeader() bool {
	if v.Core.Lead == v.Core.RaftID {
		return v.LeaseLeft() > 0
	}
	for _, m := range v.Members {
		if m.Member.GetRaftId() == v.Core.Lead {
			return m.Heard && m.SilentMillis <= leaderSilent*v.heartbeatMillis
		}
	}
	return false
}

// askVoters counts the voters that answer a handshake now, this node included. One
// that is another member by now, or does not run, is none.
func (n *Node) askVoters(ctx context.Context, v View) (answered, voters int) {
	n.mu.Lock()
	id, limit, speaks := n.id, n.cfg.ElectionTimeout, n.speaks()
	n.mu.Unlock()
	ctx, done := context.WithTimeout(ctx, limit)
	defer done()
	var asked sync.WaitGroup
	var count atomic.Int64
	for _, m := range v.Members {
		m := m.Member
		if m.GetRole() != corepb.Role_VOTER {
			continue
		}
		if voters++; m.GetRaftId() == v.Core.RaftID {
			count.Add(1)
			continue
		}
		asked.Add(1)
		n.cfg.Go(func() {
			defer asked.Done()
			w, err := n.net.Probe(ctx, endpoint(m), id.Hello(speaks, nil, core.NodeID(m.GetRaftId())))
			if err == nil && w.GetRefusal() == corepb.Refusal_NONE && w.GetRaftId() == m.GetRaftId() && bytes.Equal(w.GetClusterUuid(), id.ClusterUUID[:]) {
				count.Add(1)
			}
		})
	}
	asked.Wait()
	return int(count.Load()), voters
}

// UnfinishedError is a failure after which the change that was asked for may be
// there, or may be once the node starts again.
type UnfinishedError struct{ Err error }

func (e *UnfinishedError) Error() string { return e.Err.Error() }
func (e *UnfinishedError) Unwrap() error { return e.Err }

// recover puts a core in place that is the only member. It does nothing if the
// running one is not what the caller has looked at.
func (n *Node) recover(raftID uint64) error {
	n.reloading.Lock() // held while mu is not
	defer n.reloading.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != Running || n.id.RaftID != raftID {
		return fmt.Errorf("%w: node %d has changed meanwhile", ErrNoRecovery, n.cfg.NodeID)
	}
	if n.diskHangs() {
		return fmt.Errorf("%w: %w: it has not finished a write to %s", ErrNoRecovery, ErrDiskHangs, n.cfg.DataDir)
	}
	var refused error
	begun, ended := false, false
	err := n.replaceCore(func() error {
		d, err := n.store.Load()
		if err != nil {
			return err
		}
		id, batch, err := core.Recover(n.id, d, n.cfg.newest(), newUUID(), n.cfg.Address, n.cfg.Port)
		if err != nil {
			refused = fmt.Errorf("%w: %w", ErrNoRecovery, err)
			return nil
		}
		n.cfg.Logger.Warn(fmt.Sprintf("node %d recovers from a lost quorum: from entry %d on it is the only member of its cluster, "+
			"which is %x now and was %x; all other members are removed", id.NodeID, batch.Entries[0].Index, id.ClusterUUID, n.id.ClusterUUID))
		// The identity first: with the log alone this node would take itself for
		// removed. In between it is no voter, and can be recovered once more.
		former := append(slices.Clone(n.former), core.FormerCluster{ClusterUUID: n.id.ClusterUUID, Recovered: batch.Entries[0].Index})
		begun = true
		if err := n.writeMarker(id.Marker(n.cfg.endpoint(), former)); err != nil {
			return err
		}
		if err := n.store.SetIdentity(id); err != nil {
			return err
		}
		n.id, n.former = id, former
		if err := n.store.Write([]core.Persist{batch}); err != nil {
			return err
		}
		n.cfg.Logger.Warn(fmt.Sprintf("the majority was lost for good: node %d went on as a cluster of its own, at index %d",
			id.NodeID, batch.Entries[0].Index))
		ended = true
		return nil
	})
	switch {
	case err != nil && begun:
		return &UnfinishedError{err}
	case err != nil:
		return err
	case refused == nil && !ended:
		return fmt.Errorf("%w: node %d stopped meanwhile", ErrNoRecovery, n.cfg.NodeID)
	}
	return refused
}
