package core

import (
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// electionTimer is the core's own: the library draws its timeouts from
// crypto/rand and offers no hook, so two equal runs would differ. It is never
// asked to tick as a follower or candidate.
type electionTimer struct {
	deadline uint64 // tick at which this node campaigns
	random   uint64 // state of the generator (splitmix64, Steele et al. 2014)
}

// draw returns a number below n.
func (t *electionTimer) draw(n int) uint64 {
	t.random += 0x9e3779b97f4a7c15
	z := t.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return (z ^ z>>31) % uint64(n)
}

// resetTimer draws a new deadline, in [ET, 2 ET) from now: on a change of term
// or role, on granting a vote, on hearing from the current leader (Raft paper,
// section 5.2).
func (c *Core) resetTimer() {
	c.timer.deadline = c.now + uint64(c.cfg.ElectionTicks) + c.timer.draw(c.cfg.ElectionTicks)
}

// campaignWhenDue starts an election once the deadline has passed: PreVote
// first (thesis, section 9.6). A node that promised to elect nobody else keeps
// that promise for itself too.
func (c *Core) campaignWhenDue() {
	if c.now < c.timer.deadline || c.now < c.promise.until || c.now < c.promise.bootUntil {
		return
	}
	c.resetTimer()
	if c.lost || !c.isVoter(c.self) {
		return
	}
	if err := c.rn.Campaign(); err != nil {
		c.event(Warning, "campaign in term %d: %v", c.hard.Term, err)
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

// commitByVote takes over the commit index that comes with a refused vote, when
// it makes a change of the members take effect. Otherwise two nodes can wait for
// each other for ever (CockroachDB 42251): one that forgot that it is the only
// voter now, and one that knows that it is none any more, with the longer log.
// Only a leader tells the library of a commit index: so the voter plays one, and
// is forgotten as such at once.
func (c *Core) commitByVote(m *pb.Message) {
	if t := m.GetType(); t != pb.MsgVoteResp && t != pb.MsgPreVoteResp || !m.GetReject() || c.role == raft.StateLeader || c.lead != 0 {
		return
	}
	i := m.GetIndex()
	if i <= c.hard.Commit || i > c.last || !c.log.changesMembers(c.hard.Commit, i) {
		return
	}
	if term, err := c.log.Term(i); err != nil || term != m.GetLogTerm() {
		return
	}
	c.event(Info, "node %d knows that entry %d is committed", NodeID(m.GetFrom()), i)
	c.step(&pb.Message{Type: pb.MsgHeartbeat.Enum(), From: m.From, To: m.To, Term: new(c.hard.Term), Commit: new(i)})
	if err := c.rn.ForgetLeader(); err != nil {
		panic(fmt.Sprintf("forget leader: %v", err)) // the library refuses it to leaders only
	}
	c.drain()
}

// abdicate makes a leader a follower of the next term, and lets it stand for
// election at once: the way on for a leader whose lease is gone for its term.
// A term may always be raised; a response of a higher term is how the library
// learns of one.
func (c *Core) abdicate() {
	c.step(&pb.Message{Type: pb.MsgHeartbeatResp.Enum(), From: new(c.self), To: new(c.self), Term: new(c.hard.Term + 1)})
	c.drain()
	c.timer.deadline = c.now
}

// step hands the library a message that the core has checked or made.
func (c *Core) step(m *pb.Message) {
	if err := c.rn.Step(m); err != nil && err != raft.ErrStepPeerNotFound && err != raft.ErrProposalDropped {
		c.event(Warning, "%v from node %d: %v", m.GetType(), NodeID(m.GetFrom()), err)
	}
}
