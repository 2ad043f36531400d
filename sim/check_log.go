package sim

import (
	"github.com/pgraft/pgraft/core"
)

// extend is the hash of a log that is one entry longer.
func extend(chain digest, e *core.Entry) digest {
	chain.words(e.Index, e.Term, uint64(e.Kind))
	chain.bytes(e.Data)
	return chain
}

// know compares an entry of a log with the first one of its index and term: all
// before it is equal too (Raft paper, figure 3, log matching).
func (c *checks) know(n *node, i uint64, s slot) {
	for uint64(len(c.first)) <= i {
		c.first = append(c.first, slot{})
	}
	f := &c.first[i]
	switch {
	case f.term == 0:
		*f = s
	case f.term == s.term:
		if f.chain != s.chain {
			c.w.fail(checkLog, "%v has another log up to entry %d of term %d than the node that had it first", n, i, s.term)
		}
	default:
		k := slotKey{i, s.term}
		if was, ok := c.others[k]; ok && was != s.chain {
			c.w.fail(checkLog, "%v has another log up to entry %d of term %d than the node that had it first", n, i, s.term)
		}
		c.others[k] = s.chain
	}
}

// chainAt is the hash of the log up to the entry at i of that term.
func (c *checks) chainAt(i, term uint64) (digest, bool) {
	if i < uint64(len(c.first)) && c.first[i].term == term {
		return c.first[i].chain, true
	}
	d, ok := c.others[slotKey{i, term}]
	return d, ok
}

// startAt begins a node's log after a snapshot.
func (c *checks) startAt(n *node, s *core.Snapshot) {
	v := &n.view
	v.slots, v.confs, v.mark = v.slots[:0], v.confs[:0], 0
	v.base = 0
	base := slot{}
	if s != nil {
		chain, ok := c.chainAt(s.Index, s.Term)
		if !ok && s.Index > 1 {
			c.w.fail(checkLog, "%v has a snapshot at index %d of term %d, which no log ever held", n, s.Index, s.Term)
		}
		v.base, v.mark, base = s.Index, s.Index, slot{s.Term, chain}
		c.know(n, s.Index, base)
	}
	v.slots = append(v.slots, base)
	v.baseJoint = c.jointAt(v.base)
	v.pos = c.positionAfter(v.base)
}

// startLog takes over the log that a node starts with.
func (c *checks) startLog(n *node, d core.Durable) {
	if d.Snapshot != nil {
		c.catchUp(n, d.Snapshot.Index)
	}
	c.startAt(n, d.Snapshot)
	for i := range d.Entries {
		c.appendEntry(n, &d.Entries[i])
	}
}

func (c *checks) appendEntry(n *node, e *core.Entry) {
	v := &n.view
	if e.Kind == core.EntryNormal && len(e.Data) > 0 {
		c.once(n, e)
	}
	s := slot{e.Term, extend(v.slots[len(v.slots)-1].chain, e)}
	v.slots = append(v.slots, s)
	c.know(n, e.Index, s)
	if e.Kind != core.EntryNormal {
		v.confs = append(v.confs, e.Index)
		c.learn(e)
	}
}

// appended takes over what a batch does to the log.
func (c *checks) appended(n *node, b *core.Persist) {
	v := &n.view
	if b.Snapshot != nil {
		c.w.marks.add(markSnapshotInstalled)
		c.startAt(n, b.Snapshot)
	}
	if b.Mark != nil {
		c.w.marks.add(markSnapshotTaken)
		v.mark = b.Mark.Index
	}
	if len(b.Entries) == 0 {
		return
	}
	first := b.Entries[0].Index
	if first <= v.base || first > v.last()+1 {
		c.w.fail(checkTransition, "%v appends entry %d to a log of %d..%d", n, first, v.base+1, v.last())
		return
	}
	if first <= v.last() {
		c.w.marks.add(markTruncated)
		v.slots = v.slots[:first-v.base]
		for len(v.confs) > 0 && v.confs[len(v.confs)-1] >= first {
			v.confs = v.confs[:len(v.confs)-1]
		}
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Kind != core.EntryNormal {
			c.oneChange(n, e)
		} else {
			c.raises(n, e)
		}
		c.appendEntry(n, e)
	}
}
