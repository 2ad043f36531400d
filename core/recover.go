package core

import (
	"bytes"
	"errors"
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// Recover is the last resort when a majority of the members is gone for good.
// It returns the identity and the batch with which this member goes on as a
// cluster of one, under the name of clusterUUID, a new one. The core must not
// run meanwhile. The host stores both, in either order, durably, and starts a
// core; when it is cut short in between, it begins anew with a call of Recover.
//
// It is no Input: a running core would have to change its own Raft id, and a
// node that lost its quorum may not even start.
//
// The batch appends one entry, of Raft's own kind, that says what happened; so
// the log keeps all that this member has, and whoever reads it later sees the
// recovery at its place. Every entry before it becomes committed, also one that
// the lost majority never acknowledged. What the majority acknowledged and this
// member never got is lost: so choose the member whose last entry has the
// highest term, and of those the one with the highest index.
//
// The member gets a new incarnation. All others are members no more: the new
// cluster refuses them, by its uuid, and they it. It must be certain that they
// are gone: should a majority of them come back, it goes on as a cluster of its
// own. To have one back, empty its data_dir and add it.
//
// It fails if id is not (or no longer) in a cluster, or if d is damaged.
func Recover(id Identity, d Durable, clusterUUID [16]byte, address string, port uint32) (Identity, Persist, error) {
	switch {
	case !id.Invited() || d.Snapshot == nil:
		return id, Persist{}, fmt.Errorf("core: recover node %d: it waits to be invited, so it has nothing to recover", id.NodeID)
	case id.Removed:
		return id, Persist{}, fmt.Errorf("core: recover node %d: it was removed from its cluster", id.NodeID)
	case clusterUUID == id.ClusterUUID || clusterUUID == [16]byte{}:
		return id, Persist{}, errors.New("core: recover: the cluster needs a new uuid")
	}
	log, err := newTail(d)
	if err != nil {
		return id, Persist{}, fmt.Errorf("recover node %d: %w", id.NodeID, err)
	}
	m, err := replay(log)
	if err == nil {
		err = knowsAll(m, nil, NewestVersion)
	}
	if err != nil {
		return id, Persist{}, fmt.Errorf("core: recover node %d: %w", id.NodeID, err)
	}
	if d.HardState.Commit > m.index {
		return id, Persist{}, fmt.Errorf("core: recover node %d: commit index %d is stored, but the log ends at %d: the log store lost entries", id.NodeID, d.HardState.Commit, m.index)
	}
	id.ClusterUUID = clusterUUID
	id.RaftID = RaftID(max(m.members.LastIncarnation, Incarnation(id.RaftID))+1, id.NodeID)
	change := &corepb.MemberChange{Step: corepb.MemberChange_RECOVER, ClusterUuid: clusterUUID[:],
		Member: &corepb.Member{RaftId: id.RaftID, Address: address, Port: port,
			ReplicaUuid: bytes.Clone(id.ReplicaUUID[:]), Role: corepb.Role_VOTER}}
	entry := Entry{Index: m.index + 1, Term: max(m.term, d.HardState.Term) + 1, Kind: EntryConfChangeV2,
		Data: marshal(&pb.ConfChangeV2{Context: marshal(change)})}
	return id, Persist{Entries: []Entry{entry}, Sync: true,
		HardState: &HardState{Term: entry.Term, Vote: id.RaftID, Commit: entry.Index}}, nil
}
