package postgres

import "fmt"

// Where the startup process gets its WAL from (xlogrecovery.c:
// WaitForWALToBecomeAvailable).

// nextRecord reads the record after the last one from the source in force. What it has
// of a record it keeps, also from another source, until a byte does not fit.
func (s *Server) nextRecord() read {
	u := &s.startup
	from, limit := s.fromWAL, ^LSN(0)
	if u.streams {
		from, limit = s.fromStream, s.receiver.upTo
		if !s.receiver.streaming() {
			limit = 0
		}
	}
	if u.half.rec.Kind != 0 {
		return u.half.more(limit, from)
	}
	return readRecord(u.next, u.prev, limit, from)
}

func (s *Server) pickWAL(p LSN) *file {
	u := &s.startup
	return s.disk.wal.asRecovery(u.spans, &u.file, p)
}

// pickStream opens what the walreceiver is said to have: that it is not there is a PANIC
// (XLogFileRead).
func (s *Server) pickStream(p LSN) *file {
	f := s.disk.wal.find(s.startup.streamTLI, p.segment())
	if f == nil {
		s.fail(fmt.Sprintf("could not open the file of timeline %d, segment %d", s.startup.streamTLI, p.segment()))
	}
	return f
}

// reconnect ends the walreceiver and starts another, with the new primary_conninfo.
func (s *Server) reconnect(r read) {
	u := &s.startup
	missing := s.keep(r)
	u.restart = false
	s.endReceiver()
	s.rescan()
	s.stream(missing)
	s.wake()
}

// keep decides whether what was read of a record stays. A page that does not fit has the
// record read anew, from its start; so has one that pg_wal lacks within a segment, as
// there is a file to read. Where a whole segment is lacking, or more is to come from the
// walreceiver, recovery waits for that very page. It returns the byte that is missing.
func (s *Server) keep(r read) LSN {
	u := &s.startup
	if r.end == readMissing && (u.streams || r.at == r.at.segmentStart()) {
		u.half = r
		return r.at
	}
	u.half = read{}
	return u.next
}

// starved is what follows when the source has no record.
func (s *Server) starved(r read) {
	u := &s.startup
	missing := s.keep(r)
	switch {
	case u.streams && s.triggered():
		// What pg_wal has is still replayed.
		s.endReceiver()
		u.streams = false
		s.wake()
	case u.streams:
		if s.receiver.streaming() && r.end == readMissing {
			return // more will come
		}
		s.streamFailed()
	case !u.archive && !u.signal:
		s.endRecovery(r.at)
	case !u.archive:
		c := &s.disk.control
		s.archiveRecovery()
		c.MinRecovery, c.MinRecoveryTLI = u.next, u.tli
		s.isConsistent()
		s.wake()
	case s.triggered():
		s.endRecovery(r.at)
	default:
		s.stream(missing)
		s.wake()
	}
}

// stream starts a walreceiver, if there is a primary_conninfo, for the segment in which
// a byte is missing, on the timeline that the next record is on.
func (s *Server) stream(missing LSN) {
	u := &s.startup
	u.streams = true
	if u.conninfo.Primary == 0 {
		return
	}
	tli := owner(u.spans, u.next)
	if tli < u.file {
		s.fail(fmt.Sprintf("according to history file, WAL location %v belongs to timeline %d, but previous recovered WAL file came from timeline %d", u.next, tli, u.file))
		return
	}
	u.file, u.streamTLI, u.streamFrom = tli, tli, missing.segmentStart()
	s.receive(tli, u.streamFrom, u.conninfo)
}

// streamFailed ends the walreceiver, looks for a newer timeline, and turns to pg_wal
// again: at once if there is one, else after wal_retrieve_retry_interval.
func (s *Server) streamFailed() {
	u := &s.startup
	s.endReceiver()
	u.streams = false
	if s.rescan() {
		s.wake()
		return
	}
	now := s.env.Now()
	wait := u.failedAt + s.cfg.RetryInterval - now
	u.failedAt = now + max(wait, 0)
	if wait <= 0 {
		s.wake()
		return
	}
	s.sleepFor(wait)
}

// rescan takes over a newer timeline that a history file tells of (rescanLatestTimeLine).
func (s *Server) rescan() bool {
	u, d := &s.startup, &s.disk
	newest := d.wal.newest(u.target)
	if newest == u.target {
		return false
	}
	spans := d.wal.spans(newest)
	now, _, ok := spanOf(spans, u.target)
	if !ok || now.end < u.next {
		return false // not a child of this one, or it forked off before the current recovery point
	}
	u.target, u.spans = newest, spans
	return true
}

// conninfoChanged is the startup process looking at a reload: not while it is held.
// While it streams, a walreceiver is told to end only as it asks for more WAL.
func (s *Server) conninfoChanged() {
	u := &s.startup
	if !u.on || u.stopping || u.conninfo == s.disk.conninfo {
		return
	}
	u.conninfo = s.disk.conninfo
	if u.streams && s.receiver.state != receiverOff {
		u.restart = true
	}
	s.wake()
}
