package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
// refuses with ErrQuorumThere while a leader is known or a majority of the
// voters connected, and returns once this node leads.
func (n *Node) RecoverFromLostQuorum(ctx context.Context) error {
	_, v, err := n.live(ctx)
	if err != nil {
		return err
	}
	if err := n.quorumIsLost(v); err != nil {
		return err
	}
	if err := n.recover(v.Core.RaftID); err != nil {
		return err
	}
	return n.AwaitLeader(ctx)
}

// quorumIsLost looks for a sign that it is not. That there is none proves
// nothing: to be sure is up to the caller.
func (n *Node) quorumIsLost(v View) error {
	if v.Core.Lead != 0 {
		return fmt.Errorf("%w: node %d leads", ErrQuorumThere, core.NodeID(v.Core.Lead))
	}
	connected := map[uint64]bool{v.Core.RaftID: true}
	for _, p := range n.net.Peers() {
		connected[p.RaftID] = connected[p.RaftID] || p.Connected
	}
	voters, up := 0, 0
	for _, m := range v.Members {
		if m.Member.GetRole() == corepb.Role_VOTER {
			voters++
			if connected[m.Member.GetRaftId()] {
				up++
			}
		}
	}
	if up > voters/2 {
		return fmt.Errorf("%w: %d of %d voters are connected", ErrQuorumThere, up, voters)
	}
	return nil
}

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
	if err := n.replaceCore(func() error {
		d, err := n.store.Load()
		if err != nil {
			return err
		}
		id, batch, err := core.Recover(n.id, d, newUUID(), n.cfg.Address, n.cfg.Port)
		if err != nil {
			refused = fmt.Errorf("%w: %w", ErrNoRecovery, err)
			return nil
		}
		n.cfg.Logger.Warn(fmt.Sprintf("node %d recovers from a lost quorum: from entry %d on it is the only member of its cluster, "+
			"which is %x now and was %x; all other members are removed", id.NodeID, batch.Entries[0].Index, id.ClusterUUID, n.id.ClusterUUID))
		// The identity first: with the log alone this node would take itself for
		// removed. In between it is no voter, and can be recovered once more.
		former := append(slices.Clone(n.former), n.id.ClusterUUID)
		if err := n.writeMarker(id, former); err != nil {
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
		return nil
	}); err != nil {
		return err
	}
	return refused
}
