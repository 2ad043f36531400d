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
	seen := &n.seen
	seen.slots, seen.confs, seen.mark = seen.slots[:0], seen.confs[:0], 0
	seen.base = 0
	base := slot{}
	if s != nil {
		chain, ok := c.chainAt(s.Index, s.Term)
		if !ok && s.Index > 1 {
			c.w.fail(checkLog, "%v has a snapshot at index %d of term %d, which no log ever held", n, s.Index, s.Term)
		}
		seen.base, seen.mark, base = s.Index, s.Index, slot{s.Term, chain}
		c.know(n, s.Index, base)
	}
	seen.slots = append(seen.slots, base)
	seen.baseJoint = c.jointAt(seen.base)
	seen.pos = c.positionAfter(seen.base)
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
	seen := &n.seen
	if e.Kind == core.EntryNormal && len(e.Data) > 0 {
		c.once(n, e)
	}
	s := slot{e.Term, extend(seen.slots[len(seen.slots)-1].chain, e)}
	seen.slots = append(seen.slots, s)
	c.know(n, e.Index, s)
	if e.Kind != core.EntryNormal {
		seen.confs = append(seen.confs, e.Index)
		c.learn(e)
	}
}

// appended takes over what a batch does to the log.
func (c *checks) appended(n *node, b *core.Persist) {
	seen := &n.seen
	if b.Snapshot != nil {
		c.w.marks.add(markSnapshotInstalled)
		c.startAt(n, b.Snapshot)
	}
	if b.Mark != nil {
		c.w.marks.add(markSnapshotTaken)
		seen.mark = b.Mark.Index
	}
	if len(b.Entries) == 0 {
		return
	}
	first := b.Entries[0].Index
	if first <= seen.base || first > seen.last()+1 {
		c.w.fail(checkTransition, "%v appends entry %d to a log of %d..%d", n, first, seen.base+1, seen.last())
		return
	}
	if first <= seen.last() {
		c.w.marks.add(markTruncated)
		seen.slots = seen.slots[:first-seen.base]
		for len(seen.confs) > 0 && seen.confs[len(seen.confs)-1] >= first {
			seen.confs = seen.confs[:len(seen.confs)-1]
		}
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Kind != core.EntryNormal {
			c.oneChange(n, e)
		} else {
			c.raises(n, e)
			c.beginsEpoch(n, e)
			c.hearsTheWord(e)
		}
		c.appendEntry(n, e)
	}
}
