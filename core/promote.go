package core

import (
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// When a learner becomes a voter.

// promoteLag is how many entries a learner may be behind to become a voter.
const promoteLag = 64

func (c *Core) caughtUp(id uint64) bool {
	match := c.progress().of(id).match
	return c.reachable(id) && match+promoteLag >= c.last && match > 0
}

// promote makes a member that has caught up a voter, in the place of the member that it
// replaces; false if that has to wait. Until enough members answer it stays a learner.
func (c *Core) promote(m *corepb.Member) bool {
	id, old := m.GetRaftId(), c.members.Get(m.GetReplaces())
	// It may replace nobody; or one that is on its way out already; or one that
	// has become the last voter, and whoever asked has to remove it.
	replaces := old.GetRole() == corepb.Role_VOTER && old != nil && len(c.votersBeside(old.GetRaftId())) > 0
	if replaces && c.failoverKeeps(old.GetRaftId()).code != OK {
		return false
	}
	n := c.quorumToPromote(id)
	if replaces {
		n = c.quorumToReplace(id, old.GetRaftId())
	}
	n.patient = true
	wait := c.changes.promotions[id]
	if heard := c.hear(&wait, n); heard != hears {
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
