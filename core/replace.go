package core

import (
	"bytes"
	"fmt"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// Replacement is one joint change (thesis, section 4.3): the new member becomes
// a voter and the old one a learner at once, so that no quorum on the way has
// both or neither. The member list carries it, as it does every change: a
// JOINING member says whose place it takes. The library leaves the joint
// configuration by itself; then the old member is LEAVING like any other.

func (c *Core) replaceNode(in ReplaceNode) {
	if c.refusedHere(in.ID) {
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
	c.enqueue(&change{ids: []uint64{in.ID}, newest: in.Newest, add: add})
}

func sameServer(a, b *corepb.Member) bool {
	return a.GetAddress() == b.GetAddress() && a.GetPort() == b.GetPort() && bytes.Equal(a.GetReplicaUuid(), b.GetReplicaUuid())
}

// mayReplace refuses a replacement that makes no sense, or that the cluster
// would not survive.
func (c *Core) mayReplace(add *corepb.Member) refusal {
	node, old := NodeID(add.GetRaftId()), c.members.Get(add.GetReplaces())
	oldNode := NodeID(add.GetReplaces())
	other := slices.IndexFunc(c.members.List, func(m *corepb.Member) bool {
		return m.GetReplaces() == add.GetReplaces() && NodeID(m.GetRaftId()) != node
	})
	no := func(code Code, text string, a ...any) refusal {
		return refusal{code: code, text: fmt.Sprintf(text, a...)}
	}
	switch {
	case old == nil:
		return no(NoSuchNode, "node %d is no longer a member", oldNode)
	case node == oldNode:
		return no(Conflict, "node %d cannot take its own place: remove it, then add it again", node)
	case old.GetRole() != corepb.Role_VOTER:
		return no(NotPossible, "node %d is not a voter: remove it, then add node %d", oldNode, node)
	case other >= 0:
		return no(NotPossible, "node %d takes the place of node %d already", NodeID(c.members.List[other].GetRaftId()), oldNode)
	case len(c.votersBeside(add.GetReplaces())) == 0:
		return no(LastVoter, "node %d is the last voter: add node %d, then remove it", oldNode, node)
	}
	return c.refuses(c.replacementNeed(add.GetRaftId(), add.GetReplaces()), c.reachable)
}

// promote makes a member that has caught up a voter, in the place of another if
// it says so; false if that has to wait. Nobody waits for an answer: until enough of
// the members answer, it stays a learner.
func (c *Core) promote(m *corepb.Member) bool {
	id, old := m.GetRaftId(), c.members.Get(m.GetReplaces())
	// It may replace nobody; or one that is on its way out already; or one that
	// has become the last voter, and whoever asked has to remove it.
	replaces := old.GetRole() == corepb.Role_VOTER && old != nil && len(c.votersBeside(old.GetRaftId())) > 0
	need := c.promotionNeed(id)
	if replaces {
		need = c.replacementNeed(id, old.GetRaftId())
	}
	need.patient = true
	wait := c.changes.promotions[id]
	if heard := c.hear(&wait, need); heard != hears {
		c.waitForPromotion(id, wait, heard)
		return false
	}
	if !replaces {
		return c.proposeChange(corepb.MemberChange_PROMOTE, pb.ConfChangeAddNode, &corepb.Member{RaftId: id})
	}
	if old.GetRaftId() == c.self {
		to := c.successor(c.answered(&wait))
		if to == 0 {
			c.waitForPromotion(id, wait, hearsSoon) // for another one's answer
			return false
		}
		c.startTransfer(to) // whoever leads then goes on
		return true
	}
	return c.proposeEntry(&corepb.MemberChange{Step: corepb.MemberChange_REPLACE, Member: &corepb.Member{RaftId: id, Replaces: old.GetRaftId()}},
		&pb.ConfChangeSingle{Type: pb.ConfChangeAddNode.Enum(), NodeId: new(id)},
		&pb.ConfChangeSingle{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(old.GetRaftId())})
}

// waitForPromotion keeps the round in mind, until its time is over: then another one
// is opened.
func (c *Core) waitForPromotion(id uint64, w roundWait, h hearing) {
	if h == hearsNot {
		delete(c.changes.promotions, id)
		return
	}
	if c.changes.promotions == nil {
		c.changes.promotions = map[uint64]roundWait{}
	}
	c.changes.promotions[id] = w
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
