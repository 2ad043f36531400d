package sim

import "github.com/pgraft/pgraft/core"

// acknowledged: an entry that a client was told of is committed at that place,
// and every answer to a request names the same one.
func (c *checks) acknowledged(q *request, r core.Reply) {
	o, n := q.op, q.node
	switch e := o.applied; {
	case e == nil:
		c.w.fail(checkAck, "%v acknowledges request %x at %d, and no node applied it", n, o.request, r.Index)
		return
	case e.index != r.Index || e.term != r.Term:
		c.w.fail(checkAck, "%v acknowledges request %x at %d of term %d, and it was applied at %d of term %d",
			n, o.request, r.Index, r.Term, e.index, e.term)
	case r.Index > n.status.Commit:
		c.w.fail(checkAck, "%v acknowledges entry %d, and its commit index is %d", n, r.Index, n.status.Commit)
	}
	if o.outcome == done {
		c.w.marks.add(markRequestTwice)
		return
	}
	if o.kind == opRead && o.outcome == undecided {
		o.read = c.value(o.key, n.view.pos)
		c.w.marks.add(markReadOK)
	}
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
