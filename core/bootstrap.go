package core

import (
	"bytes"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/retain"
)

// FoundingIndex is where every log begins: no entry has it, but the snapshot that
// Bootstrap makes.
const FoundingIndex = retain.FoundingIndex

// FoundingTerm is that snapshot's term.
const FoundingTerm = 1

// Bootstrap is the durable state that a one-node cluster is founded with: a
// snapshot at FoundingIndex that makes id its only voter, at the given cluster version:
// the newest that its build knows. The batch that stores it has that Persist.Version.
func Bootstrap(id Identity, address string, port uint32, version uint32) Durable {
	m := machine{index: FoundingIndex, term: FoundingTerm, conf: &pb.ConfState{Voters: []uint64{id.RaftID}},
		members: Members{ClusterUUID: id.ClusterUUID, LastIncarnation: Incarnation(id.RaftID), Version: version,
			List: []*corepb.Member{{RaftId: id.RaftID, Address: address, Port: port,
				ReplicaUuid: bytes.Clone(id.ReplicaUUID[:]), Role: corepb.Role_VOTER}}}}
	return Durable{Snapshot: fromRaftSnapshot(m.snapshot()), HardState: HardState{Term: FoundingTerm, Commit: FoundingIndex}}
}
