package core

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// proposals are this node's open proposals, from Propose to Reply. Every one
// has a request id, and a committed request id is never applied twice: so a
// proposal is simply sent again, to whoever leads, until it shows up in the
// applied log. The library's own forwarding is off: it can lose them silently.
type proposals struct {
	open    map[[16]byte]*proposal
	order   []*proposal // by arrival, the order in which they are sent again
	bytes   int
	reroute bool // another leader is known: send all to it
	// appended is, on a leader, what lies in its log beyond the applied index.
	appended map[[16]byte]place
}

type proposal struct {
	ids       []uint64 // of the inputs that wait for the same request id
	requestID [16]byte
	command   *corepb.Command
	sent      bool   // to a leader that has not refused it
	sentAt    uint64 // tick
	at        place  // where a leader put it; zero while that is unknown
}

// newProposal makes a proposal and all that belongs to it in one piece.
func newProposal(id uint64, requestID [16]byte, since uint64, data []byte) *proposal {
	p := new(struct {
		proposal
		command corepb.Command
		ids     [1]uint64
	})
	p.ids[0], p.requestID = id, requestID
	p.proposal.ids, p.proposal.command = p.ids[:], &p.command
	p.command.RequestId, p.command.Since, p.command.Data = p.requestID[:], since, data
	return &p.proposal
}

func newProposals() proposals {
	return proposals{open: map[[16]byte]*proposal{}, appended: map[[16]byte]place{}}
}

func (c *Core) propose(in Propose) {
	if c.removed {
		c.reply(in.ID, RemovedMember, removedText)
		return
	}
	if len(in.Data) > c.cfg.MaxEntryBytes {
		c.reply(in.ID, TooLarge, "entry has %d bytes, at most %d are allowed", len(in.Data), c.cfg.MaxEntryBytes)
		return
	}
	c.takeProposal(in, nil)
}

// takeProposal is propose of what may be: of data, or of an entry of package failover, as bytes.
func (c *Core) takeProposal(in Propose, entry []byte) {
	ps := &c.proposed
	if at, ok := c.requestIDs.find(in.RequestID); ok {
		if entry != nil {
			c.reply(in.ID, Unknown, committedUnseen)
			return
		}
		c.replyPlace(in.ID, at)
		return
	}
	if p := ps.open[in.RequestID]; p != nil && len(p.ids) >= maxWaiters {
		c.reply(in.ID, Busy, "%d calls with this request id wait already, at most %d may", len(p.ids), maxWaiters)
		return
	} else if p != nil {
		p.ids = append(p.ids, in.ID)
		return
	}
	if text, none := c.noRoom(); none {
		c.reply(in.ID, NoRoom, "%s", text)
		return
	}
	if len(ps.order) >= maxProposals || ps.bytes+len(in.Data) > maxProposalBytes {
		c.reply(in.ID, Busy, "%d proposals of %d bytes are open, at most %d of %d bytes may be", len(ps.order), ps.bytes, maxProposals, maxProposalBytes)
		return
	}
	p := newProposal(in.ID, in.RequestID, c.machine.index, in.Data)
	p.command.Failover = entry
	ps.open[p.requestID] = p
	ps.order = append(ps.order, p)
	ps.bytes += len(in.Data)
	c.route(p, true)
}

// route gives p to the leader, if one is known. A fresh one is in no log, and was on its
// way to none.
func (c *Core) route(p *proposal, fresh bool) {
	p.at, p.sent, p.sentAt = place{}, false, c.now
	if half := c.requestIDs.window / 2; c.machine.index > p.command.GetSince()+half {
		// Sent once more it could be too old to be told from a new one.
		c.finish(p, Unknown, "not seen committed within %d log entries", half)
		return
	}
	switch {
	case c.role == raft.StateLeader:
		c.offer(toAppend{command: p.command, own: p, fresh: fresh})
	case c.lead != 0:
		p.sent = true
		c.sendForward(c.lead, p.command)
	}
}

// rememberAppended finds what former leaders left in the log of a new one: a
// request id is in a log once, so an entry needs no look at those before it.
func (c *Core) rememberAppended() {
	c.proposed.appended = map[[16]byte]place{}
	es, err := c.log.Entries(c.machine.index+1, c.last+1, ^uint64(0))
	if err != nil {
		panic(fmt.Sprintf("the log after %d of a new leader: %v", c.machine.index, err))
	}
	for _, e := range es {
		if e.GetType() != pb.EntryNormal || len(e.GetData()) == 0 {
			continue
		}
		cmd, err := decodeCommand(e.GetData())
		if err != nil {
			panic(fmt.Sprintf("entry %d was checked on receipt, but: %v", e.GetIndex(), err))
		}
		if !cmd.asked {
			continue
		}
		c.proposed.appended[cmd.requestID] = place{e.GetIndex(), e.GetTerm()}
	}
}

// forwarded is proposals of another member, for this node to append if it leads.
func (c *Core) forwarded(from uint64, f *corepb.Forward) {
	for cmd := range commandsOf(f) {
		if a := (toAppend{command: cmd, from: from}); c.role == raft.StateLeader {
			c.offer(a)
		} else {
			c.tellOffered(a, place{}, corepb.ForwardReply_NOT_LEADER)
		}
	}
}

func (c *Core) forwardReply(r *corepb.ForwardReply) {
	c.oneForwardReply(r)
	for _, r := range r.GetMore() {
		c.oneForwardReply(r)
	}
	c.supersede()
}

func (c *Core) oneForwardReply(r *corepb.ForwardReply) {
	p := c.proposed.open[[16]byte(r.GetRequestId())]
	if p == nil {
		return
	}
	switch r.GetVerdict() {
	case corepb.ForwardReply_ACCEPTED:
		if r.GetTerm() < c.hard.Term {
			return // its place may be another entry's by now; asked again in time
		}
		p.at = place{r.GetIndex(), r.GetTerm()}
	case corepb.ForwardReply_NOT_LEADER:
		p.sent = false // sent again at the next tick
	case corepb.ForwardReply_BUSY, corepb.ForwardReply_NO_ROOM:
		// Asked again in time. It is not refused: another copy of the question,
		// late or early, may have found room.
	}
}

// rerouteDue sends everything to a leader that has just become known.
func (c *Core) rerouteDue() {
	if !c.proposed.reroute {
		return
	}
	c.proposed.reroute = false
	for _, p := range slices.Clone(c.proposed.order) {
		c.route(p, false)
	}
	c.appendWaiting()
}

// retryProposals sends again what no leader has acknowledged in an election
// timeout: the message or the answer can be lost.
func (c *Core) retryProposals() {
	for _, p := range slices.Clone(c.proposed.order) {
		if p.at.index == 0 && (!p.sent || c.now-p.sentAt >= uint64(c.cfg.ElectionTicks)) {
			c.route(p, false)
		}
	}
	c.appendWaiting()
}

// resolve answers whoever waits for the command that was just applied.
func (c *Core) resolve(a applied) {
	delete(c.proposed.appended, a.requestID)
	p := c.proposed.open[a.requestID]
	switch {
	case p == nil:
	case a.expired:
		c.finish(p, Unknown, "committed too late to tell whether it had been before")
	case !a.failover && len(p.command.GetFailover()) > 0:
		c.finish(p, Unknown, committedUnseen)
	case a.void != failover.NotVoid:
		c.finishVoid(p, a.void)
	default:
		c.finishAt(p, a.at)
	}
}

// resolveAll answers what a snapshot shows to be committed.
func (c *Core) resolveAll() {
	for _, p := range slices.Clone(c.proposed.order) {
		if at, ok := c.requestIDs.find(p.requestID); ok && len(p.command.GetFailover()) > 0 {
			c.finish(p, Unknown, committedUnseen)
		} else if ok {
			c.finishAt(p, at)
		}
	}
}

// supersede notices proposals whose place in the log went to another entry, and
// sends them again.
func (c *Core) supersede() {
	found := false
	for _, p := range c.proposed.order {
		if p.at.index != 0 && p.at.index <= c.machine.index {
			p.at, p.sent, found = place{}, false, true
		}
	}
	if found {
		c.resolveAll()
	}
}

func (c *Core) replyPlace(id uint64, at place) {
	c.out.Reply = append(c.out.Reply, Reply{ID: id, Code: OK, Index: at.index, Term: at.term})
}

func (c *Core) finishAt(p *proposal, at place) {
	for _, id := range p.ids {
		c.replyPlace(id, at)
	}
	c.forget(p)
}

func (c *Core) finish(p *proposal, code Code, text string, a ...any) {
	for _, id := range p.ids {
		c.reply(id, code, text, a...)
	}
	c.forget(p)
}

func (c *Core) forget(p *proposal) {
	delete(c.proposed.open, p.requestID)
	c.proposed.bytes -= len(p.command.GetData())
	if i := slices.Index(c.proposed.order, p); i >= 0 { // mostly the first: they commit as they came
		c.proposed.order = slices.Delete(c.proposed.order, i, i+1)
	}
}

// finishVoid is for an operator's entry that did nothing.
func (c *Core) finishVoid(p *proposal, why failover.Void) {
	for _, id := range p.ids {
		c.out.Reply = append(c.out.Reply, Reply{ID: id, Code: NotPossible, Text: why.String(), Void: why})
	}
	c.forget(p)
}

// committedUnseen is what is said of an operator's entry that another copy, or a snapshot, has
// shown to be committed.
const committedUnseen = "the entry is in the log, and this node has not seen what it did"

// failProposals is for a node that is removed. What it had sent to a leader may
// be committed, and it will not hear of that.
func (c *Core) failProposals(text string) {
	for _, p := range slices.Clone(c.proposed.order) {
		c.finish(p, Unknown, "%s before the outcome was known", text)
	}
}
