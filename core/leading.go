package core

import (
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// What begins and what ends with leadership, of this node or of another.

// observe notices changes of role, leader, term and vote.
func (c *Core) observe(rd *raft.Ready) {
	before, beforeLead, beforeTerm, beforeVote := c.role, c.lead, c.hard.Term, c.hard.Vote
	if h := rd.HardState; h != nil {
		c.hard = HardState{Term: h.GetTerm(), Vote: h.GetVote(), Commit: h.GetCommit()}
	}
	if s := rd.SoftState; s != nil {
		c.role, c.lead = s.RaftState, s.Lead
	}
	if c.lead != 0 || c.hard.Term != beforeTerm {
		c.timer.leader = c.lead
	}
	// The same leader in a new term may have lost what it had.
	if c.lead != 0 && (c.lead != beforeLead || c.hard.Term != beforeTerm) {
		c.leaderKnown()
	}
	if c.hard.Term != beforeTerm || c.role != before {
		c.roleChanged(before, beforeTerm)
	} else if c.hard.Vote != beforeVote {
		c.resetTimer()
	}
}

// roleChanged starts everything anew that belongs to a role or a term.
func (c *Core) roleChanged(before raft.StateType, beforeTerm uint64) {
	c.resetTimer()
	if c.role == raft.StateLeader && before != raft.StateLeader {
		c.event(Info, "this node leads in term %d", c.hard.Term)
		c.becameLeader()
	}
	if c.role != raft.StateLeader && before == raft.StateLeader {
		c.event(Info, "this node no longer leads: %s; term is %d", c.whyNotLeader(beforeTerm), c.hard.Term)
		c.lostLeadership()
	}
}

// whyNotLeader says why this node, which led in the term before, does not any more.
func (c *Core) whyNotLeader(before uint64) string {
	switch {
	case c.cause != "":
		return c.cause
	case c.hard.Term != before:
		return "a later term began"
	case !c.isVoter(c.self):
		return "it votes no more"
	}
	return "it heard from no quorum of the voters within an election timeout"
}

// leaderKnown is called when this node learns who leads, itself included.
func (c *Core) leaderKnown() {
	if c.lead != c.self {
		c.peer(c.lead).takesNone = false // until it says so
		c.event(Info, "node %d leads in term %d", NodeID(c.lead), c.hard.Term)
	}
	c.proposed.reroute = true
	c.reads.askAgain()
	c.transferEnded()
}

func (c *Core) becameLeader() {
	c.lease = lease{answers: []roundAnswers{}}
	c.changes.confIndex = c.last // the library allows no change before this is applied
	c.rememberAppended()
	for _, m := range c.members.List { // until they say so
		c.peer(m.GetRaftId()).full = false
	}
	c.fullAskedAt = c.now
}

func (c *Core) lostLeadership() {
	c.lease = lease{}
	c.proposed.appended = map[[16]byte]place{}
	c.failChanges()
	c.endWish(NotLeader, "this node no longer leads")
	c.failConfirms()
}

// noteTerm notes why a message of a later term ends this node's leadership.
func (c *Core) noteTerm(m *pb.Message) {
	if c.role != raft.StateLeader || m.GetTerm() <= c.hard.Term {
		return
	}
	c.cause = fmt.Sprintf("node %d is in term %d", NodeID(m.GetFrom()), m.GetTerm())
	if m.GetFrom() == c.transfer.target {
		c.cause = fmt.Sprintf("leadership is handed to node %d", NodeID(m.GetFrom()))
	}
}

// abdicate makes a leader a follower of the next term, and lets it stand for
// election at once: the way on for a leader whose lease is gone for its term.
// A term may always be raised; a response of a higher term is how the library
// learns of one.
func (c *Core) abdicate(why string) {
	c.cause = why
	c.step(&pb.Message{Type: pb.MsgHeartbeatResp.Enum(), From: new(c.self), To: new(c.self), Term: new(c.hard.Term + 1)})
	c.drain()
	if !c.full {
		c.timer.deadline = c.now
	}
}
