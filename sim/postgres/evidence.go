package postgres

// What a library in the server can find out beside, for a host that fails over.

// Astray says that recovery aims at a timeline of which there is no record here, and
// has to begin anew: PostgreSQL makes what it is promoted to that one's child.
func (s *Server) Astray() bool {
	u := &s.startup
	return u.on && !u.stopping && u.target > s.LastTimeline()
}

// Short says that the data pages need WAL which is not there: the server takes no sessions,
// and its promotion ends it. A rewind and a clone leave it so, until it has streamed that
// far.
func (s *Server) Short() bool {
	c, end := &s.disk.control, s.ValidEnd(ByHistory).End
	return s.phase != Production && (c.MinRecovery > end || c.BackupStart != 0 && s.startup.next >= end)
}

// HoldsHalf says that recovery holds half a record that fills its last segment, or will once
// it has come there: it waits for the next one, and never reads anew what has come of the
// record since. CutWAL, before a start, lets go of it.
func (s *Server) HoldsHalf() bool {
	u := &s.startup
	if !u.on || u.stopping {
		return false
	}
	_, tail := s.validEnd(ByHistory)
	return u.half.fills() || tail.end == readMissing && tail.fills()
}

// fills says that what was read of a record goes to the end of a segment.
func (r read) fills() bool { return r.rec.Kind != 0 && r.at == r.at.segmentStart() }

// CutWAL overwrites what pg_wal has from an LSN on with zeros, in Hooks.Boot.
func (s *Server) CutWAL(at LSN) { s.disk.wal.cut(at) }

// Promotes says that recovery is ending: it has left the WAL behind, and is not in
// production yet.
func (s *Server) Promotes() bool { return s.startup.on && s.startup.stopping }

// WillPromote says that a promotion was asked for, and recovery goes on: the file promote is
// there, or was found.
func (s *Server) WillPromote() bool { return s.disk.promote || s.startup.on && s.startup.promote }

// RecordEnding is the record that ends at an LSN, as this server has flushed it, in the
// files that its history gives. there says that it has the WAL in front of that place; r is
// none if no record ends there.
func (s *Server) RecordEnding(end LSN) (r Record, there bool) {
	upTo, tli := s.flushPos()
	if end == 0 || end > upTo {
		return Record{}, false
	}
	f := s.disk.wal.byHistory(s.disk.wal.spans(tli), end-1)
	if f == nil || f.at(end-1).to == 0 {
		return Record{}, false
	}
	if r = f.at(end - 1).rec; r.End() != end {
		r = Record{}
	}
	return r, true
}

// Sum is a CRC over all records from one LSN up to another, in the files that the newest
// history gives; there says that they are all there.
func (s *Server) Sum(from, end LSN) (sum uint32, there bool) {
	w := &s.disk.wal
	if from == 0 {
		return 0, false
	}
	spans, last := w.spans(s.LastTimeline()), Record{}
	for at := from; at < end; {
		f := w.byHistory(spans, at)
		if f == nil {
			return 0, false
		}
		q := f.at(at)
		if q.to == 0 {
			return 0, false
		}
		if q.rec != last {
			last, sum = q.rec, sum*31+q.rec.CRC()
		}
		at = q.to
	}
	return sum, from < end
}

// Keeps says that a record is durable in what this server's newest history gives, whether
// it runs or not; so is one whose segment was recycled since.
func (s *Server) Keeps(r Record) bool {
	w := &s.disk.wal
	if f := w.byHistory(w.spans(s.LastTimeline()), r.End()-1); f != nil {
		return f.at(r.End()-1).rec == r
	}
	return len(w.files) > 0 && r.End().segment() < w.files[0].no
}

// Refuse ends a start in Hooks.Boot, with a line.
func (s *Server) Refuse(why string) { s.fail(why) }

// FromBackup says that there is a backup_label, or a pg_control that names the start of a
// backup whose end was not replayed.
func (s *Server) FromBackup() bool { return s.disk.control.BackupStart != 0 }

// WasPrimary says what pg_control does: the server was in production, or was stopped as a
// primary.
func (s *Server) WasPrimary() bool {
	c := s.disk.control.State
	return c == InProduction || c == ShutDown || c == InCrashRecovery
}

// Hole says that a file of WAL is missing behind which there is one that holds WAL of the
// same history.
func (s *Server) Hole() bool {
	d, c := &s.disk.wal, &s.disk.control
	spans := d.spans(d.newest(max(c.CheckpointTLI, c.MinRecoveryTLI)))
	first := s.ValidEnd(ByHistory).End.segment()
	last := first
	for i := range d.files {
		if f := &d.files[i]; len(f.parts) > 0 && owner(spans, f.parts[0].from) == f.tli {
			last = max(last, f.no)
		}
	}
	for no := first; no < last; no++ {
		if d.byHistory(spans, LSN(no)*SegmentBytes) == nil {
			return true
		}
	}
	return false
}
