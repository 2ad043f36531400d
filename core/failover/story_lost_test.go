package failover

// What a node of a script loses, or does not know.

// lost is what is left of the verbs of fault.
func (s *story) lost(h *host) {
	x := s.x
	switch s.d.Cmd {
	case "forgets": // its engine starts again, and knows of the log only what it did up to an entry
		x.knows(h, s.number("to", 0))
	case "loses-store": // its Raft store: it is there again with an empty one, and a note is lost with it
		h.oneNote = true
		x.knows(h, 0)
	case "tells": // another one hears what it says, though neither leads
		to, told := x.host(uint64(s.number("to", 0))), h.m.Tells(x.around(h))
		to.m.Hear(h.id, ToldFrom(told.Message()), to.now)
	case "before": // it has WAL of before failover, one record of which may be another's
		for n := range s.number("n", 1) {
			r := record{h.last(), uint64(101 + n)}
			if n+1 == s.number("other", 0) {
				r.id = 999
			}
			h.wal = append(h.wal, r)
		}
		h.flushed, h.replayed = len(h.wal), len(h.wal)
	case "mute": // its host reports nothing, or again
		h.mute = !h.mute
	default:
		s.d.Fatalf(s.t, "unknown command")
	}
}

// knows starts the engine of a host that has only so much of the log to begin with.
func (x *world) knows(h *host, entries int) {
	h.applied = 0
	x.start(h)
	h.s, h.applied = State{}, 0
	for h.applied < min(entries, len(x.log)) {
		x.apply(h)
	}
}
