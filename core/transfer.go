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
}

func (c *Core) transferLeader(in TransferLeader) {
	if c.refusedHere(in.ID) {
		return
	}
	switch {
	case c.transfer.target != 0:
		c.reply(in.ID, Busy, "leadership is being handed to node %d", NodeID(c.transfer.target))
	case in.NodeID == c.cfg.Identity.NodeID:
		c.reply(in.ID, OK, "")
	case in.NodeID == 0:
		if to := c.successor(); to == 0 {
			c.reply(in.ID, NotPossible, "no other voter that stays is reachable")
		} else {
			c.startTransfer(to, in.ID)
		}
	default:
		m := c.members.Node(in.NodeID)
		switch {
		case m == nil:
			c.reply(in.ID, NoSuchNode, "node %d is not a member", in.NodeID)
		case !c.isVoter(m.GetRaftId()):
			c.reply(in.ID, NotPossible, "node %d is not a voter", in.NodeID)
		case !c.reachable(m.GetRaftId()):
			c.reply(in.ID, NotPossible, "node %d is not reachable", in.NodeID)
		default:
			c.startTransfer(m.GetRaftId(), in.ID)
			c.transfer.named = true
		}
	}
}

// successor is the reachable voter with the longest log, of those that stay: one
// on its way out would hand leadership on, maybe back; 0 if there is none. One
// that has asked to be removed is the last choice: it may have been restarted and
// have forgotten it.
func (c *Core) successor() uint64 {
	best := uint64(0)
	progress := c.progress()
	better := func(v uint64) bool {
		if best == 0 {
			return true
		}
		if l := c.peer(v).leaves; l != c.peer(best).leaves {
			return !l
		}
		return progress.of(v).match > progress.of(best).match
	}
	for _, v := range c.conf.GetVoters() {
		if v != c.self && c.reachable(v) && !c.goes(v) && better(v) {
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

// startSelfRemoval is a leader's way out: leadership first.
func (c *Core) startSelfRemoval(ch *change) {
	to := c.successor()
	if to == 0 {
		c.answer(ch, QuorumAtRisk, "no other voter that stays is reachable to take over leadership")
		return
	}
	c.transfer.leaving = true
	c.transfer.leavingIDs = append(c.transfer.leavingIDs, ch.ids...)
	c.changes.waiting = slices.DeleteFunc(c.changes.waiting, func(x *change) bool { return x == ch })
	c.startTransfer(to)
}

// tickTransfer notices a transfer that the library gave up, and goes on asking
// to be removed.
func (c *Core) tickTransfer() {
	t := &c.transfer
	if c.role == raft.StateLeader && t.target != 0 && c.rn.BasicStatus().LeadTransferee == 0 {
		c.event(Warning, "node %d did not take over leadership within an election timeout", NodeID(t.target))
		c.endTransfer(NotPossible, "node %d did not take over within an election timeout", NodeID(t.target))
		c.abdicate()
	}
	if t.leaving && c.lead != 0 && c.lead != c.self && c.now-t.askedAt >= uint64(c.cfg.ElectionTicks) {
		c.askToLeave()
	}
}

func (c *Core) askToLeave() {
	c.transfer.askedAt = c.now
	c.send(&corepb.Envelope{To: c.lead, Body: &corepb.Envelope_RemoveMe{RemoveMe: &corepb.RemoveMe{}}})
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
	c.endTransfer(code, "%s", text)
	for _, id := range c.transfer.leavingIDs {
		c.reply(id, OK, "")
	}
	c.transfer = transfer{}
}

func (c *Core) cancelTransfer(id uint64) {
	for _, ids := range []*[]uint64{&c.transfer.ids, &c.transfer.leavingIDs} {
		if i := slices.Index(*ids, id); i >= 0 {
			*ids = slices.Delete(*ids, i, i+1)
			c.reply(id, Unknown, "given up; it may still happen")
		}
	}
}
