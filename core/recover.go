package core

import (
	"bytes"
	"cmp"
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
// newest is the newest version that this node knows, as in Config. It fails if id is not (or
// no longer) in a cluster, or if d is damaged, or of a newer version.
func Recover(id Identity, d Durable, newest uint32, clusterUUID [16]byte, address string, port uint32) (Identity, Persist, error) {
	switch {
	case !id.Invited() || d.Snapshot == nil:
		return id, Persist{}, fmt.Errorf("core: recover node %d: it waits to be invited, so it has nothing to recover", id.NodeID)
	case id.Removed:
		return id, Persist{}, fmt.Errorf("core: recover node %d: it was removed from its cluster", id.NodeID)
	case clusterUUID == id.ClusterUUID || clusterUUID == [16]byte{}:
		return id, Persist{}, errors.New("core: recover: the cluster needs a new uuid")
	}
	newest = cmp.Or(newest, OldestVersion)
	log, err := newTail(d)
	if err != nil {
		return id, Persist{}, fmt.Errorf("recover node %d: %w", id.NodeID, err)
	}
	m, err := replay(log, newest)
	if err == nil {
		err = knowsAll(m, nil, newest)
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

// FormerCluster is a cluster that a replica recovered from a lost quorum, and whose log
// it went on with alone.
type FormerCluster struct {
	ClusterUUID [16]byte
	// Recovered is the index of the recovery's entry: the log before it is the former
	// cluster's. 0 = not known: an older build did not keep it.
	Recovered uint64
}

// Progress is how a database's progress, the last entry that it has applied, stands to
// the log of the node that it lies on.
type Progress uint8

const (
	ProgressOwn       Progress = iota // of the log's own cluster
	ProgressRecovered                 // of a former one, before its recovery: the log continues it
	ProgressAhead                     // of a former one, at its recovery or behind it: the log has other entries there
	ProgressOther                     // of another cluster
)

// CheckProgress says how the progress at index of the cluster of stands to the log of
// cluster, which had the former ones before, oldest first. If it is ahead, recovered is
// the first index at which the log is no longer that of the database.
//
// A member that recovers a lost quorum may have had fewer entries than its database: if
// its data directory was emptied and it was added again, say. What was applied is then
// in no log any more, and other entries take its place. A database that goes on with
// them mixes two histories, and differs from all others without a word.
func CheckProgress(cluster [16]byte, former []FormerCluster, of [16]byte, index uint64) (p Progress, recovered uint64) {
	if of == cluster {
		return ProgressOwn, 0
	}
	p = ProgressOther
	for _, f := range former {
		if f.ClusterUUID == of { // once more if a recovery was cut short: the last one counts
			p, recovered = ProgressRecovered, 0
		}
		if p == ProgressRecovered && f.Recovered != 0 && (recovered == 0 || f.Recovered < recovered) {
			recovered = f.Recovered
		}
	}
	if p == ProgressRecovered && recovered != 0 && index >= recovered {
		return ProgressAhead, recovered
	}
	return p, 0
}
