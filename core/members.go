package core

import (
	"cmp"
	"slices"

	"github.com/pgraft/pgraft/core/corepb"
)

// Members is who belongs to the cluster, as of some applied index.
type Members struct {
	ClusterUUID     [16]byte
	LastIncarnation uint32           // the last one allocated; never reused
	Version         uint32           // the cluster's, see version.go; 0 while the node waits to be invited
	List            []*corepb.Member // ordered by node id; never changed in place
}

// Get finds a member by Raft id; nil if there is none.
func (m Members) Get(raftID uint64) *corepb.Member {
	for _, x := range m.List {
		if x.GetRaftId() == raftID {
			return x
		}
	}
	return nil
}

// Node finds a member by node id; nil if there is none.
func (m Members) Node(nodeID uint32) *corepb.Member {
	for _, x := range m.List {
		if NodeID(x.GetRaftId()) == nodeID {
			return x
		}
	}
	return nil
}

// WasRemoved says that raftID was a member once and is none now. No list of
// tombstones is needed: incarnations are allocated in order.
func (m Members) WasRemoved(raftID uint64) bool {
	return raftID != 0 && Incarnation(raftID) <= m.LastIncarnation && m.Get(raftID) == nil
}

func sortMembers(l []*corepb.Member) {
	slices.SortFunc(l, func(a, b *corepb.Member) int { return cmp.Compare(NodeID(a.GetRaftId()), NodeID(b.GetRaftId())) })
}
