package sim

import "github.com/pgraft/pgraft/core/failover"

// givesUp: what an epoch opens without is what durability async lets a failover give up. The
// history says up to where that may be, and it is within maximum_lag of what the epoch was
// granted from.
func (c *checks) givesUp(o *opening) {
	r, past := &c.w.servers.reigns, o.past
	for txn := uint64(1); txn <= c.w.servers.txns; txn++ {
		if a, ok := r.acked[txn]; ok && !o.has[txn] && recorded(past, a, o.epoch, c.w.servers.settings.MaximumLag) {
			c.w.marks.add(markGivenUp)
			c.w.say(o.server.n, "goes on without transaction %d, acknowledged at %v, as the history says", txn, a.end)
			delete(r.acked, txn)
		}
		// Who is not told that a commit is done may see it all the same.
		if e, ok := r.seen[txn]; ok && !o.has[txn] && async(past, e, o.epoch) {
			delete(r.seen, txn)
		}
	}
}

// recorded says whether the history has a commit as one that may be lost, and that was as
// close to what was kept as async promises.
func recorded(past []failover.Past, a acked, opened, lag uint64) bool {
	for _, p := range past {
		if p.Epoch > a.epoch && p.Epoch <= opened && uint64(a.end) > p.Kept && uint64(a.end) <= p.GivenUp && uint64(a.end)-p.Kept <= lag {
			return true
		}
	}
	return false
}

// async says whether an epoch behind one, up to another, gave up commits.
func async(past []failover.Past, behind, opened uint64) bool {
	for _, p := range past {
		if p.Epoch > behind && p.Epoch <= opened && p.GivenUp > 0 {
			return true
		}
	}
	return false
}
