package core

import (
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// What a Step sends. A message that may still grow is encoded at its end: messages to
// one member that follow each other become one where that says the same.

// outgoing is the memory of what is sent, of one message after the other. Nothing points
// to it between two of them, but for what the heartbeats of one Ready say.
type outgoing struct {
	env      corepb.Envelope
	raft     corepb.Envelope_Raft
	round    corepb.LeaseRound
	encoded  []byte            // round
	said     bool              // round is that of the Ready that is carried out
	contacts []*corepb.Contact // as many as one round ever had; round has the first of them
	promise  corepb.LeasePromise
}

// growing is a message of this Step that is not encoded yet. Nobody changes what the
// library handed out, within a Step.
type growing struct {
	at    int // index in Output.Send
	bytes int // about, of what it carries
	raft  *pb.Message
	// own says that the entries of raft are in a list of the core's own.
	own     bool
	forward *corepb.Forward
	reply   *corepb.ForwardReply
}

// send serialises a message at once: what leaves the core shares no memory
// with it, as the library changes messages later.
func (c *Core) send(env *corepb.Envelope) {
	env.From = c.self
	c.decorate(env)
	c.addSend(Send{To: env.GetTo(), Data: encodeEnvelope(env, c.sent.encoded), Snapshot: env.GetRaft().GetType() == pb.MsgSnap})
}

// addSend makes room for a message to each member where they are likely.
func (c *Core) addSend(s Send) {
	if c.out.Send == nil && c.role == raft.StateLeader {
		c.out.Send = make([]Send, 0, min(len(c.members.List), 8))
	}
	c.out.Send = append(c.out.Send, s)
}

// sendRaft sends a message of the library's.
func (c *Core) sendRaft(m *pb.Message) {
	if c.withheld(m) {
		return
	}
	switch m.GetType() {
	case pb.MsgApp:
		if last := c.lastGrowing(m.GetTo()); last == nil || !last.joinAppend(m) {
			c.grow(m.GetTo(), growing{raft: m, bytes: entryBytes(m.GetEntries())})
		}
	case pb.MsgAppResp:
		if last := c.lastGrowing(m.GetTo()); last == nil || !last.joinResponse(m) {
			c.grow(m.GetTo(), growing{raft: m})
		}
	default:
		c.send(c.raftEnvelope(m))
	}
}

// raftEnvelope is good until the next one.
func (c *Core) raftEnvelope(m *pb.Message) *corepb.Envelope {
	c.sent.raft.Raft = m
	c.sent.env = corepb.Envelope{To: m.GetTo(), Body: &c.sent.raft}
	return &c.sent.env
}

// decorate adds what the core says beside the library: the lease's question to
// a heartbeat, its answer to a response, the recipient to a snapshot, what is
// committed to an answer to a vote request.
func (c *Core) decorate(env *corepb.Envelope) {
	c.sayFull(env)
	switch m := env.GetRaft(); m.GetType() {
	case pb.MsgHeartbeat:
		if c.role == raft.StateLeader {
			env.LeaseRound = c.openRound()
		}
	case pb.MsgHeartbeatResp:
		env.LeasePromise = c.makePromise(env)
	case pb.MsgVoteResp, pb.MsgPreVoteResp:
		env.KnownCommit = c.knownCommit()
	case pb.MsgSnap:
		m.Snapshot = forRecipient(m.GetSnapshot(), m.GetTo())
	}
}

func (c *Core) sendForward(to uint64, cmd *corepb.Command) {
	size := len(cmd.GetData()) + commandFrameBytes
	if g := c.lastGrowing(to); g != nil && g.forward != nil && c.knowsMore() && g.bytes+size <= maxMessageBytes {
		g.forward.More, g.bytes = append(g.forward.More, cmd), g.bytes+size
		return
	}
	c.grow(to, growing{forward: &corepb.Forward{Command: cmd}, bytes: size})
}

func (c *Core) sendForwardReply(to uint64, r *corepb.ForwardReply) {
	if g := c.lastGrowing(to); g != nil && g.reply != nil && c.knowsMore() && g.bytes+commandFrameBytes <= maxMessageBytes {
		g.reply.More, g.bytes = append(g.reply.More, r), g.bytes+commandFrameBytes
		return
	}
	c.grow(to, growing{reply: r, bytes: commandFrameBytes})
}

// commandFrameBytes is about what a command takes in a message beside its data, and what
// the answer to it takes, rather more.
const commandFrameBytes = 48

// knowsMore says that all members look at Forward.more and ForwardReply.more: builds that
// do not are refused at that cluster version. What a member said of its own build is not
// enough: it may have gone back to an older one since.
func (c *Core) knowsMore() bool { return c.members.Version >= forwardsMoreVersion }

// grow adds a message that may still grow.
func (c *Core) grow(to uint64, g growing) {
	g.at = len(c.out.Send)
	c.addSend(Send{To: to})
	c.growing = append(c.growing, g)
}

// lastGrowing is the last message to a member, if it may still grow.
func (c *Core) lastGrowing(to uint64) *growing {
	at := len(c.out.Send) - 1
	for ; at >= 0 && c.out.Send[at].To != to; at-- {
	}
	for i := len(c.growing) - 1; i >= 0 && c.growing[i].at >= at; i-- {
		if c.growing[i].at == at {
			return &c.growing[i]
		}
	}
	return nil
}

// joinAppend makes one of g and m, the MsgApp after it, if m goes on where g ends. The
// library lets no more of them be on their way than the bounds in config.go; the
// answer to the last index frees all of them.
func (g *growing) joinAppend(m *pb.Message) bool {
	a := g.raft
	if a.GetType() != pb.MsgApp || a.GetTerm() != m.GetTerm() {
		return false
	}
	index, term, size := a.GetIndex(), a.GetLogTerm(), entryBytes(m.GetEntries())
	if n := len(a.GetEntries()); n > 0 {
		index, term = a.GetEntries()[n-1].GetIndex(), a.GetEntries()[n-1].GetTerm()
	}
	switch {
	case m.GetIndex() != index || m.GetLogTerm() != term:
		return false
	case g.bytes > 0 && size > 0 && g.bytes+size > maxMessageBytes:
		return false
	}
	entries := a.GetEntries()
	switch {
	case len(entries) == 0:
		entries = m.GetEntries()
	case size > 0:
		if !g.own {
			entries, g.own = slices.Clone(entries), true
		}
		entries = append(entries, m.GetEntries()...)
	}
	g.raft = &pb.Message{Type: a.Type, To: a.To, From: a.From, Term: a.Term, Index: a.Index, LogTerm: a.LogTerm,
		Entries: entries, Commit: new(max(a.GetCommit(), m.GetCommit()))}
	g.bytes += size
	return true
}

// joinResponse makes one of g and m if both accept an append in the same term: the later
// index says all that the earlier one does.
func (g *growing) joinResponse(m *pb.Message) bool {
	r := g.raft
	if r.GetType() != pb.MsgAppResp || r.GetReject() || m.GetReject() || r.GetTerm() != m.GetTerm() {
		return false
	}
	if m.GetIndex() > r.GetIndex() {
		g.raft = m
	}
	return true
}

func entryBytes(es []*pb.Entry) (n int) {
	for _, e := range es {
		n += len(e.GetData()) + entryFrameBytes
	}
	return n
}

// encodeGrown ends the growing.
func (c *Core) encodeGrown() {
	for i := range c.growing {
		g := &c.growing[i]
		s := &c.out.Send[g.at]
		env := &c.sent.env
		switch *env = (corepb.Envelope{}); {
		case g.raft != nil:
			c.sent.raft.Raft = g.raft
			env.Body = &c.sent.raft
		case g.forward != nil:
			env.Body = &corepb.Envelope_Forward{Forward: g.forward}
		default:
			env.Body = &corepb.Envelope_ForwardReply{ForwardReply: g.reply}
		}
		env.From, env.To = c.self, s.To
		s.Data = encodeEnvelope(env, nil)
	}
	clear(c.growing)
	c.growing = c.growing[:0]
}
