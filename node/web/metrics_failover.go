package web

import (
	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

// Those of failover: the cluster's, which a witness has too, and those of this node's server.
var (
	failoverOn    = gauge("failover_on", "1 while failover is enabled in the cluster.")
	failoverEpoch = gauge("failover_epoch", "The newest epoch; 0: there was none.")
	primaryNode   = gauge("failover_primary_node", "Node id of the primary, as far as this node knows; 0: no epoch is open.")
	syncCount     = gauge("failover_sync_count", "So many standbys a commit waits for.")
	syncMembers   = gauge("failover_sync_members", "Of so many standbys: the sync set.")

	isPrimary   = gauge("failover_primary", "1 while a commit may begin here.")
	isFenced    = gauge("failover_fenced", "1 while the newest epoch is this server's and no commit may begin.")
	isReadable  = gauge("failover_readable", "1 while this server shows its data.")
	isStreaming = gauge("failover_streaming", "1 while the primary counts what this standby streams.")
	inSyncSet   = gauge("failover_in_sync_set", "1 while this standby is in the sync set.")
	electable   = gauge("failover_electable", "1 while this server may become the primary.")
	quarantined = gauge("failover_quarantined", "1 while this server needs a person; pgraft_stat_failover says why.")
	timeline    = gauge("failover_timeline", "Timeline of its last WAL.")
	position    = gauge("failover_position_bytes", "How far its WAL reaches.")
	lagBytes    = gauge("failover_lag_bytes", "How far this standby is behind the primary. Absent on that one, and while it is not heard.")
	standing    = gauge("failover_state", "1 for the role and the state of this server, as pgraft_stat_failover shows them.", "role", "state")
)

func failoverMetrics(n *node.Node, f *node.Failover, put putter) {
	e := &f.State.Epoch
	put(failoverOn, oneIf(f.State.Mode != failover.ModeOff))
	put(failoverEpoch, float64(e.Number))
	put(primaryNode, float64(core.NodeID(f.Primary())))
	if e.Stage >= failover.StageForked {
		put(syncCount, float64(e.Set.W))
		put(syncMembers, float64(len(e.Set.Members)))
	}
	s := own(f)
	if s == nil || s.Role == node.RoleWitness {
		return
	}
	commits := n.MayCommit()
	put(isPrimary, oneIf(commits))
	put(isFenced, oneIf(s.Role == node.RolePrimary && !commits && f.State.Mode != failover.ModeOff))
	put(isReadable, oneIf(n.MayRead()))
	put(isStreaming, oneIf(s.State == node.StateStreaming))
	put(inSyncSet, oneIf(s.InSyncSet))
	put(electable, oneIf(s.Electable))
	put(quarantined, oneIf(s.State == node.StateQuarantined))
	put(standing, 1, s.Role, s.State)
	if s.Timeline > 0 {
		put(timeline, float64(s.Timeline))
		put(position, float64(s.Position))
	}
	if s.Lag != nil {
		put(lagBytes, float64(*s.Lag))
	}
}

// own is what this node's server is; nil: the node takes no part in failover.
func own(f *node.Failover) *node.Standing {
	for _, s := range f.Standings() {
		if s.RaftID == f.RaftID {
			return &s
		}
	}
	return nil
}
