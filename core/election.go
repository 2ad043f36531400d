package core

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// electionTimer is the core's own: the library draws its timeouts from
// crypto/rand and offers no hook, so two equal runs would differ. It is never
// asked to tick as a follower or candidate.
type electionTimer struct {
	deadline  uint64 // tick at which this node campaigns
	random    uint64 // state of the generator (splitmix64, Steele et al. 2014)
	campaigns uint64 // elections that this node has called
	leader    uint64 // of this term, also once it is forgotten; 0 = none known
}

// draw returns a number below n.
func (t *electionTimer) draw(n int) uint64 {
	t.random += 0x9e3779b97f4a7c15
	return mix(t.random) % uint64(n)
}

// mix is splitmix64's finalizer: it spreads what differs in z over all bits.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// resetTimer draws a new deadline: on a change of term or role, on granting a vote, on
// hearing from the current leader (Raft paper, section 5.2). Voters that miss a leader
// stand one after another, in turns. Whoever misses none, or has stood in vain, waits for
// a time in [ET, 2 ET): so no two collide for ever.
func (c *Core) resetTimer() {
	t := &c.timer
	t.deadline = c.now + uint64(c.cfg.ElectionTicks)
	if c.role == raft.StateFollower && c.lead != 0 {
		// One tick more: the others' may come later, and they wait for an ET too.
		turn := c.turnTicks()
		t.deadline += 1 + c.rank()*turn + t.draw(int(turn))
	} else {
		t.deadline += t.draw(c.cfg.ElectionTicks)
	}
	if c.full { // those that have room first
		t.deadline += uint64(c.cfg.ElectionTicks)
	}
}

// turnTicks is how long a voter has to be elected before the next one stands: a
// heartbeat interval is longer than a round trip, and two ticks than the difference
// between two nodes' ticks.
func (c *Core) turnTicks() uint64 { return uint64(max(minTurnTicks, c.cfg.HeartbeatTicks)) }

const minTurnTicks = 2

// rank is how many voters stand before this node when the leader is missed: those with
// a lower Raft id, but for the ones that cannot be reached either.
func (c *Core) rank() (before uint64) {
	for _, m := range c.members.List {
		id := m.GetRaftId()
		if id < c.self && id != c.timer.leader && c.isVoter(id) && !c.closed(id) {
			before++
		}
	}
	return before
}

// campaignWhenDue starts an election once the deadline has passed, or earlier if the
// leader has closed its connections: PreVote first (thesis, section 9.6). A node that
// promised to elect nobody else keeps that promise for itself too, in either case.
func (c *Core) campaignWhenDue() {
	if c.now < c.promise.until || c.now < c.promise.bootUntil {
		return
	}
	due := c.now >= c.timer.deadline
	if !due && !c.leaderClosed() {
		return
	}
	stands := due || c.hasItsTurn()
	if due {
		c.resetTimer()
	}
	if stands && !c.lost && c.isVoter(c.self) {
		if due || c.role == raft.StateFollower { // else it asks for the same votes once more
			c.timer.campaigns++
		}
		if err := c.rn.Campaign(); err != nil {
			c.event(Warning, "campaign in term %d: %v", c.hard.Term, err)
		}
	}
	// A node that does not stand, or that the library holds back, has not heard from its
	// leader for an election timeout either, or has it closed: it may elect who asks. For
	// a candidate this does nothing.
	if err := c.rn.ForgetLeader(); err != nil {
		c.event(Warning, "forget node %d as the leader: %v", NodeID(c.lead), err)
	}
}

// heardFromLeader is called for a message that the current leader sent.
func (c *Core) heardFromLeader(m *pb.Message) {
	switch m.GetType() {
	case pb.MsgApp, pb.MsgHeartbeat, pb.MsgSnap:
		if c.role == raft.StateFollower && c.lead == m.GetFrom() && m.GetTerm() == c.hard.Term {
			c.resetTimer()
		}
	}
}
