package core

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

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

// replay applies a whole log to the state before it.
func replay(log *tail) (*machine, error) {
	m := &machine{requests: requests{window: requestWindow}}
	if err := m.restore(log.marks[0]); err != nil {
		return nil, err
	}
	for _, e := range log.entries {
		if err := checkEntry(e, NewestVersion); err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.GetIndex(), err)
		}
		m.apply(e, func(*pb.ConfChangeV2) *pb.ConfState { return m.conf })
	}
	return m, nil
}

// applyRecovery makes the member of the entry the only one.
func (m *machine) applyRecovery(ch *corepb.MemberChange, conf func(*pb.ConfChangeV2) *pb.ConfState) {
	self := ch.GetMember().GetRaftId()
	m.leaveJoint(conf)
	cc := &pb.ConfChangeV2{Transition: pb.ConfChangeTransitionJointExplicit.Enum(),
		Changes: []*pb.ConfChangeSingle{{Type: pb.ConfChangeAddNode.Enum(), NodeId: new(self)}}}
	for _, id := range slices.Concat(m.conf.GetVoters(), m.conf.GetLearners()) {
		if id != self {
			cc.Changes = append(cc.Changes, &pb.ConfChangeSingle{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: new(id)})
		}
	}
	conf(cc)
	m.conf = conf(&pb.ConfChangeV2{})
	m.members = Members{ClusterUUID: [16]byte(ch.GetClusterUuid()), LastIncarnation: Incarnation(self),
		Version: m.members.Version, List: []*corepb.Member{ch.GetMember()}}
}

// Change returns what a membership entry does; ok is false for all others, and
// for the entry that ends a joint configuration.
func Change(e Entry) (ch *corepb.MemberChange, ok bool, err error) {
	if e.Kind != EntryConfChangeV2 {
		return nil, false, nil
	}
	_, ch, err = decodeChange(e.Data)
	if err != nil {
		return nil, false, fmt.Errorf("core: entry %d: %w", e.Index, err)
	}
	return ch, ch != nil, nil
}

// decodeChange takes a membership entry apart. The change is nil in the entry
// with which the library leaves a joint configuration.
func decodeChange(data []byte) (*pb.ConfChangeV2, *corepb.MemberChange, error) {
	var cc pb.ConfChangeV2
	if err := unmarshal(data, &cc); err != nil {
		return nil, nil, fmt.Errorf("not a membership change: %w", err)
	}
	if len(cc.GetContext()) == 0 {
		if len(cc.GetChanges()) > 0 {
			return nil, nil, errors.New("membership change without its context")
		}
		return &cc, nil, nil
	}
	var ch corepb.MemberChange
	if err := unmarshal(cc.GetContext(), &ch); err != nil {
		return nil, nil, fmt.Errorf("context of a membership change: %w", err)
	}
	if n := len(ch.GetClusterUuid()); ch.GetStep() == corepb.MemberChange_RECOVER && n != 16 {
		return nil, nil, fmt.Errorf("recovery with a cluster uuid of %d bytes", n)
	}
	return &cc, &ch, nil
}
