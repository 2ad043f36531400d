package failover

// Switchovers in the explorer's world.

// quietAt is the switchover that F1 of a host waits for, where all commits that it wrote are
// acknowledged; 0: some are not.
func (x *world) quietAt(h *host) uint64 {
	s := h.shared
	if s.Switchover == 0 {
		return 0
	}
	for _, r := range h.wal {
		if _, ok := x.acked[r]; r.id != 0 && x.passed[r] == s.Epoch && !ok {
			return 0
		}
	}
	return s.Switchover
}

// stop is a fast shutdown: those who stream get all, and see that it ends. It may be killed
// before.
func (x *world) stop(h *host, o Stop) {
	if o.Boot != h.boot || h.recovery || h.shared.Switchover != o.Request {
		return
	}
	x.say("%d stops", uint32(h.id))
	h.flushed = len(h.wal)
	for _, f := range x.hosts {
		if x.luck(10) {
			break
		}
		if x.stream(f, len(h.wal)); f.streaming && !f.down && f.link == h.life && f.follows.Epoch == h.shared.Epoch && len(f.wal) >= len(h.wal) {
			f.flushed, f.ended = len(f.wal), true
		}
	}
	x.crash(h)
	h.down = x.r != nil
}
