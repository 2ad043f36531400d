package sim

import (
	"encoding/binary"
	"slices"

	"github.com/pgraft/pgraft/core"
)

// appliedEntry is a user entry as the first node applied it.
type appliedEntry struct {
	index, term uint64
	hash        digest
	op          *op // nil: no client's
	at          int // position in checks.applied
}

// applied: all nodes apply the same entries in the same order (Raft paper,
// figure 3, state machine safety), and a request commits once.
func (c *checks) applied(n *node, a *core.Apply) {
	if n.foreign() {
		return
	}
	seen := &n.seen
	h := digest(a.Index)
	h.bytes(a.Data)
	if n.batch != nil && a.Index <= seen.base { // a snapshot of the same batch overtook it
		c.appliedBefore(n, a, h)
		return
	}
	if seen.pos < len(c.order) {
		if e := &c.order[seen.pos]; e.index != a.Index || e.term != a.Term || e.hash != h {
			c.w.fail(checkApplied, "%v applies entry %d of term %d where others applied %d of term %d, or with other data",
				n, a.Index, a.Term, e.index, e.term)
		}
		seen.pos++
		return
	}
	e := appliedEntry{index: a.Index, term: a.Term, hash: h, at: len(c.order), op: c.w.opOf(a.Data)}
	if e.op == nil {
		c.w.fail(checkApplied, "%v applies entry %d, which no client proposed", n, a.Index)
		return
	}
	c.firstApplied(n, &e)
	c.order = append(c.order, e)
	seen.pos++
}

// appliedBefore: what a node applies below a snapshot is what others did there.
func (c *checks) appliedBefore(n *node, a *core.Apply, h digest) {
	if p := c.positionAfter(a.Index - 1); p >= len(c.order) || c.order[p].index != a.Index || c.order[p].term != a.Term || c.order[p].hash != h {
		c.w.fail(checkApplied, "%v applies entry %d of term %d below a snapshot, where others applied another one", n, a.Index, a.Term)
	}
}

// opOf is the operation that proposed data; nil if none did.
func (w *World) opOf(data []byte) *op {
	if len(data) >= opHeader {
		if id := binary.LittleEndian.Uint64(data); id > 0 && id <= uint64(len(w.ops)) {
			return w.ops[id-1]
		}
	}
	return nil
}

// catchUp applies what a node had applied up to its snapshot before it died, if
// it was the first to and died before it could say so: whoever applies entries
// reads them from the log store.
func (c *checks) catchUp(n *node, index uint64) {
	d, done := n.disk.dir, uint64(0)
	if len(c.order) > 0 {
		done = c.order[len(c.order)-1].index
	}
	for i := max(done+1, d.first); i <= min(index, d.last()) && len(d.log) > 0; i++ {
		e := d.entry(i)
		if e == nil {
			continue
		}
		data, user, err := core.UserData(*e)
		if err != nil {
			c.w.fail(checkApplied, "%v has entry %d before its snapshot: %v", n, i, err)
		}
		if o := c.w.opOf(data); user && o != nil && o.applied == nil {
			h := digest(i)
			h.bytes(data)
			a := appliedEntry{index: i, term: e.Term, hash: h, at: len(c.order), op: o}
			c.firstApplied(n, &a)
			c.order = append(c.order, a)
		}
	}
}

func (c *checks) firstApplied(n *node, e *appliedEntry) {
	o := e.op
	switch {
	case o.applied != nil:
		c.w.fail(checkRequest, "%v applies request %x at %d, and it was applied at %d", n, o.requestID, e.index, o.applied.index)
	case o.outcome == refused:
		c.w.fail(checkOutcome, "%v applies request %x at %d, and its client was told that nothing happened", n, o.requestID, e.index)
	}
	copied := *e
	o.applied = &copied
	if o.kind == opWrite {
		c.byKey[o.key] = append(c.byKey[o.key], e.at)
	}
	o.visible = c.w.now
}

// positionAfter is how many of the applied entries lie up to an index.
func (c *checks) positionAfter(index uint64) int {
	i, _ := slices.BinarySearchFunc(c.order, index+1, func(e appliedEntry, x uint64) int {
		if e.index < x {
			return -1
		}
		return 1
	})
	return i
}

// value is what a key holds once the first pos entries are applied: the op that
// wrote it, 0 = nobody.
func (c *checks) value(key, pos int) uint64 {
	l := c.byKey[key]
	i, _ := slices.BinarySearch(l, pos)
	if i == 0 {
		return 0
	}
	return c.order[l[i-1]].op.id
}
