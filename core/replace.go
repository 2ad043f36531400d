package core

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// Replacement is one joint change (thesis, section 4.3): the new member becomes
// a voter and the old one a learner at once, so that no quorum on the way has
// both or neither. The member list carries it, as it does every change: a
// JOINING member says whose place it takes. The library leaves the joint
// configuration by itself; then the old member is LEAVING like any other.

func (c *Core) replaceNode(in ReplaceNode) {
	if c.role != raft.StateLeader || c.removed {
		c.reply(in.ID, NotLeader, "this node does not lead")
		return
	}
	add := &corepb.Member{Address: in.Address, Port: in.Port, ReplicaUuid: bytes.Clone(in.ReplicaUUID[:]),
		Role: corepb.Role_JOINING, RaftId: RaftID(0, in.NodeID)}
	old := c.members.Node(in.OldNodeID)
	if old == nil {
		// Asked again by someone who missed the answer.
		if m := c.members.Node(in.NodeID); m.GetRole() == corepb.Role_VOTER && sameServer(m, add) {
			c.reply(in.ID, OK, "")
			return
		}
		c.reply(in.ID, NoSuchNode, "node %d is not a member", in.OldNodeID)
		return
	}
	add.Replaces = old.GetRaftId()
	c.enqueue(&change{ids: []uint64{in.ID}, add: add})
}

func sameServer(a, b *corepb.Member) bool {
	return a.GetAddress() == b.GetAddress() && a.GetPort() == b.GetPort() && bytes.Equal(a.GetReplicaUuid(), b.GetReplicaUuid())
}

// mayReplace refuses a replacement that makes no sense, or that the cluster
// would not survive.
func (c *Core) mayReplace(add *corepb.Member) (Code, string) {
	node, old := NodeID(add.GetRaftId()), c.members.Get(add.GetReplaces())
	oldNode := NodeID(add.GetReplaces())
	other := slices.IndexFunc(c.members.List, func(m *corepb.Member) bool {
		return m.GetReplaces() == add.GetReplaces() && NodeID(m.GetRaftId()) != node
	})
	rest, up := c.votersBeside(add.GetReplaces())
	switch {
	case old == nil:
		return NoSuchNode, fmt.Sprintf("node %d is no longer a member", oldNode)
	case node == oldNode:
		return Conflict, fmt.Sprintf("node %d cannot take its own place: remove it, then add it again", node)
	case old.GetRole() != corepb.Role_VOTER:
		return NotPossible, fmt.Sprintf("node %d is not a voter: remove it, then add node %d", oldNode, node)
	case other >= 0:
		return NotPossible, fmt.Sprintf("node %d takes the place of node %d already", NodeID(c.members.List[other].GetRaftId()), oldNode)
	case rest == 0:
		return LastVoter, fmt.Sprintf("node %d is the last voter: add node %d, then remove it", oldNode, node)
	case up+1 < (rest+1)/2+1:
		return QuorumAtRisk, fmt.Sprintf("with node %d in the place of node %d only %d of %d voters are reachable, %d are needed", node, oldNode, up+1, rest+1, (rest+1)/2+1)
	}
	return OK, ""
}

// votersBeside counts the voters without id, and the reachable ones of them.
func (c *Core) votersBeside(id uint64) (rest, up int) {
	for _, v := range c.conf.GetVoters() {
		if v != id {
			rest++
			if c.reachable(v) {
				up++
			}
		}
	}
	return rest, up
}

// promote makes a member that has caught up a voter, in the place of another if
// it says so; false if that has to wait.
func (c *Core) promote(m *corepb.Member) bool {
	id, old := m.GetRaftId(), c.members.Get(m.GetReplaces())
	rest, up := c.votersBeside(m.GetReplaces())
	if old.GetRole() != corepb.Role_VOTER || old == nil || rest == 0 {
		// It replaces nobody; or one that is on its way out already; or one that
		// has become the last voter, and whoever asked has to remove it.
		return c.proposeChange(corepb.MemberChange_PROMOTE, pb.ConfChangeAddNode, &corepb.Member{RaftId: id})
	}
	if up+1 < (rest+1)/2+1 {
		return false
	}
	if old.GetRaftId() == c.self {
		to := c.successor()
		if to != 0 {
			c.startTransfer(to) // whoever leads then goes on
		}
		return to != 0
	}
	return c.proposeEntry(&corepb.MemberChange{Step: corepb.MemberChange_REPLACE, Member: &corepb.Member{RaftId: id, Replaces: old.GetRaftId()}},
		&pb.ConfChangeSingle{Type: pb.ConfChangeAddNode.Enum(), NodeId: new(id)},
		&pb.ConfChangeSingle{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(old.GetRaftId())})
}

// answerVoter answers an addition or a replacement whose member votes now, if
// the one it replaces is gone.
func (c *Core) answerVoter(ch *change) {
	old := c.members.Get(ch.add.GetReplaces())
	switch {
	case old == nil:
		c.answer(ch, OK, "")
	case old.GetRole() == corepb.Role_VOTER:
		c.answer(ch, NotPossible, "node %d became a voter beside node %d, which was the last one: remove node %d",
			NodeID(ch.raftID), NodeID(old.GetRaftId()), NodeID(old.GetRaftId()))
	}
}

// joint says whether two quorums are needed at the moment. The library takes no
// other change until it has left that state.
func (c *Core) joint() bool { return len(c.conf.GetVotersOutgoing()) > 0 }

// jointLeft is called when the library's own entry is applied.
func (c *Core) jointLeft() {
	c.changes.confIndex = max(c.changes.confIndex, c.machine.index)
	c.eventIf(c.machine.index > c.replayed, Debug, "left the joint configuration at index %d", c.machine.index)
}

// replacesSelf says that ch ends with the removal of this node.
func (c *Core) replacesSelf(ch *change) bool {
	return ch.started && ch.add != nil && ch.add.GetReplaces() == c.self
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
