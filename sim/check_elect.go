package sim

import "github.com/pgraft/pgraft/core"

// candidacy is a node's attempt at a term.
type candidacy struct{ replica, term uint64 }

// candidate is what a candidate said of itself.
type candidate struct {
	logTerm, index uint64 // of its last entry
	handed         bool   // leadership was handed over to it
}

// stands notes a request for a vote.
func (c *checks) stands(n *node, i *wireInfo) {
	if c.candidates == nil {
		c.candidates = map[candidacy]candidate{}
	}
	c.candidates[candidacy{n.identity.RaftID, i.term}] = candidate{i.logTerm, i.index, i.handed}
}

// gives: a node gives its vote to a candidate whose log is at least as up to date
// as its own (Raft paper, section 5.4.1). It is called with a batch that hands
// the vote to the disk, before what else is in it.
func (c *checks) gives(n *node, h *core.HardState) {
	seen := &n.seen
	k := candidacy{h.Vote, h.Term}
	if k == seen.gave {
		return
	}
	seen.gave = k
	x, ok := c.candidates[k]
	if !ok || h.Vote == n.identity.RaftID || len(seen.slots) == 0 {
		return
	}
	last := seen.last()
	if t := seen.at(last).term; t > x.logTerm || t == x.logTerm && last > x.index {
		c.w.fail(checkComplete, "%v votes in term %d for node %d, whose log ends at %d of term %d, and its own ends at %d of term %d",
			n, h.Term, core.NodeID(h.Vote), x.index, x.logTerm, last, t)
	}
}

// elected: a quorum voted for a leader, in a joint configuration one of each.
func (c *checks) elected(n *node) {
	seen, me, term := &n.seen, n.identity.RaftID, n.status.Term
	voted := func(id uint64) bool { return id == me || c.votes[vote{id, term}] == me }
	if !quorum(seen.before, seen.wasJoint, voted) && !quorum(n.core.Members(), seen.joint, voted) {
		c.w.fail(checkLeader, "%v leads in term %d, and no quorum voted for it", n, term)
	}
}
