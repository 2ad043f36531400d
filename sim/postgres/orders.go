package postgres

import (
	"slices"
	"time"
)

// CreateStandbySignal writes standby.signal; IsStandby says whether it is there.
func (s *Server) CreateStandbySignal() { s.disk.standbySignal = true }
func (s *Server) IsStandby() bool      { return s.disk.standbySignal }

// RemoveStandbySignal is somebody's hand.
func (s *Server) RemoveStandbySignal() { s.disk.standbySignal = false }

// WriteHistory puts a history file into pg_wal; RemoveHistory takes one away.
func (s *Server) WriteHistory(h History)  { s.disk.wal.writeHistory(h) }
func (s *Server) RemoveHistory(tli TLI)   { s.disk.wal.removeHistory(tli) }
func (s *Server) History(tli TLI) []Left  { return linesOf(s.disk.wal.history(tli)) }
func (s *Server) HasHistory(tli TLI) bool { return s.disk.wal.history(tli) != nil }

// LastTimeline is the greatest timeline of which there is a record: that pg_control names,
// or that pg_wal has one of past the place where it began. A first segment without a history
// file, or with one that names no parent, is of a promotion that was cut short, and so is one
// whose first record is torn.
// History files above it are of promotions that did not come about, or of other servers'.
func (s *Server) LastTimeline() TLI {
	d, c := &s.disk.wal, &s.disk.control
	last := max(c.CheckpointTLI, c.MinRecoveryTLI)
	for i := range d.files {
		f := &d.files[i]
		if f.tli > last && len(linesOf(d.history(f.tli))) > 0 && d.hasRecord(f) {
			last = f.tli
		}
	}
	return last
}

// hasRecord says that a file holds the beginning of a whole record past the place where
// its timeline begins.
func (d *directory) hasRecord(f *file) bool {
	spans := d.spans(f.tli)
	for i := len(f.parts) - 1; i >= 0 && f.parts[i].from >= spans[0].begin; i-- {
		q := &f.parts[i]
		if q.rec.Start == q.from && readRecord(q.from, 0, ^LSN(0), func(p LSN) *file { return d.byHistory(spans, p) }).end == readDone {
			return true
		}
	}
	return false
}

// PutAside takes a segment's file out of pg_wal; false: there is none.
func (s *Server) PutAside(tli TLI, segment uint64) bool {
	there := s.disk.wal.find(tli, segment) != nil
	s.disk.wal.remove(func(f *file) bool { return f.no == segment && f.tli == tli && !f.partial })
	return there
}

func linesOf(h *History) []Left {
	if h == nil {
		return nil
	}
	return h.Lines
}

// SetConninfo writes primary_conninfo and primary_slot_name and reloads. The startup
// process acts on it a little later; one that is held by a pause or a conflict does not
// look, and its walreceiver streams on.
func (s *Server) SetConninfo(c Conninfo) {
	s.disk.conninfo = c
	if s.phase != Down {
		s.after(s.reloadsIn(), s.conninfoChanged)
	}
}

// Conninfo is what is written.
func (s *Server) Conninfo() Conninfo { return s.disk.conninfo }

// Follow has a standby stream from another server.
func (s *Server) Follow(c Conninfo) { s.SetConninfo(c) }

// Receives says whether a walreceiver runs; Receiving, whose WAL it takes, of which
// timeline: 0 of none.
func (s *Server) Receives() bool { return s.receiver.state != receiverOff }

func (s *Server) Receiving() (primary int, tli TLI) {
	if r := &s.receiver; r.state == receiverStreams {
		return r.to, r.tli
	}
	return 0, 0
}

// EndReceiver is ShutdownWalRcv(): it works at once, also while replay is held.
func (s *Server) EndReceiver() bool {
	return s.do(func() {
		if s.Receives() {
			s.receiverDies()
		}
	})
}

// Seal clears primary_conninfo, ends the walreceiver, and calls done once none runs and
// the startup process has been told of the setting, so that none starts again: one that is
// held looks at it before it asks for WAL. It is what an engine's host does; done is not
// called when the server ends before, is promoted, or is given a primary again.
func (s *Server) Seal(done func(Position)) bool {
	return s.do(func() {
		s.SetConninfo(Conninfo{})
		s.sealed(done)
	})
}

// sealPoll is how often a host looks whether the walreceiver is gone.
const sealPoll = 5 * time.Millisecond

func (s *Server) sealed(done func(Position)) {
	u := &s.startup
	if !u.on || u.stopping {
		return
	}
	if s.disk.conninfo != (Conninfo{}) {
		return // somebody has had it follow again
	}
	if s.Receives() {
		s.receiverDies()
	}
	if u.conninfo == (Conninfo{}) {
		done(s.ValidEnd(ByHistory))
		return
	}
	s.after(sealPoll, func() { s.sealed(done) })
}

// Promote writes the file promote and signals the postmaster, which may stand still. What
// pg_wal has is replayed first; a pause and a delay end, a conflict does not.
func (s *Server) Promote() bool {
	if s.phase == Down {
		return false
	}
	s.disk.promote = true
	return s.do(s.signalPostmaster)
}

// RemovePromote takes the file promote away, if the startup process has not found it
// yet. A restart in place leaves it, and then any signal to the postmaster promotes the
// server: the one that redo starts is the first.
func (s *Server) RemovePromote() { s.disk.promote = false }

// signalPostmaster is a SIGUSR1, for whatever reason (sigusr1_handler).
func (s *Server) signalPostmaster() {
	if u := &s.startup; u.on && !u.stopping && s.disk.promote {
		u.signaled = true
		s.wake()
	}
}

// triggered is the startup process looking for the file (CheckForStandbyTrigger).
func (s *Server) triggered() bool {
	u := &s.startup
	if u.signaled && s.disk.promote {
		s.disk.promote = false
		u.promote, u.paused = true, false
	}
	return u.promote
}

// PromoteTo promotes to a timeline, as a library does: history files take the numbers up to
// it, the newest first, and then the promotion is asked for. Recovery looks for newer timelines
// until it has seen that, and would aim at one that is a child of its own: these name no parent.
// It does not look whether a walreceiver still runs, nor whether the number is free.
func (s *Server) PromoteTo(tli TLI) bool {
	return s.do(func() {
		if !s.startup.on || s.startup.stopping {
			return
		}
		if tli == s.startup.target+1 {
			s.Promote()
			return
		}
		for t := tli - 1; t > s.startup.target; t-- {
			s.disk.wal.writeHistory(History{TLI: t})
		}
		s.after(s.drawn(s.cfg.Step), func() { s.Promote() })
	})
}

// PromotionEnded says in those files what the numbers were, as a library does once the server
// is in production: pg_rewind reads them, and followers fetch them.
func (s *Server) PromotionEnded() bool {
	return s.do(func() {
		if s.wal.on {
			s.disk.wal.fillGaps(s.wal.tli)
		}
	})
}

// PauseReplay is pg_wal_replay_pause() and pg_wal_replay_resume().
func (s *Server) PauseReplay(on bool) {
	s.startup.paused = on
	s.wake()
}

// BlockReplay begins or ends a conflict of replay with a query.
func (s *Server) BlockReplay(on bool) {
	if on {
		s.conflicts++
		return
	}
	s.conflicts--
	s.wake()
}

// DelayReplay is recovery_min_apply_delay.
func (s *Server) DelayReplay(d time.Duration) {
	s.applyDelay = d
	s.wake()
}

// HoldsReplay says that a pause, a conflict or a delay keeps the server from replaying what it has.
func (s *Server) HoldsReplay() bool {
	return s.startup.paused || s.conflicts > 0 || s.applyDelay > 0
}

// EndSessions ends all sessions, as a library does at a promotion.
func (s *Server) EndSessions() {
	for _, o := range slices.Clone(s.sessions) {
		o.Terminate()
	}
}

// Position is where a server's WAL ends.
type Position struct {
	TLI  TLI // that the last record is on
	End  LSN
	Last Record // the last complete one; Kind 0: it is gone
}

// Reading says which file a byte of WAL is read from.
type Reading uint8

const (
	// ByHistory: that of the timeline that owns the LSN.
	ByHistory Reading = iota
	// AsRecovery: the newest timeline's that there is.
	AsRecovery
)

// ValidEnd reads from the last replayed record to the end of what is valid in pg_wal.
// Of a server that is Down it reads from the last checkpoint.
func (s *Server) ValidEnd(how Reading) Position {
	p, _ := s.validEnd(how)
	return p
}

// validEnd also returns what is there of the record that is not whole.
func (s *Server) validEnd(how Reading) (Position, read) {
	d, u := &s.disk, &s.startup
	at, prev, spans, last := u.next, u.prev, u.spans, u.file
	switch {
	case u.on && s.wal.on: // a promotion is ending
		spans = d.wal.spans(s.wal.tli)
	case !u.on:
		c := &d.control
		at, prev, last = c.Redo, 0, 0
		spans = d.wal.spans(d.wal.newest(max(c.CheckpointTLI, c.MinRecoveryTLI)))
	}
	p := Position{End: at}
	from := func(q LSN) *file {
		if how == AsRecovery {
			return d.wal.asRecovery(spans, &last, q)
		}
		return d.wal.byHistory(spans, q)
	}
	r := readRecord(p.End, prev, ^LSN(0), from)
	for ; r.end == readDone; r = readRecord(p.End, prev, ^LSN(0), from) {
		p.End, prev, p.Last = r.rec.End(), r.rec.Start, r.rec
	}
	p.TLI = owner(spans, p.End-1)
	if p.Last.Kind == 0 && prev != 0 {
		last = 0
		p.Last = readRecord(prev, 0, ^LSN(0), from).rec
	}
	return p, r
}

// RecordAt is the record that begins at an LSN of this server's history, as far as it is
// flushed here; false: there is none, any more or at all.
func (s *Server) RecordAt(at LSN) (Record, bool) {
	upTo, tli := s.flushPos()
	spans := s.disk.wal.spans(tli)
	r := readRecord(at, 0, upTo, func(p LSN) *file { return s.disk.wal.byHistory(spans, p) })
	return r.rec, r.end == readDone
}
