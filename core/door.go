package core

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// receive is the door for messages: what passes here cannot make the library
// panic, break a promise, or come from someone who is no member any more.
func (c *Core) receive(in Receive) {
	env, err := c.received.decode(in.Data)
	if err != nil {
		c.event(Warning, "message of node %d dropped: %v", NodeID(in.From), err)
		return
	}
	if err := c.checkEnvelope(in.From, env); err != nil {
		c.event(Warning, "message of node %d dropped: %v", NodeID(in.From), err)
		return
	}
	if c.removed || c.members.WasRemoved(in.From) {
		return
	}
	if !c.quietBody(env) {
		c.alone()
	}
	if c.addedByOther(in.From) {
		c.lostData("node %d is a member, but this node, which leads as the only voter, never added it", NodeID(in.From))
		c.abdicate("it lost acknowledged data")
		return
	}
	if c.receiveRetained(in.From, env) {
		return
	}
	p := c.peer(in.From)
	p.closed = false // who speaks is there

	if env.GetLostData() != nil { // it answers no heartbeat, so it is not heard
		p.alarm = LostData
		return
	}
	p.heard, p.lastHeard = true, c.now
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_Raft:
		c.receiveRaft(env, b.Raft)
	case *corepb.Envelope_Forward:
		c.forwarded(in.From, b.Forward)
	case *corepb.Envelope_ForwardReply:
		c.forwardReply(b.ForwardReply)
	case *corepb.Envelope_Removed:
		c.becomeRemoved(fmt.Sprintf("node %d says so", NodeID(in.From)))
	case *corepb.Envelope_RemoveMe:
		c.removeOnRequest(in.From)
	case *corepb.Envelope_ReadRequest:
		c.readRequested(in.From, b.ReadRequest)
	case *corepb.Envelope_ReadReply:
		c.readReplied(b.ReadReply)
	case *corepb.Envelope_FailoverTold:
		c.failoverTold(in.From, b.FailoverTold)
	case *corepb.Envelope_FailoverEntry:
		c.failoverEntry(in.From, b.FailoverEntry)
	}
}

func (c *Core) receiveRaft(env *corepb.Envelope, m *pb.Message) {
	if c.lost && (m.GetType() == pb.MsgVote || m.GetType() == pb.MsgPreVote) {
		c.event(Debug, "%v of node %d for term %d ignored: this node lost acknowledged data, it elects nobody", m.GetType(), NodeID(m.GetFrom()), m.GetTerm())
		return
	}
	if c.electsAnother(m) {
		c.event(Debug, "%v of node %d for term %d ignored: promised not to elect another leader yet", m.GetType(), NodeID(m.GetFrom()), m.GetTerm())
		return
	}
	if m.GetType() == pb.MsgHeartbeatResp && c.beyondReads(m) {
		c.event(Warning, "%v of node %d answers a question that was never asked: %x", m.GetType(), NodeID(m.GetFrom()), m.GetContext())
		return
	}
	if m.GetType() == pb.MsgAppResp && c.role == raft.StateLeader && m.GetTerm() == c.hard.Term && m.GetIndex() > c.last {
		c.event(Warning, "%v of node %d is about entry %d, but the log ends at %d", m.GetType(), NodeID(m.GetFrom()), m.GetIndex(), c.last)
		return
	}
	if m.GetType() == pb.MsgAppResp && c.rejectsAcknowledged(m) {
		c.event(Debug, "node %d rejects entry %d, which it has acknowledged", NodeID(m.GetFrom()), m.GetIndex())
		return
	}
	if c.lost && (m.GetType() == pb.MsgTimeoutNow || elects(m)) {
		c.event(Warning, "%v of node %d ignored: this node lost acknowledged data, it elects nobody", m.GetType(), NodeID(m.GetFrom()))
		return
	}
	if m.GetType() == pb.MsgHeartbeat && m.GetCommit() > c.last {
		c.lostData("node %d says that entry %d is durable here, but the log ends at %d", NodeID(m.GetFrom()), m.GetCommit(), c.last)
		c.tellLoss(m.GetFrom())
		return
	}
	if c.full && carriesData(m) {
		return
	}
	if m.GetType() == pb.MsgHeartbeat {
		c.peer(m.GetFrom()).round = env.GetLeaseRound().GetRound()
		c.noteContacts(env)
	}
	c.noteTerm(m)
	later := c.batch.on && c.quietRaft(m)
	if c.step(m); !later {
		c.drain()
	}
	c.noteFull(env, m)
	c.commitKnown(env.GetKnownCommit())
	c.heardFromLeader(m)
	if p := env.GetLeasePromise(); p != nil && m.GetType() == pb.MsgHeartbeatResp && m.GetTerm() == c.hard.Term {
		c.promised(m.GetFrom(), p)
	}
}

// rejectsAcknowledged says that m rejects entries that its sender has acknowledged: m is
// late, or its sender lost entries. The library would answer the second kind with
// the same append at once, and so on without end.
func (c *Core) rejectsAcknowledged(m *pb.Message) bool {
	return m.GetReject() && c.role == raft.StateLeader && m.GetTerm() == c.hard.Term && m.GetIndex() <= c.progress().of(m.GetFrom()).match
}

// checkEnvelope refuses everything that a correct member never sends.
func (c *Core) checkEnvelope(from uint64, env *corepb.Envelope) error {
	if env.GetFrom() != from || env.GetTo() != c.self || from == c.self {
		return fmt.Errorf("it goes from %x to %x on the connection of %x to %x", env.GetFrom(), env.GetTo(), from, c.self)
	}
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_Raft:
		return checkRaft(env, b.Raft, c.cfg.Newest)
	case *corepb.Envelope_Forward:
		return checkForward(b.Forward, c.cfg.Newest)
	case *corepb.Envelope_ForwardReply:
		return checkForwardReply(b.ForwardReply, c.cfg.Newest)
	case *corepb.Envelope_Removed, *corepb.Envelope_RemoveMe, *corepb.Envelope_ReadRequest, *corepb.Envelope_ReadReply,
		*corepb.Envelope_LostData, *corepb.Envelope_ApplyNeeds, *corepb.Envelope_HistoryRequest, *corepb.Envelope_History,
		*corepb.Envelope_TableStateRequest, *corepb.Envelope_TableState:
		return nil
	case *corepb.Envelope_FailoverTold:
		if c.cfg.Newest >= FailoverVersion {
			return nil
		}
	case *corepb.Envelope_FailoverEntry:
		if c.cfg.Newest >= FailoverVersion {
			return checkFailoverEntry(from, b.FailoverEntry)
		}
	}
	return errors.New("it has no body known here")
}

func checkForward(f *corepb.Forward, newest uint32) error {
	if n := len(f.GetMore()); n > 0 && newest < forwardsMoreVersion {
		return fmt.Errorf("%d commands in one message, which version %d does not know", n+1, newest)
	}
	for cmd := range commandsOf(f) {
		if n := len(cmd.GetRequestId()); n != 16 {
			return fmt.Errorf("forwarded command with a request id of %d bytes", n)
		}
		if v := cmd.GetClusterVersion(); v != 0 {
			return fmt.Errorf("forwarded command that raises the cluster to version %d, which only a leader does", v)
		}
		if err := checkForwardedFailover(cmd, newest); err != nil {
			return err
		}
	}
	return nil
}

// checkForwardedFailover lets an operator's entry pass: a member's own go another way.
func checkForwardedFailover(cmd *corepb.Command, newest uint32) error {
	n := len(cmd.GetFailover())
	switch {
	case n == 0:
		return nil
	case newest < FailoverVersion:
		return fmt.Errorf("forwarded command with %d bytes of failover, which version %d does not know", n, newest)
	case len(cmd.GetData()) > 0:
		return fmt.Errorf("forwarded command with %d bytes of failover and %d bytes of data", n, len(cmd.GetData()))
	}
	e, err := failover.Unmarshal(cmd.GetFailover())
	if err == nil && !failover.ByOperator(e) {
		err = fmt.Errorf("forwarded %T, which is not an operator's", e)
	}
	return err
}

// commandsOf walks what f forwards.
func commandsOf(f *corepb.Forward) func(yield func(*corepb.Command) bool) {
	return func(yield func(*corepb.Command) bool) {
		if !yield(f.GetCommand()) {
			return
		}
		for _, cmd := range f.GetMore() {
			if !yield(cmd) {
				return
			}
		}
	}
}

func checkForwardReply(r *corepb.ForwardReply, newest uint32) error {
	if n := len(r.GetRequestId()); n != 16 {
		return fmt.Errorf("forward reply with a request id of %d bytes", n)
	}
	if n := len(r.GetMore()); n > 0 && newest < forwardsMoreVersion {
		return fmt.Errorf("%d answers in one message, which version %d does not know", n+1, newest)
	}
	for _, r := range r.GetMore() {
		if len(r.GetMore()) > 0 {
			return errors.New("forward reply within forward replies")
		}
		if err := checkForwardReply(r, newest); err != nil {
			return err
		}
	}
	return nil
}

// forMembers says whether members send each other messages of type t. All
// others are local to a node, and some would make the library panic.
func forMembers(t pb.MessageType) bool {
	switch t {
	case pb.MsgApp, pb.MsgAppResp, pb.MsgVote, pb.MsgVoteResp, pb.MsgPreVote, pb.MsgPreVoteResp,
		pb.MsgSnap, pb.MsgHeartbeat, pb.MsgHeartbeatResp, pb.MsgTimeoutNow:
		return true
	}
	return false
}

func checkRaft(env *corepb.Envelope, m *pb.Message, newest uint32) error {
	if m.GetFrom() != env.GetFrom() || m.GetTo() != env.GetTo() {
		return fmt.Errorf("%v from %x to %x inside a message from %x to %x", m.GetType(), m.GetFrom(), m.GetTo(), env.GetFrom(), env.GetTo())
	}
	if !forMembers(m.GetType()) || m.GetTerm() == 0 || len(m.GetResponses()) > 0 {
		return fmt.Errorf("%v of term %d with %d responses is not for the network", m.GetType(), m.GetTerm(), len(m.GetResponses()))
	}
	switch m.GetType() {
	case pb.MsgApp:
		return checkEntries(m, newest)
	case pb.MsgSnap:
		return checkSnapshot(m.GetSnapshot(), newest)
	case pb.MsgHeartbeat, pb.MsgHeartbeatResp:
		if n := len(m.GetContext()); n != 0 && n != 8 {
			return fmt.Errorf("%v with a context of %d bytes", m.GetType(), n)
		}
	}
	return nil
}

func checkEntries(m *pb.Message, newest uint32) error {
	term := m.GetLogTerm()
	for i, e := range m.GetEntries() {
		if e.GetIndex() != m.GetIndex()+1+uint64(i) || e.GetTerm() < term || e.GetTerm() > m.GetTerm() {
			return fmt.Errorf("entry %d of term %d where %d of term %d to %d belongs", e.GetIndex(), e.GetTerm(), m.GetIndex()+1+uint64(i), term, m.GetTerm())
		}
		term = e.GetTerm()
		if err := checkEntry(e, newest); err != nil {
			return fmt.Errorf("entry %d: %w", e.GetIndex(), err)
		}
	}
	return nil
}

func checkSnapshot(s *pb.Snapshot, newest uint32) error {
	if raft.IsEmptySnap(s) {
		return errors.New("empty snapshot")
	}
	var m machine
	if err := m.restore(s); err != nil {
		return err
	}
	return knowsAll(&m, nil, newest)
}
