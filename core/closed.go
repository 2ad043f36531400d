package core

import "go.etcd.io/raft/v3"

// A leader that has closed its connections, and whose port refuses new ones, is most
// likely dead, and nobody has to wait for an election timeout of silence to believe it.
// But it proves nothing: the leader may live behind a firewall that rejects, or its
// engine has crashed and its sessions go on with the lease. So what was promised to it
// stays promised. What is left out is what only silence needs: the rest of the election
// timeout, and chance. Voters stand in turns as soon as their promises end.

// peerClosed takes what the host says of a member's connections.
func (c *Core) peerClosed(in PeerClosed) {
	if c.members.Get(in.RaftID) == nil || c.peer(in.RaftID).closed == in.Closed {
		return
	}
	p := c.peer(in.RaftID)
	p.closed, p.closedAt = in.Closed, c.now
}

// closed says that a member has closed its connections.
func (c *Core) closed(id uint64) bool {
	p := c.peers.of(id)
	return p != nil && p.closed
}

// leaderClosed says that the leader of this term, if one is known, has closed its
// connections.
func (c *Core) leaderClosed() bool { return c.closed(c.timer.leader) }

// hasItsTurn says that of the voters that miss a closed leader it is this one's turn to
// stand. Within it, it asks at every tick: a voter whose promise ends a moment later has
// not heard the first question. One whose disk is full has none. Who is elected by
// nobody in its turn waits for its deadline.
func (c *Core) hasItsTurn() bool {
	if c.full || c.role != raft.StateFollower && c.role != raft.StatePreCandidate {
		return false
	}
	free := max(c.promise.until, c.promise.bootUntil, c.peers.of(c.timer.leader).closedAt)
	return (c.now-free)/c.turnTicks() == c.rank()
}
