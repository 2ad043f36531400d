package core

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/pgraft/pgraft/core/corepb"
)

// AddNode, RemoveNode and ReplaceNode, from the call to its reply. What is done in
// between stands in membership.go.

func (c *Core) addNode(in AddNode) {
	if c.refusedHere(in.ID) {
		return
	}
	add := joining(in.NodeID, in.Address, in.Port, in.ReplicaUUID)
	c.enqueue(&change{ids: []uint64{in.ID}, newest: in.Newest, add: add})
}

// joining is a member as it is asked for: without an incarnation yet.
func joining(nodeID uint32, address string, port uint32, replica [16]byte) *corepb.Member {
	return &corepb.Member{Address: address, Port: port, ReplicaUuid: bytes.Clone(replica[:]),
		Role: corepb.Role_JOINING, RaftId: RaftID(0, nodeID)}
}

func (c *Core) removeNode(in RemoveNode) {
	if c.refusedHere(in.ID) {
		return
	}
	m := c.members.Node(in.NodeID)
	if m == nil {
		c.reply(in.ID, NoSuchNode, "node %d is not a member", in.NodeID)
		return
	}
	c.enqueue(&change{ids: []uint64{in.ID}, raftID: m.GetRaftId()})
}

// refusedHere answers what only a leader can do on a node that does not lead.
func (c *Core) refusedHere(id uint64) bool {
	switch {
	case c.removed:
		c.reply(id, RemovedMember, removedText)
	case c.role != raft.StateLeader:
		c.reply(id, NotLeader, "this node does not lead")
	default:
		return false
	}
	return true
}

func (c *Core) enqueue(ch *change) {
	if len(c.changes.waiting) >= maxChanges {
		c.answer(ch, Busy, "%d membership changes wait already", maxChanges)
		return
	}
	c.changes.waiting = append(c.changes.waiting, ch)
}

// answerChanges answers what the member list shows to be done.
func (c *Core) answerChanges() {
	for _, ch := range slices.Clone(c.changes.waiting) {
		m := c.members.Get(ch.raftID)
		switch {
		case !ch.started:
		case ch.add == nil && m == nil:
			c.answer(ch, OK, "")
		case ch.add != nil && m == nil:
			c.answer(ch, NotPossible, "node %d was removed again", NodeID(ch.raftID))
		case ch.add != nil && m.GetRole() == corepb.Role_VOTER:
			c.answerVoter(ch)
		}
	}
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

// answer ends a change for everyone who waits for it.
func (c *Core) answer(ch *change, code Code, text string, a ...any) {
	c.answerRefusal(ch, refusal{code: code, text: fmt.Sprintf(text, a...)})
}

func (c *Core) answerRefusal(ch *change, r refusal) {
	if ch.handed && r.code != OK {
		r.code, r.text = Unknown, r.text+"; the member that was asked before may still make the change"
	}
	for _, id := range ch.ids {
		c.refuse(id, r)
	}
	c.changes.waiting = slices.DeleteFunc(c.changes.waiting, func(x *change) bool { return x == ch })
}

// failChanges is for a node that leads no longer: what was proposed may still
// happen, as the next leader drives it on. One who asked this node to replace
// itself waits on: this node sees in its log what becomes of it.
func (c *Core) failChanges() {
	waiting := c.changes.waiting
	c.changes = changes{}
	for _, ch := range waiting {
		switch {
		case c.replacesSelf(ch):
			c.changes.waiting = append(c.changes.waiting, ch)
		case ch.handed: // this node goes on asking
			c.transfer.leaving = true
			c.transfer.leavingIDs = append(c.transfer.leavingIDs, ch.ids...)
		case ch.started:
			c.answer(ch, Unknown, "leadership was lost; the change may still be made")
		default:
			c.answer(ch, NotLeader, "this node no longer leads")
		}
	}
}

// failChangesWith is for a node that is removed: for one who asked for that it
// is success, and what was proposed may still happen.
func (c *Core) failChangesWith(code Code, text string) {
	for _, ch := range slices.Clone(c.changes.waiting) {
		switch {
		case c.replacesSelf(ch), ch.add == nil && ch.raftID == c.self:
			c.answer(ch, OK, "")
		case ch.started:
			c.answer(ch, Unknown, "%s; the change may still be made", text)
		default:
			c.answer(ch, code, "%s", text)
		}
	}
	c.failTransfer(code, text)
}
