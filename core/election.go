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

// resetTimer draws a new deadline, in [ET, 2 ET) from now: on a change of term
// or role, on granting a vote, on hearing from the current leader (Raft paper,
// section 5.2).
func (c *Core) resetTimer() {
	c.timer.deadline = c.now + uint64(c.cfg.ElectionTicks) + c.timer.draw(c.cfg.ElectionTicks)
	if c.full { // those that have room first
		c.timer.deadline += uint64(c.cfg.ElectionTicks)
	}
}

// campaignWhenDue starts an election once the deadline has passed: PreVote
// first (thesis, section 9.6). A node that promised to elect nobody else keeps
// that promise for itself too.
func (c *Core) campaignWhenDue() {
	if c.now < c.timer.deadline || c.now < c.promise.until || c.now < c.promise.bootUntil {
		return
	}
	c.resetTimer()
	if !c.lost && c.isVoter(c.self) {
		c.timer.campaigns++
		if err := c.rn.Campaign(); err != nil {
			c.event(Warning, "campaign in term %d: %v", c.hard.Term, err)
		}
	}
	// A node that does not stand, or that the library holds back, has not heard from its
	// leader for an election timeout either. For a candidate this does nothing.
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
