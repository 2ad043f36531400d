package sim

// oneLeader: in a term at most one node leads (Raft paper, figure 3, election
// safety).
func (c *checks) oneLeader(n *node) {
	t := n.status.Term
	for uint64(len(c.leaders)) <= t {
		c.leaders = append(c.leaders, 0)
	}
	if was := c.leaders[t]; was != 0 && was != n.identity.RaftID {
		c.w.fail(checkLeader, "%v leads in term %d, and so did node %d (Raft id %x)", n, t, uint32(was), was)
	}
	c.leaders[t] = n.identity.RaftID
}

// leaderComplete: a leader's log holds every entry that was committed in an
// earlier term (Raft paper, figure 3).
func (c *checks) leaderComplete(n *node) {
	seen := &n.seen
	for i := uint64(len(c.committed)); i > 1; i-- {
		e := &c.committed[i-1]
		if e.leaderTerm >= n.status.Term {
			continue // committed in this term or a later one: it need not know
		}
		switch {
		case i-1 > seen.last():
			c.w.fail(checkComplete, "%v leads in term %d with a log that ends at %d; entry %d was committed in term %d",
				n, n.status.Term, seen.last(), i-1, e.leaderTerm)
		case i-1 >= seen.base && seen.has(i-1) && seen.at(i-1).chain != e.chain:
			c.w.fail(checkComplete, "%v leads in term %d; its log differs at or before %d from what was committed in term %d",
				n, n.status.Term, i-1, e.leaderTerm)
		}
		return // the hash covers everything before
	}
}
