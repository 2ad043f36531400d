package postgres

// What a library in the server can find out beside, for a host that fails over.

// Astray says that recovery aims at a timeline of which there is no record here, and
// has to begin anew: PostgreSQL makes what it is promoted to that one's child.
func (s *Server) Astray() bool {
	u := &s.startup
	return u.on && !u.stopping && u.target > s.LastTimeline()
}

// HoldsHalf says that recovery holds half a record that fills its last segment: it waits
// for the next one, and never reads anew what has come of the record since. CutWAL, before
// a start, lets go of it.
func (s *Server) HoldsHalf() bool {
	u := &s.startup
	return u.on && !u.stopping && u.half.rec.Kind != 0 && u.half.at == u.half.at.segmentStart()
}

// CutWAL overwrites what pg_wal has from an LSN on with zeros, in Hooks.Boot.
func (s *Server) CutWAL(at LSN) { s.disk.wal.cut(at) }

// Promotes says that recovery is ending: it has left the WAL behind, and is not in
// production yet.
func (s *Server) Promotes() bool { return s.startup.on && s.startup.stopping }

// RecordEnding is the record that ends at an LSN, as this server has flushed it, in the
// files that its history gives; false: there is none, any more or at all.
func (s *Server) RecordEnding(end LSN) (Record, bool) {
	upTo, tli := s.flushPos()
	if end == 0 || end > upTo {
		return Record{}, false
	}
	f := s.disk.wal.byHistory(s.disk.wal.spans(tli), end-1)
	if f == nil {
		return Record{}, false
	}
	r := f.at(end - 1).rec
	return r, r.Kind != 0 && r.End() == end
}
