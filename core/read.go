package core

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// Reads go by the read index (thesis, section 6.4): the leader notes its commit
// index, has a quorum confirm that it still leads, and the reader waits until it
// has applied that far. The library does the confirming.
//
// A node asks in rounds, one at a time: whatever comes while a round is under
// way waits for the next, so a thousand readers cost one message. A round must
// begin after the read came, and an answer belongs to one round of one life of
// the node: a delayed answer to an earlier question never serves a later read
// (etcd issue 20418). A lost question is asked again under a new number.
type reads struct {
	life    uint64 // drawn at this start of the node
	open    []*read
	round   uint64 // number of the newest round
	asking  bool   // it is under way
	askedAt uint64 // tick

	// As the leader: one question to the library at a time.
	question   uint64  // number of the newest one, in this life
	confirming bool    // it is under way
	confirmAt  uint64  // tick
	askers     []asker // who is answered with it
	next       []asker // who came later
	positions  uint64  // how many questions the library took in this term
}

// read is one open ReadBarrier, ConfirmLeader or WaitApplied.
type read struct {
	id    uint64
	kind  readKind
	round uint64 // that it takes part in; 0 = waits for the next
	index uint64 // once it is known: answered when so much is applied
}

type readKind uint8

const (
	readBarrier readKind = iota
	readConfirm
	readWait
	readFailover // the core's own, that package failover waits for
)

// asker is a member, or the leader itself, whose round waits for a read index.
type asker struct{ node, life, round uint64 }

// askAgain ends the round under way: its reads take part in the next.
func (r *reads) askAgain() {
	r.asking = false
	for _, x := range r.open {
		if x.index == 0 {
			x.round = 0
		}
	}
}

// join lets a wait for the next question; only a node's newest round counts,
// so there is at most one asker for each member.
func (r *reads) join(a asker) {
	r.next = slices.DeleteFunc(r.next, func(x asker) bool { return x.node == a.node })
	r.next = append(r.next, a)
}

// read opens r. Whatever it needs happens in pumpReads.
func (c *Core) read(r *read) {
	switch {
	case c.removed:
		c.reply(r.id, RemovedMember, removedText)
	case len(c.reads.open) >= maxReads:
		c.reply(r.id, Busy, "%d reads wait already", maxReads)
	default:
		c.reads.open = append(c.reads.open, r)
	}
}

func (c *Core) confirmLeader(in ConfirmLeader) {
	if c.role != raft.StateLeader && !c.removed {
		c.reply(in.ID, NotLeader, "this node does not lead")
		return
	}
	c.read(&read{id: in.ID, kind: readConfirm})
}

// pumpReads begins the rounds that are due and answers the reads that are.
func (c *Core) pumpReads() {
	r := &c.reads
	if !r.asking && slices.ContainsFunc(r.open, waitsForRound) {
		c.askRound()
	}
	// The commit index of an earlier leader is not known for sure before an
	// entry of this term is committed. The library postpones the question then,
	// but neither for a sole voter nor beyond a loss of leadership.
	if c.role == raft.StateLeader && !r.confirming && len(r.next) > 0 && c.machine.term == c.hard.Term {
		r.question++
		r.confirming, r.confirmAt = true, c.now
		r.askers, r.next = r.next, nil
		if len(c.conf.GetVoters()) > 1 || len(c.conf.GetVotersOutgoing()) > 0 {
			r.positions++
		}
		c.rn.ReadIndex(binary.BigEndian.AppendUint64(nil, r.question))
	}
	if len(r.open) > 0 {
		c.answerReads()
	}
}

func waitsForRound(x *read) bool { return x.kind != readWait && x.round == 0 }

// askRound asks whoever leads for a read index, for all reads that wait.
func (c *Core) askRound() {
	r := &c.reads
	if c.role != raft.StateLeader && c.lead == 0 {
		return
	}
	r.round++
	r.asking, r.askedAt = true, c.now
	for _, x := range r.open {
		if waitsForRound(x) {
			x.round = r.round
		}
	}
	if c.role == raft.StateLeader {
		r.join(asker{c.self, r.life, r.round})
		return
	}
	c.send(&corepb.Envelope{To: c.lead, Body: &corepb.Envelope_ReadRequest{ReadRequest: &corepb.ReadRequest{Life: r.life, Round: r.round}}})
}

// readRequested is another member's question.
func (c *Core) readRequested(from uint64, q *corepb.ReadRequest) {
	a := asker{from, q.GetLife(), q.GetRound()}
	if c.role != raft.StateLeader {
		c.answerAsker(a, &corepb.ReadReply{NotLeader: true})
		return
	}
	if c.members.Get(from) != nil {
		c.reads.join(a)
	}
}

// readConfirmed is the library's answer: a quorum has heard this leader since
// the question.
func (c *Core) readConfirmed(s raft.ReadState) {
	r := &c.reads
	if !r.confirming || c.role != raft.StateLeader || binary.BigEndian.Uint64(s.RequestCtx) != r.question {
		return // asked once more since
	}
	r.confirming = false
	for _, a := range r.askers {
		c.answerAsker(a, &corepb.ReadReply{Index: s.Index})
	}
	r.askers = nil
}

func (c *Core) answerAsker(a asker, p *corepb.ReadReply) {
	p.Life, p.Round = a.life, a.round
	if a.node == c.self {
		c.readReplied(p)
		return
	}
	c.send(&corepb.Envelope{To: a.node, Body: &corepb.Envelope_ReadReply{ReadReply: p}})
}

// readReplied is the leader's answer to this node's round.
func (c *Core) readReplied(p *corepb.ReadReply) {
	r := &c.reads
	if !r.asking || p.GetLife() != r.life || p.GetRound() != r.round {
		return // of an earlier round, or of another life of this node
	}
	if p.GetNotLeader() { // asked again when a leader is known, or in time
		return
	}
	r.asking = false
	for _, x := range r.open {
		if x.round == r.round && x.index == 0 {
			x.index = max(p.GetIndex(), 1)
		}
	}
}

// answerReads answers what has been applied. The host has taken that over: the
// library hears of entries no earlier.
func (c *Core) answerReads() {
	applied := c.storage.libApplied
	c.reads.open = slices.DeleteFunc(c.reads.open, func(x *read) bool {
		switch {
		case x.index == 0 && x.kind != readWait:
			return false
		case x.kind == readFailover:
			if x.index > c.machine.index {
				return false
			}
			c.failing.current = true
		case x.kind == readConfirm:
			c.out.Reply = append(c.out.Reply, Reply{ID: x.id, Code: OK, Term: c.hard.Term})
		case x.index > applied:
			return false
		case x.kind == readWait:
			c.out.Reply = append(c.out.Reply, Reply{ID: x.id, Code: OK, Index: applied})
		default:
			c.out.Reply = append(c.out.Reply, Reply{ID: x.id, Code: OK, Index: x.index})
		}
		return true
	})
}

// tickReads asks again what got no answer in an election timeout.
func (c *Core) tickReads() {
	r := &c.reads
	if r.asking && c.now-r.askedAt >= uint64(c.cfg.ElectionTicks) {
		r.askAgain()
	}
	if r.confirming && c.now-r.confirmAt >= uint64(c.cfg.ElectionTicks) {
		c.reconfirm()
	}
}

// reconfirm puts the question that is under way to the library once more, as
// one that it can lose: a membership change may have left nobody to answer it.
func (c *Core) reconfirm() {
	r := &c.reads
	later := r.next
	r.confirming, r.next, r.askers = false, r.askers, nil
	for _, a := range later {
		r.join(a)
	}
}

// failConfirms is for a node that leads no longer. Barriers are asked of the
// next leader; the members whose questions are lost ask it by themselves.
func (c *Core) failConfirms() {
	r := &c.reads
	r.open = slices.DeleteFunc(r.open, func(x *read) bool {
		if x.kind == readConfirm {
			c.reply(x.id, NotLeader, "this node no longer leads")
		}
		return x.kind == readConfirm
	})
	r.confirming, r.askers, r.next, r.positions = false, nil, nil, 0
	r.askAgain()
}

func (c *Core) failReads(code Code, text string) {
	for _, x := range c.reads.open {
		c.reply(x.id, code, "%s", text)
	}
	c.reads.open = nil
	c.reads.askAgain()
}

// beyondReads says that a response names a later question than the library has
// asked in this term: it would look for it beyond the end of its list.
func (c *Core) beyondReads(m *pb.Message) bool {
	ctx := m.GetContext()
	return len(ctx) == 8 && m.GetTerm() == c.hard.Term && binary.LittleEndian.Uint64(ctx) > c.reads.positions
}
