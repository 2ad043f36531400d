package failover

// Commits that pass F1 before failover is enabled, and are written afterwards, in the
// explorer's world. synchronous_commit is as the sessions have it then, so what is flushed
// here is visible.

// writesBegun writes the commits that have passed F1 on a server, and are under way.
func (x *world) writesBegun(h *host) {
	for _, epoch := range h.begun {
		x.ids++
		r := record{h.last(), x.ids}
		h.wal = append(h.wal, r)
		x.passed[r] = epoch
	}
	if len(h.begun) > 0 {
		h.begun, h.flushed = nil, len(h.wal)
	}
}

// seen notes the commits of before on a primary that opens, as all sessions see them.
func (x *world) seen(h *host) error {
	for lsn, r := range h.wal {
		if _, ok := x.acked[r]; ok || r.id == 0 || x.passed[r] >= h.open {
			continue
		}
		x.acked[r], x.at[r] = h.open, lsn
		if err := x.acknowledged(r, lsn, h.open); err != nil {
			return err
		}
	}
	return nil
}
