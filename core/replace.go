package core

import (
	"bytes"
	"fmt"
	"slices"

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
	add := joining(in.NodeID, in.Address, in.Port, in.ReplicaUUID)
	old := c.members.Node(in.OldNodeID)
	if old == nil {
		if c.votesAs(add) { // asked again by someone who missed the answer
			c.reply(in.ID, OK, "")
			return
		}
		c.reply(in.ID, NoSuchNode, "node %d is not a member", in.OldNodeID)
		return
	}
	add.Replaces = old.GetRaftId()
	c.enqueue(&change{ids: []uint64{in.ID}, newest: in.Newest, add: add})
}

// votesAs says that the server of add is a voter already.
func (c *Core) votesAs(add *corepb.Member) bool {
	m := c.members.Node(NodeID(add.GetRaftId()))
	return m.GetRole() == corepb.Role_VOTER && sameServer(m, add)
}

func sameServer(a, b *corepb.Member) bool {
	return a.GetAddress() == b.GetAddress() && a.GetPort() == b.GetPort() && bytes.Equal(a.GetReplicaUuid(), b.GetReplicaUuid())
}

// answerReplacement answers ch if there is nothing to wait for: it is done, or refused.
func (c *Core) answerReplacement(ch *change) bool {
	if c.members.Get(ch.add.GetReplaces()) == nil && c.votesAs(ch.add) { // asked again while the old member was removed
		c.answer(ch, OK, "")
		return true
	}
	if r := c.mayReplace(ch.add); r.code != OK {
		c.answerRefusal(ch, r)
		return true
	}
	return false
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
	if r := c.failoverKeeps(add.GetReplaces()); r.code != OK {
		return r
	}
	return c.refuses(c.quorumToReplace(add.GetRaftId(), add.GetReplaces()), c.reachable)
}

// replacesSelf says that ch ends with the removal of this node.
func (c *Core) replacesSelf(ch *change) bool {
	return ch.started && ch.add != nil && ch.add.GetReplaces() == c.self
}
