package core

import (
	"fmt"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// What a committed change makes of the members: the same on every node.

// applyChange makes a membership change, or refuses one that no longer fits:
// a proposal made under an older view. All nodes decide alike.
func (m *machine) applyChange(e *pb.Entry, conf func(*pb.ConfChangeV2) *pb.ConfState) applied {
	cc, ch, err := decodeChange(e.GetData())
	if err != nil {
		panic(fmt.Sprintf("committed entry %d: %v", m.index, err))
	}
	if ch == nil {
		return applied{jointLeft: m.leaveJoint(conf)}
	}
	if ch.GetStep() == corepb.MemberChange_RECOVER {
		m.applyRecovery(ch, conf)
		return applied{change: ch}
	}
	id := ch.GetMember().GetRaftId()
	a := applied{change: ch}
	list := slices.Clone(m.members.List)
	i := slices.IndexFunc(list, func(x *corepb.Member) bool { return x.GetRaftId() == id })
	if why := m.mayLeave(ch, list, i); why != failover.NotVoid {
		a.refused = fmt.Sprintf("%v of node %d: %v", ch.GetStep(), NodeID(id), why)
		return a
	}
	switch {
	case ch.GetStep() == corepb.MemberChange_ADD:
		if i >= 0 || m.members.Node(NodeID(id)) != nil || Incarnation(id) <= m.members.LastIncarnation {
			a.refused = fmt.Sprintf("node %d or its incarnation %d is taken", NodeID(id), Incarnation(id))
			return a
		}
		m.members.LastIncarnation = Incarnation(id)
		list = append(list, ch.GetMember())
		sortMembers(list)
	case i < 0:
		a.refused = fmt.Sprintf("node %d is not a member", NodeID(id))
		return a
	case ch.GetStep() == corepb.MemberChange_REMOVE:
		list = slices.Delete(list, i, i+1)
		m.failover.Forget(id)
	case ch.GetStep() == corepb.MemberChange_REPLACE && applyReplace(list, i):
	case ch.GetStep() == corepb.MemberChange_PROMOTE && list[i].GetRole() == corepb.Role_JOINING:
		list[i] = withRole(list[i], corepb.Role_VOTER)
	case ch.GetStep() == corepb.MemberChange_DEMOTE && list[i].GetRole() == corepb.Role_VOTER:
		list[i] = withRole(list[i], corepb.Role_LEAVING)
	case ch.GetStep() == corepb.MemberChange_DEMOTE && list[i].GetRole() == corepb.Role_JOINING:
		list[i] = withRole(list[i], corepb.Role_LEAVING)
	default:
		a.refused = fmt.Sprintf("%v of node %d, which is %v", ch.GetStep(), NodeID(id), list[i].GetRole())
		return a
	}
	m.conf = conf(cc)
	m.members.List = list
	return a
}

// applyReplace swaps two members' roles in list, in place; false if they are not
// what they were.
func applyReplace(list []*corepb.Member, i int) bool {
	old := slices.IndexFunc(list, func(m *corepb.Member) bool {
		return m.GetRaftId() == list[i].GetReplaces() && m.GetRole() == corepb.Role_VOTER
	})
	if old < 0 || list[i].GetRole() != corepb.Role_JOINING {
		return false
	}
	list[i], list[old] = withRole(list[i], corepb.Role_VOTER), withRole(list[old], corepb.Role_LEAVING)
	return true
}

// applyRecovery makes the member of the entry the only one.
func (m *machine) applyRecovery(ch *corepb.MemberChange, conf func(*pb.ConfChangeV2) *pb.ConfState) {
	self := ch.GetMember().GetRaftId()
	m.failover.Recovered(m.members.Node(NodeID(self)).GetRaftId(), self, m.index)
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

func withRole(m *corepb.Member, r corepb.Role) *corepb.Member {
	n := proto.Clone(m).(*corepb.Member)
	n.Role, n.Replaces = r, 0
	return n
}

// leaveJoint ends a joint configuration; false if there is none.
func (m *machine) leaveJoint(conf func(*pb.ConfChangeV2) *pb.ConfState) bool {
	if len(m.conf.GetVotersOutgoing()) == 0 {
		return false
	}
	m.conf = conf(&pb.ConfChangeV2{})
	return true
}
