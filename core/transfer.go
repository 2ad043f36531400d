package core

import (
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/pgraft/pgraft/core/corepb"
)

// transfer is leadership being handed over (thesis, section 3.10). The lease is
// given up before TimeoutNow leaves, for the rest of the term: a TimeoutNow
// that is delayed must not meet a renewed lease. If nothing comes of it, this
// node abdicates and stands for election like anyone.
type transfer struct {
	target uint64   // 0 = none under way on this node as leader
	ids    []uint64 // of the inputs that wait
	named  bool     // they asked for target, not for whoever is best
	// leaving: this node was asked to remove itself. It hands leadership over
	// and asks the successor, at every election timeout, until it is out.
	leaving    bool
	leavingIDs []uint64
	askedAt    uint64 // tick
	wish       wish
}

// wish is a transfer that was asked for and has not begun: the target and a quorum
// have to answer first.
type wish struct {
	open   bool
	id     uint64 // of the input that waits
	target uint64 // 0 = whoever is best
	wait   roundWait
}

func (c *Core) transferLeader(in TransferLeader) {
	if c.refusedHere(in.ID) {
		return
	}
	switch {
	case c.transfer.target != 0:
		c.reply(in.ID, Busy, "leadership is being handed to node %d", NodeID(c.transfer.target))
	case c.transfer.wish.open:
		c.reply(in.ID, Busy, "leadership is about to be handed over")
	case in.NodeID == c.cfg.Identity.NodeID:
		c.reply(in.ID, OK, "")
	case in.NodeID == 0:
		if c.successor(c.reachable) == 0 {
			c.refuse(in.ID, refusal{NotPossible, "no other voter that stays is reachable", c.silentText(quorumNeed{}, c.reachable)})
		} else {
			c.transfer.wish = wish{open: true, id: in.ID}
		}
	default:
		m := c.members.Node(in.NodeID)
		switch {
		case m == nil:
			c.reply(in.ID, NoSuchNode, "node %d is not a member", in.NodeID)
		case !c.isVoter(m.GetRaftId()):
			c.reply(in.ID, NotPossible, "node %d is not a voter", in.NodeID)
		case c.fullHere(m.GetRaftId()):
			c.reply(in.ID, NotPossible, "the disk of node %d is full", in.NodeID)
		default:
			if r := c.refuses(quorumNeed{must: m.GetRaftId()}, c.reachable); r.code != OK {
				c.refuse(in.ID, r)
				return
			}
			c.transfer.wish = wish{open: true, id: in.ID, target: m.GetRaftId()}
		}
	}
}

// pumpWish begins the transfer that was asked for, once enough have answered.
func (c *Core) pumpWish() {
	w := &c.transfer.wish
	switch {
	case !w.open:
		return
	case c.transfer.target != 0:
		c.endWish(Busy, "leadership is being handed to node %d", NodeID(c.transfer.target))
		return
	case w.target != 0 && !c.isVoter(w.target):
		c.endWish(NotPossible, "node %d is not a voter", NodeID(w.target))
		return
	}
	to, heard, no := w.target, hears, refusal{}
	if to == 0 {
		to, heard, no = c.hearHeir(&w.wait, quorumNeed{})
	} else {
		n := quorumNeed{must: to}
		if heard = c.hear(&w.wait, n); heard == hearsNot {
			no = c.refuses(n, c.answered(&w.wait))
		}
	}
	if heard == hearsSoon {
		return
	}
	id, named := w.id, w.target != 0
	c.transfer.wish = wish{}
	if heard == hearsNot {
		c.failoverKept(id)
		c.refuse(id, no)
		return
	}
	c.startTransfer(to, id)
	c.transfer.named = named
}

// hearHeir is hear for a leader that may choose its successor: the most caught-up voter
// if that one answers in time, otherwise the most caught-up of those that do.
func (c *Core) hearHeir(w *roundWait, n quorumNeed) (to uint64, h hearing, no refusal) {
	h = c.hear(w, n)
	answers := c.answered(w)
	best, to := c.successor(c.reachable), c.successor(answers)
	switch {
	case h == hears && to != 0 && (to == best || c.waitOver(w, n)):
		return to, hears, no
	case !c.waitOver(w, n) && best != 0:
		return 0, hearsSoon, no
	}
	if no = c.refuses(n, answers); no.code == OK {
		no = refusal{NotPossible, "no other voter that stays is reachable", c.silentText(n, answers)}
	}
	return 0, hearsNot, no
}

// endWish answers a transfer that never began.
func (c *Core) endWish(code Code, text string, a ...any) {
	if w := c.transfer.wish; w.open {
		c.transfer.wish = wish{}
		c.failoverKept(w.id)
		c.reply(w.id, code, text, a...)
	}
}

// endVainTransfer ends a transfer to a member that votes no more: the library has
// given it up by then.
func (c *Core) endVainTransfer() {
	if to := c.transfer.target; to != 0 && !c.isVoter(to) {
		c.event(Warning, "leadership is not handed to node %d, which votes no more", NodeID(to))
		c.giveUpTransfer("node %d votes no more: it is being removed", NodeID(to))
	}
}

// giveUpTransfer says why. The lease is gone for this term, so this node makes way.
func (c *Core) giveUpTransfer(why string, a ...any) {
	c.endTransfer(NotPossible, why, a...)
	c.abdicate("its lease ended with a transfer that came to nothing")
}

// successor is the voter with the longest log that up accepts, of those that stay: one
// on its way out would hand leadership on, maybe back; 0 if there is none. One
// whose disk is full comes after those with room, as it takes no entries. One
// that has asked to be removed is the last choice: it may have been restarted and
// have forgotten it. With failover, those with a server come before witnesses: one of
// them is the primary, or may be next. One that has closed its connections is none.
func (c *Core) successor(up func(uint64) bool) uint64 {
	best := uint64(0)
	progress := c.progress()
	better := func(v uint64) bool {
		if best == 0 {
			return true
		}
		if f := c.fullHere(v); f != c.fullHere(best) {
			return !f
		}
		if l := c.peer(v).leaves; l != c.peer(best).leaves {
			return !l
		}
		if s := c.hasServer(v); s != c.hasServer(best) {
			return s
		}
		return progress.of(v).match > progress.of(best).match
	}
	for _, v := range c.conf.GetVoters() {
		if v != c.self && up(v) && !c.closed(v) && !c.goes(v) && better(v) {
			best = v
		}
	}
	return best
}

// goes says that a member is to be removed or replaced.
func (c *Core) goes(id uint64) bool {
	return slices.ContainsFunc(c.members.List, func(m *corepb.Member) bool { return m.GetReplaces() == id }) ||
		slices.ContainsFunc(c.changes.waiting, func(ch *change) bool { return ch.add == nil && ch.raftID == id })
}

func (c *Core) startTransfer(to uint64, ids ...uint64) {
	c.forfeitLease()
	c.transfer.target = to
	c.transfer.ids = append(c.transfer.ids, ids...)
	c.event(Info, "handing leadership to node %d", NodeID(to))
	c.rn.TransferLeader(to)
}

// tickTransfer notices a transfer that the library gave up, and goes on asking
// to be removed.
func (c *Core) tickTransfer() {
	t := &c.transfer
	if c.role == raft.StateLeader && t.target != 0 && c.rn.BasicStatus().LeadTransferee == 0 {
		c.event(Warning, "node %d did not take over leadership within an election timeout", NodeID(t.target))
		c.giveUpTransfer("node %d did not take over within an election timeout", NodeID(t.target))
	}
	if t.leaving && c.lead != 0 && c.lead != c.self && c.now-t.askedAt >= uint64(c.cfg.ElectionTicks) {
		c.askToLeave()
	}
}

// transferEnded is called when a leader is known.
func (c *Core) transferEnded() {
	if c.lead == c.self {
		c.endTransfer(NotPossible, "this node was elected again")
		if c.transfer.leaving { // try once more, through the usual door
			ids := c.transfer.leavingIDs
			c.transfer = transfer{}
			c.enqueue(&change{ids: ids, raftID: c.self, handed: true})
		}
		return
	}
	if c.transfer.named && c.lead != c.transfer.target {
		c.endTransfer(NotPossible, "node %d leads now, in term %d", NodeID(c.lead), c.hard.Term)
	} else {
		c.endTransfer(OK, "")
	}
	if c.transfer.leaving {
		c.askToLeave()
	}
}

func (c *Core) endTransfer(code Code, text string, a ...any) {
	for _, id := range c.transfer.ids {
		c.reply(id, code, text, a...)
	}
	c.transfer.target, c.transfer.ids, c.transfer.named = 0, nil, false
}

// failTransfer is for a node that is removed: for one that asked for it that is
// success.
func (c *Core) failTransfer(code Code, text string) {
	c.endWish(code, "%s", text)
	c.endTransfer(code, "%s", text)
	for _, id := range c.transfer.leavingIDs {
		c.reply(id, OK, "")
	}
	c.transfer = transfer{}
}
