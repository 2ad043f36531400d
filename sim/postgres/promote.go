package postgres

import (
	"fmt"
	"slices"
)

// endRecovery is the end of crash recovery, or of a standby's by a promotion (StartupXLOG
// after PerformWalRecovery). reached is the first byte that was not there.
func (s *Server) endRecovery(reached LSN) {
	u, c := &s.startup, &s.disk.control
	u.stopping = true
	// The last record is read once more, from the newest file that there is
	// (FinishWalRecovery).
	if u.file = 0; u.prev != 0 && readRecord(u.prev, 0, ^LSN(0), s.fromWAL).end != readDone {
		s.fail("invalid record where the last one was replayed")
		return
	}
	if u.signal && u.next < c.MinRecovery || c.BackupStart != 0 {
		why := "WAL ends before consistent recovery point"
		if c.BackupStart != 0 {
			why = "WAL ends before end of online backup"
		}
		s.fail(why)
		return
	}
	if u.signal {
		s.newTimeline()
		return
	}
	clean := c.State == ShutDown
	at := u.next
	// A record whose first pages are there, and its end is not, is skipped, and said to
	// be. (A new timeline would take it along in no case.)
	lost := reached - reached%PageBytes
	if clean || lost <= u.next {
		lost = 0
	}
	s.after(s.drawn(s.cfg.Step), func() {
		switch {
		case clean:
			s.open(u.tli, at, u.prev)
			s.production()
			return
		case lost != 0:
			s.open(u.tli, lost, u.prev)
			s.put(Record{Start: lost, Prev: u.prev, Payload: uint64(at), Len: 40, Kind: OverwriteContrecord})
		default:
			s.open(u.tli, at, u.prev)
		}
		r := s.log(CheckpointShutdown, 120, 0, 0)
		s.flushThen(r.End(), func() {
			s.checkpointed(r)
			s.production()
		})
	})
}

// newTimeline makes the timeline of a promotion, step by step; a crash may come between
// any two. The first segment is copied up to the switch, the signal file goes, the
// history file comes, the record of the end of recovery is flushed.
func (s *Server) newTimeline() {
	u, d := &s.startup, &s.disk
	at, parent := u.next, u.target
	tli := d.wal.newest(parent) + 1
	step := func(f func()) { s.after(s.drawn(s.cfg.Step), f) }
	step(func() {
		s.copyFork(at, tli)
		step(func() {
			d.standbySignal = false
			step(func() {
				h := History{TLI: tli}
				if p := d.wal.history(parent); p != nil {
					h.Lines = slices.Clone(p.Lines)
				}
				h.Lines = append(h.Lines, Left{parent, at})
				d.wal.writeHistory(h)
				step(func() { s.forked(tli, at) })
			})
		})
	})
}

// copyFork makes the first segment of a timeline (XLogInitNewTimeline): if the switch is
// within a segment, a copy of it up to there.
func (s *Server) copyFork(at LSN, tli TLI) {
	d := &s.disk.wal
	f := s.pickWAL(at - 1)
	if f == nil {
		panic(fmt.Sprintf("server %d: no WAL file before the end of recovery at %v", s.id, at))
	}
	var parts []part
	if f.no == at.segment() {
		parts = f.upTo(at)
	}
	d.create(tli, at.segment()).parts = parts
}

// forked writes the first record of the new timeline.
func (s *Server) forked(tli TLI, at LSN) {
	u := &s.startup
	s.open(tli, at, u.prev)
	r := s.put(Record{Start: at, Prev: u.prev, Len: 48, TLI: tli, PrevTLI: u.tli, Kind: EndOfRecovery})
	s.flushThen(r.End(), func() {
		c := &s.disk.control
		c.MinRecovery, c.MinRecoveryTLI = r.End(), tli
		s.cleanUp(u.file, at)
		s.after(s.drawn(s.cfg.Step), func() { // who looks now finds the timeline begun, and recovery on
			s.production()
			s.Checkpoint(nil)
		})
	})
}

// cleanUp takes away what the old timeline has past the switch, and with archive_mode
// renames its last segment (CleanupAfterArchiveRecovery).
func (s *Server) cleanUp(old TLI, at LSN) {
	d := &s.disk.wal
	d.removeNonParents(s.wal.tli, at)
	if f := d.find(old, at.segment()); s.cfg.Archive && f != nil && at != at.segmentStart() {
		partial := *f
		partial.partial = true
		d.remove(func(g *file) bool { return g.no == f.no && g.tli == old })
		i, _ := d.search(partial.no, old, true)
		d.files = slices.Insert(d.files, i, partial)
	}
}

// production opens the server for writes.
func (s *Server) production() {
	s.endReceiver()
	s.startup.on = false
	s.phase = Production
	s.disk.control.State = InProduction
	s.saw(Event{Kind: Opened, End: s.wal.insert, TLI: s.wal.tli})
	s.after(s.cfg.WriterDelay, s.walWriter)
	s.pumpAll()
	if s.stop != stopNot {
		done := s.stopped
		s.stop = stopNot
		s.FastStop(done)
	}
}
