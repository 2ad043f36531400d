package postgres

import (
	"fmt"
	"time"
)

// startup is the startup process, which reads WAL and replays it.
type startup struct {
	on       bool
	signal   bool // standby.signal was there
	archive  bool // InArchiveRecovery: it keeps a minRecoveryPoint, and streams
	target   TLI  // recoveryTargetTLI
	spans    []span
	half     read // of the record at next, as far as it was found
	next     LSN  // where the next record begins: the end of what is replayed
	prev     LSN  // where the last one begins; 0: not known
	tli      TLI  // of what is replayed
	file     TLI  // curFileTLI
	xid      uint32
	last     Record // the newest checkpoint replayed
	stopping bool   // recovery ends; see promote.go

	consistent bool
	signaled   bool // the postmaster has told it to look for the file promote
	promote    bool // it has found it
	streams    bool // its source is a walreceiver, not pg_wal
	restart    bool // primary_conninfo changed while it streams
	conninfo   Conninfo
	streamTLI  TLI
	streamFrom LSN
	failedAt   time.Duration
	sleep      uint64 // which sleep is the last
	asleep     bool
	due        bool // a round is arranged

	paused    bool // pg_wal_replay_pause()
	delayed   LSN  // the record that waits for recovery_min_apply_delay
	delayedTo time.Duration
}

// replayBatch bounds the records of one round of replay.
const replayBatch = 64

// boot is the start of recovery (StartupXLOG, InitWalRecovery).
func (s *Server) boot() {
	d, c, u := &s.disk, &s.disk.control, &s.startup
	d.sync(len(d.unsynced))
	if life := s.life; s.Hooks.Boot != nil {
		if s.Hooks.Boot(); life != s.life {
			return
		}
	}
	d.back()
	*u = startup{on: true, signal: d.standbySignal, conninfo: d.conninfo, xid: c.NextXid, failedAt: -s.cfg.RetryInterval}
	s.sync.defined = !d.names.empty()
	s.check.names = d.names
	u.target = max(c.CheckpointTLI, c.MinRecoveryTLI)
	if u.signal {
		u.target = d.wal.newest(u.target)
	}
	u.spans = d.wal.spans(u.target)
	if owner(u.spans, c.Checkpoint) != c.CheckpointTLI {
		s.fail(fmt.Sprintf("requested timeline %d is not a child of this server's history", u.target))
		return
	}
	if c.MinRecovery != 0 && owner(u.spans, c.MinRecovery-1) != c.MinRecoveryTLI {
		s.fail(fmt.Sprintf("requested timeline %d does not contain minimum recovery point %v on timeline %d", u.target, c.MinRecovery, c.MinRecoveryTLI))
		return
	}
	found := readRecord(c.Checkpoint, 0, ^LSN(0), s.fromWAL)
	cp := found.rec
	if found.end != readDone || cp.Kind != CheckpointOnline && cp.Kind != CheckpointShutdown {
		s.fail("could not locate a valid checkpoint record")
		return
	}
	u.tli, u.next, u.file = owner(u.spans, c.Redo), c.Redo, 0
	if c.State == ShutDown && !u.signal {
		u.prev, u.next = cp.Start, cp.End()
		s.endRecovery(cp.End())
		return
	}
	if u.signal && (c.MinRecovery != 0 || c.BackupStart != 0 || c.State == ShutDown) {
		s.archiveRecovery()
		if c.MinRecovery < c.Redo {
			c.MinRecovery, c.MinRecoveryTLI = c.Redo, c.CheckpointTLI
		}
		s.isConsistent()
	} else {
		c.State = InCrashRecovery
	}
	s.signalPostmaster() // redo starts (PMSIGNAL_RECOVERY_STARTED)
	s.wake()
}

// archiveRecovery is what a standby does from its start on, or from the end of crash
// recovery on.
func (s *Server) archiveRecovery() {
	s.startup.archive = true
	s.disk.control.State = InArchiveRecovery
}

// isConsistent lets sessions in once the WAL that the data pages need is replayed.
func (s *Server) isConsistent() {
	u, c := &s.startup, &s.disk.control
	if !u.consistent && u.archive && u.next >= c.MinRecovery && c.BackupStart == 0 {
		u.consistent = true
		s.saw(Event{Kind: Consistent, End: u.next, TLI: u.tli})
	}
}

// wake arranges a round of replay.
func (s *Server) wake() { s.wakeIn(0) }

func (s *Server) wakeIn(d time.Duration) {
	u := &s.startup
	if !u.on || u.due || u.stopping {
		return
	}
	u.due, u.asleep = true, false
	s.after(d, s.turn)
}

// sleepFor waits for something to come, or for d.
func (s *Server) sleepFor(d time.Duration) {
	u := &s.startup
	u.sleep++
	u.asleep = true
	n := u.sleep
	s.after(d, func() {
		if u.sleep == n && u.asleep {
			s.wake()
		}
	})
}

// turn is one round of the startup process.
func (s *Server) turn() {
	u := &s.startup
	u.due = false
	life := s.life
	for range replayBatch {
		r := s.nextRecord()
		switch {
		case life != s.life:
			return
		case r.end == readDone && s.holds(r.rec):
			return
		case u.streams && u.restart:
			s.reconnect(r)
			return
		case r.end != readDone:
			s.starved(r)
			return
		}
		u.half = read{}
		if s.apply(r.rec); life != s.life {
			return
		}
	}
	s.wakeIn(s.cfg.ReplayTime)
}

// holds says that a record has to wait: for an end of a pause, a conflict or a delay.
// The startup process then looks at no setting (recoveryPausesHere,
// ResolveRecoveryConflictWithVirtualXIDs, recoveryApplyDelay).
func (s *Server) holds(r Record) bool {
	u := &s.startup
	switch {
	case !u.archive:
		return false
	case s.conflicts > 0:
		return true
	case s.triggered():
		return false
	case u.paused:
		return true
	case s.applyDelay == 0 || r.Kind != Commit && r.Kind != CommitPrepared:
		return false
	}
	if u.delayed != r.Start {
		u.delayed, u.delayedTo = r.Start, s.env.Now()+s.applyDelay
	}
	if left := u.delayedTo - s.env.Now(); left > 0 {
		s.sleepFor(left)
		return true
	}
	return false
}

// apply replays a record.
func (s *Server) apply(r Record) {
	u, d := &s.startup, &s.disk
	switched := (r.Kind == CheckpointShutdown || r.Kind == EndOfRecovery) && r.TLI != u.tli
	if switched {
		if r.PrevTLI != u.tli || owner(u.spans, r.Start) != r.TLI {
			s.fail(fmt.Sprintf("unexpected timeline ID %d (after %d) in a %v record", r.TLI, u.tli, r.Kind))
			return
		}
		u.tli = r.TLI
	}
	rows := len(d.rows)
	d.replay(r)
	u.prev, u.next = r.Start, r.End()
	u.xid = max(u.xid, r.Xid+1)
	if switched {
		d.wal.removeNonParents(r.TLI, r.End())
	}
	if r.Kind == CheckpointOnline || r.Kind == CheckpointShutdown {
		u.last = r
	}
	if c := &d.control; r.Kind == BackupEnd && c.BackupStart == LSN(r.Payload) {
		c.BackupStart = 0
		if u.archive {
			s.pagesWritten() // minRecoveryPoint is here now
		}
	}
	if u.archive && s.env.Draw(s.cfg.PageWrites) == 0 {
		s.pagesWritten() // one had to go
	}
	if !u.consistent {
		s.isConsistent()
	}
	if u.consistent && len(d.rows) > rows {
		s.saw(Event{Kind: Visible, Txn: r.Payload, End: r.End(), TLI: u.tli})
	}
	if len(s.senders) > 0 {
		s.pumpAll()
	}
}

// pagesWritten moves minRecoveryPoint: the data pages on disk need the WAL up to here.
func (s *Server) pagesWritten() {
	c, u := &s.disk.control, &s.startup
	if u.archive && u.next > c.MinRecovery {
		c.MinRecovery, c.MinRecoveryTLI = u.next, u.tli
	}
}
