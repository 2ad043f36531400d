package sim

// readLog reads an entry from a node's log store, as pgraft_log_get_entry does,
// and compares it with what was committed.
func (c *checks) readLog(n *node, s *Stream) {
	d := n.disk.dir
	to := min(d.last(), n.readable)
	if len(d.log) == 0 || to < d.first {
		return
	}
	i := d.first + s.Uint64()%(to-d.first+1)
	if i == 0 || i >= uint64(len(c.committed)) {
		return
	}
	e := d.entry(i)
	if e == nil {
		return
	}
	c.w.marks.add(markLogRead)
	switch was := c.committed[i]; {
	case e.Index != i || e.Term != was.term:
		c.w.fail(checkReads, "%v reads entry %d as %d of term %d; committed was one of term %d", n, i, e.Index, e.Term, was.term)
	case i > 1 && c.committed[i-1].chain != 0 && extend(c.committed[i-1].chain, e) != was.chain:
		c.w.fail(checkReads, "%v reads entry %d with other data than was committed", n, i)
	}
}
