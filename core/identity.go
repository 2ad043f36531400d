package core

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/pgraft/pgraft/core/corepb"
)

// Identity is who a node is. The host keeps it in the log store, durable before
// the first contact with anyone.
type Identity struct {
	ClusterID   string   // the name a site gives, equal on all members
	NodeID      uint32   // the small number a site gives
	ReplicaUUID [16]byte // minted once per data directory, never copied
	// ClusterUUID and RaftID are zero while the node waits to be invited.
	ClusterUUID [16]byte
	RaftID      uint64
	// Removed is set for good once the node knows that it is no longer a member.
	Removed bool
}

// RaftID makes the id that Raft knows a member by. It is never used again, even
// when the node id is: every add allocates an incarnation through the log.
func RaftID(incarnation uint32, nodeID uint32) uint64 {
	return uint64(incarnation)<<32 | uint64(nodeID)
}

// NodeID is the small, reusable number in a Raft id; 0 in no id at all.
func NodeID(raftID uint64) uint32 { return uint32(raftID) }

// Incarnation is the part of a Raft id that the log allocated.
func Incarnation(raftID uint64) uint32 { return uint32(raftID >> 32) }

// Invited says whether the node belongs to a cluster already.
func (id Identity) Invited() bool { return id.RaftID != 0 }

// Hello is what this node says when it dials a member (or, with to.RaftId 0, a
// node that is to be added).
func (id Identity) Hello(speaks Range, to *corepb.Member, toNode uint32) *corepb.Hello {
	return &corepb.Hello{
		Protocol: speaks.Oldest, Newest: speaks.Newest, ClusterId: id.ClusterID, ClusterUuid: id.ClusterUUID[:],
		FromNode: id.NodeID, FromRaftId: id.RaftID, FromReplica: id.ReplicaUUID[:],
		ToNode: toNode, ToRaftId: to.GetRaftId(), ToReplica: to.GetReplicaUuid(),
	}
}

// Verdict is what Greet decided.
type Verdict struct {
	Refusal corepb.Refusal
	Reason  string
	// Join is set when this node waited to be invited and accepts: the host
	// stores the new identity durably, then answers, then starts the core.
	Join *Identity
	// Removed is set when the dialer knows a later incarnation of this node: its own
	// was removed, perhaps before it heard of anything. The host has the core step
	// RemovedByPeer.
	Removed bool
}

// Greet decides whether a node accepts the connection that hello opens. newest is the
// newest version that its build knows, members the zero value while it waits to be
// invited. Pure: the host carries it out.
func Greet(self Identity, newest uint32, members Members, hello *corepb.Hello) Verdict {
	refuse := func(r corepb.Refusal, f string, a ...any) Verdict {
		return Verdict{Refusal: r, Reason: fmt.Sprintf(f, a...)}
	}
	speaks := members.Speaks(newest)
	switch {
	case speaks.Agree(HelloRange(hello)) == 0:
		return refuse(corepb.Refusal_OTHER_PROTOCOL, "%s", disagreement(hello.GetFromNode(), HelloRange(hello), self.NodeID, speaks))
	case hello.GetClusterId() != self.ClusterID:
		return refuse(corepb.Refusal_OTHER_CLUSTER_ID, "node %d has cluster_id %q, node %d has %q",
			hello.GetFromNode(), hello.GetClusterId(), self.NodeID, self.ClusterID)
	case hello.GetToNode() != self.NodeID:
		return refuse(corepb.Refusal_OTHER_NODE, "node %d listens here, not node %d", self.NodeID, hello.GetToNode())
	case self.Removed:
		return refuse(corepb.Refusal_OTHER_INCARNATION,
			"node %d was removed from its cluster: empty its data_dir, then add it again", self.NodeID)
	case len(hello.GetToReplica()) != 0 && !bytes.Equal(hello.GetToReplica(), self.ReplicaUUID[:]):
		return refuse(corepb.Refusal_OTHER_REPLICA,
			"node %d lost its data or is a copy (replica %s, the cluster knows %s): remove it, then add it again",
			self.NodeID, short(self.ReplicaUUID[:]), short(hello.GetToReplica()))
	}
	if !self.Invited() {
		if hello.GetToRaftId() == 0 { // a probe before pgraft_add_node
			return Verdict{}
		}
		// An invitation names the replica that was probed: a message to a member
		// of the same node id, removed since, makes nobody that member.
		if len(hello.GetClusterUuid()) != 16 || NodeID(hello.GetToRaftId()) != self.NodeID || len(hello.GetToReplica()) == 0 {
			return refuse(corepb.Refusal_OTHER_NODE, "malformed invitation of node %d", hello.GetFromNode())
		}
		join := self
		join.ClusterUUID = [16]byte(hello.GetClusterUuid())
		join.RaftID = hello.GetToRaftId()
		return Verdict{Join: &join}
	}
	if !bytes.Equal(hello.GetClusterUuid(), self.ClusterUUID[:]) {
		return refuse(corepb.Refusal_OTHER_CLUSTER, "node %d belongs to another cluster named %q (%s, not %s)",
			self.NodeID, self.ClusterID, short(self.ClusterUUID[:]), short(hello.GetClusterUuid()))
	}
	if hello.GetToRaftId() == 0 { // a probe: the dialer looks at what Welcome says
		return Verdict{}
	}
	if hello.GetToRaftId() != self.RaftID {
		v := refuse(corepb.Refusal_OTHER_INCARNATION, "node %d is incarnation %d, not %d",
			self.NodeID, Incarnation(self.RaftID), Incarnation(hello.GetToRaftId()))
		v.Removed = hello.GetToRaftId() > self.RaftID // a node is added again once it was removed
		return v
	}
	return greetMember(self, members, hello, refuse)
}

// greetMember looks at the dialer: is it a member, and the replica it was?
func greetMember(self Identity, members Members, hello *corepb.Hello,
	refuse func(corepb.Refusal, string, ...any) Verdict) Verdict {
	from := hello.GetFromRaftId()
	m := members.Get(from)
	switch {
	case m == nil && members.WasRemoved(from):
		return refuse(corepb.Refusal_REMOVED, "node %d was removed from the cluster", NodeID(from))
	case m == nil && from == 0:
		return refuse(corepb.Refusal_NOT_MEMBER, "node %d is not a member", hello.GetFromNode())
	case m == nil: // this node's log is behind the one that added the dialer
		return Verdict{}
	case len(m.GetReplicaUuid()) != 0 && !bytes.Equal(m.GetReplicaUuid(), hello.GetFromReplica()):
		return refuse(corepb.Refusal_OTHER_REPLICA,
			"node %d lost its data or is a copy (replica %s, the cluster knows %s): remove it, then add it again",
			NodeID(from), short(hello.GetFromReplica()), short(m.GetReplicaUuid()))
	}
	return Verdict{}
}

// Welcome is this node's answer to hello once v has been carried out.
func (id Identity) Welcome(speaks Range, v Verdict) *corepb.Welcome {
	w := &corepb.Welcome{Protocol: speaks.Oldest, Newest: speaks.Newest, ClusterId: id.ClusterID, Node: id.NodeID, RaftId: id.RaftID,
		Replica: id.ReplicaUUID[:], Refusal: v.Refusal, Reason: v.Reason}
	if id.Invited() {
		w.ClusterUuid = id.ClusterUUID[:]
	}
	return w
}

func short(uuid []byte) string {
	if len(uuid) > 4 {
		uuid = uuid[:4]
	}
	return hex.EncodeToString(uuid)
}
