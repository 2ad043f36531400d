package sim

// leased: at no true instant do two nodes hold a lease. Each reads its lease by
// its own clock. Two that overlap do so when the later one is published, so it
// is enough to look then.
func (c *checks) leased(n *node) {
	if n.foreign() || !n.holdsLease() {
		return
	}
	if n.lease.term != n.leaseTerm {
		n.leaseTerm = n.lease.term
		c.w.marks.add(markLeaseTaken)
	}
	for _, x := range c.w.nodes {
		if x != n && x.holdsLease() && !x.foreign() {
			c.w.fail(checkLease, "%v holds the lease in term %d for another %v, and %v in term %d for another %v", n, n.lease.term,
				n.lease.until-n.clock.at(c.w.now), x, x.lease.term, x.lease.until-x.clock.at(c.w.now))
		}
	}
	if n.lease.until != n.leaseUntil {
		n.leaseUntil = n.lease.until
		c.backed(n)
	}
}
