package sim

import "github.com/pgraft/pgraft/core"

// acknowledged: an entry that a client was told of is committed at that place,
// and every answer to a request names the same one.
func (c *checks) acknowledged(q *request, r core.Reply) {
	o, n := q.op, q.node
	if o.kind > opRead {
		c.answeredRead(o, n, r)
		return
	}
	c.acked = max(c.acked, r.Index)
	switch e := o.applied; {
	case e == nil:
		c.w.fail(checkAck, "%v acknowledges request %x at %d, and no node applied it", n, o.requestID, r.Index)
		return
	case e.index != r.Index || e.term != r.Term:
		c.w.fail(checkAck, "%v acknowledges request %x at %d of term %d, and it was applied at %d of term %d",
			n, o.requestID, r.Index, r.Term, e.index, e.term)
	case r.Index > n.status.Commit:
		c.w.fail(checkAck, "%v acknowledges entry %d, and its commit index is %d", n, r.Index, n.status.Commit)
	}
	if o.outcome == done {
		c.w.marks.add(markRequestTwice)
		return
	}
	if o.kind == opRead && o.outcome == undecided {
		o.read = c.value(o.key, n.seen.pos)
		c.w.marks.add(markReadOK)
	}
}

// answeredRead: a read sees all that was acknowledged to anyone before it began,
// and a leader that a quorum confirmed is not one of an older term.
func (c *checks) answeredRead(o *op, n *node, r core.Reply) {
	switch {
	case o.kind == opConfirm && r.Term < o.term:
		c.w.fail(checkFresh, "%v is confirmed as the leader of term %d, and before it was asked term %d had committed an entry", n, r.Term, o.term)
	case o.kind == opConfirm && (r.Term >= uint64(len(c.leaders)) || c.leaders[r.Term] != n.identity.RaftID):
		c.w.fail(checkFresh, "%v is confirmed as the leader of term %d, which it does not lead", n, r.Term)
	case o.kind == opBarrier && r.Index < o.acked:
		c.w.fail(checkFresh, "%v reads at %d, and before it was asked %d had been acknowledged", n, r.Index, o.acked)
	case o.kind != opConfirm && len(n.untaken) > 0 && n.untaken[0] <= r.Index:
		c.w.fail(checkFresh, "%v answers that it has applied %d, and its host has not taken over entry %d", n, r.Index, n.untaken[0])
	case o.kind != opConfirm && n.status.Applied < r.Index:
		c.w.fail(checkFresh, "%v answers that it has applied %d, and it has applied %d", n, r.Index, n.status.Applied)
	}
	switch o.kind {
	case opBarrier:
		o.read = c.value(o.key, n.seen.pos)
		c.w.marks.add(markBarrierOK)
	case opConfirm:
		c.w.marks.add(markConfirmOK)
	case opWait:
		c.w.marks.add(markWaitOK)
	}
}

// commitTerm is the newest term that is known to have committed an entry.
func (c *checks) commitTerm() uint64 {
	if len(c.committed) == 0 {
		return 0
	}
	return c.committed[len(c.committed)-1].leaderTerm
}

// outcomes: an unknown outcome is either committed or not, and the client that
// was told so is not told otherwise; both have to happen.
func (c *checks) outcomes() {
	for _, o := range c.w.ops {
		if o.outcome != unknown {
			continue
		}
		if o.applied != nil {
			c.w.marks.add(markUnknownCommitted)
		} else {
			c.w.marks.add(markUnknownLost)
		}
	}
}
