package sim

import (
	"github.com/pgraft/pgraft/core"
)

// install is a snapshot of a leader's that a core has handed out and that is not
// stored yet: what the node had applied by then, and whether its core had been told of
// a database, without which it keeps nothing.
type install struct {
	seq, applied uint64
	told         bool // and it has not lost acknowledged data
}

// installs remembers a batch with a snapshot.
func (c *checks) installs(n *node, b *core.Persist) {
	if n.database != nil && b.Snapshot != nil {
		n.installs = append(n.installs, install{b.Seq, n.seen.applied, n.database.given && !n.warned})
	}
}

// stores writes a batch to a node's log, and looks at what that does to it: a snapshot
// leaves what the node had applied and its limits keep, and nothing else; history is
// what was committed; and what the limits drop nobody needs.
func (c *checks) stores(n *node, b *core.Persist) {
	d := n.disk.dir
	if n.database == nil || d.retention == nil || n.foreign() {
		d.write(b)
		return
	}
	if b.Mark != nil { // a node that died in its step may drop what nobody has applied
		c.catchUp(n, b.Mark.Index)
	}
	held, first, upTo := len(d.log) > 0, d.first, d.last()
	if b.Snapshot != nil {
		upTo = c.keepsHistory(n, b)
	} else {
		d.write(b)
	}
	if held && d.first > first && upTo >= first {
		c.trims(n, first, min(d.first, upTo+1))
	}
	if len(b.History) > 0 {
		c.w.marks.add(markGapFilled)
	}
	if b.Snapshot != nil || len(b.History) > 0 {
		c.holdsCommitted(n)
	}
}

// keepsHistory stores a leader's snapshot; it returns up to where the log before it was
// the node's to keep.
func (c *checks) keepsHistory(n *node, b *core.Persist) (upTo uint64) {
	d, in := n.disk.dir, install{}
	for len(n.installs) > 0 && n.installs[0].seq <= b.Seq {
		in, n.installs = n.installs[0], n.installs[1:]
	}
	if in.seq != b.Seq || !in.told {
		d.write(b)
		return 0
	}
	want, most := d.clone(), *b
	most.Keep = min(max(in.applied, d.snapshotIndex()), d.last(), b.Snapshot.Index-1)
	want.write(&most)
	d.write(b)
	for i := want.first; i <= most.Keep; i++ {
		if want.entry(i) == nil {
			continue
		}
		if d.entry(i) == nil {
			c.w.fail(checkHistory, "%v held entry %d and had applied up to %d, and lost it to a snapshot at %d", n, i, in.applied, b.Snapshot.Index)
			break
		}
		c.w.marks.add(markHistoryKept)
	}
	return min(b.Keep, most.Keep) // what is lost beyond that is told already
}

// holdsCommitted: up to its snapshot a log holds nothing but what was committed.
func (c *checks) holdsCommitted(n *node) {
	d := n.disk.dir
	for i := d.first; i <= min(d.last(), d.snapshot.Index); i++ {
		if e := d.entry(i); e != nil && !c.isCommitted(e) {
			c.w.fail(checkHistory, "%v holds entry %d of term %d before its snapshot at %d, and it is not the one that was committed", n, i, e.Term, d.snapshot.Index)
			return
		}
	}
}

// isCommitted says that e is the committed entry at its index, as far as is known.
func (c *checks) isCommitted(e *core.Entry) bool {
	i := e.Index
	if i == 0 || i >= uint64(len(c.committed)) {
		return false
	}
	was := c.committed[i]
	if was.term == 0 {
		return true // it was passed over by a snapshot
	}
	return e.Term == was.term && (c.committed[i-1].chain == 0 || extend(c.committed[i-1].chain, e) == was.chain)
}

// gapsInTheEnd: once the faults are over, a gap that some member can fill is filled. What
// fills it need not be synced.
func (c *checks) gapsInTheEnd() {
	for _, n := range c.w.nodes {
		if n.database == nil || n.state != running || n.foreign() || n.members.Get(n.identity.RaftID) == nil {
			continue
		}
		log := n.disk.dir.clone()
		for i := range n.disk.unsynced {
			log.write(&n.disk.unsynced[i])
		}
		for _, g := range log.gaps() {
			for _, x := range c.w.nodes {
				if x != n && x.state == running && !x.foreign() && n.members.Get(x.identity.RaftID) != nil && x.disk.dir.entry(g.From) != nil {
					c.w.fail(checkHistory, "the log of %v lacks entries %d to %d, and %v holds the first of them", n, g.From, g.To, x)
				}
			}
		}
	}
}
