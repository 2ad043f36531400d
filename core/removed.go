package core

import (
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/pgraft/pgraft/core/corepb"
)

// The removal of this node itself: a leader hands leadership over and asks its
// successor.

const removedText = "this node was removed from the cluster"

// becomeRemoved ends this node's part in the cluster for good.
func (c *Core) becomeRemoved(why string) {
	if c.removed {
		return
	}
	c.removed = true
	c.event(Warning, "node %d was removed from the cluster (%s): it votes and campaigns no more; to have it back, empty its data_dir and add it again",
		c.cfg.Identity.NodeID, why)
	c.lease = lease{}
	c.failProposals(removedText)
	c.failChangesWith(RemovedMember, removedText)
	c.failReads(RemovedMember, removedText)
	c.retain.Stop(removedText)
}

// startSelfRemoval is a leader's way out: leadership first. True if whatever comes
// later has to wait.
func (c *Core) startSelfRemoval(ch *change) bool {
	if c.successor(c.reachable) == 0 {
		c.answerRefusal(ch, refusal{QuorumAtRisk, "no other voter that stays is reachable to take over leadership", c.silentText(quorumNeed{}, c.reachable)})
		return false
	}
	to, heard, no := c.hearHeir(&ch.wait, c.quorumToRemove(c.self))
	switch heard {
	case hearsSoon:
		return true
	case hearsNot:
		c.answerRefusal(ch, no)
		return false
	}
	c.transfer.leaving = true
	c.transfer.leavingIDs = append(c.transfer.leavingIDs, ch.ids...)
	c.changes.waiting = slices.DeleteFunc(c.changes.waiting, func(x *change) bool { return x == ch })
	c.startTransfer(to)
	return true
}

func (c *Core) askToLeave() {
	c.transfer.askedAt = c.now
	c.send(&corepb.Envelope{To: c.lead, Body: &corepb.Envelope_RemoveMe{RemoveMe: &corepb.RemoveMe{}}})
}

// removeOnRequest serves a former leader that gave up leadership to be removed.
// Whoever does not lead keeps it in mind: it may be about to.
func (c *Core) removeOnRequest(from uint64) {
	if c.members.Get(from) == nil {
		return
	}
	c.peer(from).leaves = true
	if c.role != raft.StateLeader {
		return
	}
	for _, ch := range c.changes.waiting {
		if ch.add == nil && ch.raftID == from {
			return
		}
	}
	c.enqueue(&change{raftID: from})
}
