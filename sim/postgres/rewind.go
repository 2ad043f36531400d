package postgres

// Rewound is what pg_rewind says.
type Rewound uint8

const (
	// RewindFailed: it changed nothing, or, if it was killed, left pages of two servers.
	RewindFailed Rewound = iota
	// RewindNotRequired: it changed nothing, whether that is right or not.
	RewindNotRequired
	// RewindDone: the next start replays the source's WAL from the last common checkpoint.
	RewindDone
)

// Damaged says that a rewind was cut short: the data pages are of two servers. The
// server starts, reaches consistency and serves them.
func (s *Server) Damaged() bool { return s.disk.damaged }

// RecoverAlone is postgres --single: crash recovery to the end of the WAL, on the
// timeline that pg_control names, and a clean stop. It returns why it could not; "": it
// did. The server must be Down.
func (s *Server) RecoverAlone() string {
	d, c := &s.disk, &s.disk.control
	switch {
	case s.phase != Down:
		return "the server runs"
	case d.standbySignal:
		return "standby mode is not supported by single-user servers"
	case c.State == ShutDown:
		return ""
	}
	d.sync(len(d.unsynced))
	d.back()
	spans, last := d.wal.spans(max(c.CheckpointTLI, c.MinRecoveryTLI)), TLI(0)
	from := func(p LSN) *file { return d.wal.asRecovery(spans, &last, p) }
	at, prev, tli, xid := c.Redo, LSN(0), owner(spans, c.Redo), c.NextXid
	for {
		r := readRecord(at, prev, ^LSN(0), from)
		if r.end != readDone {
			break
		}
		if r.rec.TLI != 0 {
			tli = r.rec.TLI
		}
		d.replay(r.rec)
		at, prev, xid = r.rec.End(), r.rec.Start, max(xid, r.rec.Xid+1)
	}
	for range 2 { // after recovery, and at the stop
		r := Record{Start: at, Prev: prev, Payload: uint64(at), Len: 120, TLI: tli, PrevTLI: tli, Kind: CheckpointShutdown}
		d.wal.write(tli, part{r.Start, r.End(), r})
		*c = Control{State: ShutDown, Checkpoint: r.Start, CheckpointTLI: tli, Redo: r.Start, NextXid: xid}
		at, prev = r.End(), r.Start
	}
	return ""
}

// RunAlone is somebody who takes standby.signal away and starts the server without any
// library, has it write so many bytes, and stops it: on the timeline that it was on, and as
// a primary. It returns why it could not; "": it did. The server must be Down.
func (s *Server) RunAlone(bytes int) string {
	s.disk.standbySignal = false
	if why := s.RecoverAlone(); why != "" {
		return why
	}
	d, c := &s.disk, &s.disk.control
	from := func(p LSN) *file { return d.wal.find(c.CheckpointTLI, p.segment()) }
	last := readRecord(c.Checkpoint, 0, ^LSN(0), from).rec
	r := Record{Start: last.End(), Prev: last.Start, Len: uint32(bytes) + 40, Kind: Logical}
	stop := Record{Start: r.End(), Prev: r.Start, Payload: uint64(r.End()), Len: 120, TLI: c.CheckpointTLI, PrevTLI: c.CheckpointTLI, Kind: CheckpointShutdown}
	for _, r := range [...]Record{r, stop} {
		d.wal.write(c.CheckpointTLI, part{r.Start, r.End(), r})
	}
	c.Checkpoint, c.Redo = stop.Start, stop.Start
	return ""
}

// Rewind is pg_rewind with a running server as its source; killed has it die before its
// end. Where the target was not stopped cleanly it recovers alone first. It goes by
// timeline numbers: those of the two servers' last checkpoints. why is its message.
func (s *Server) Rewind(from *Server, killed bool) (out Rewound, why string) {
	d, c := &s.disk, &s.disk.control
	if s.phase != Down || !from.Reads() || from.frozen {
		return RewindFailed, "the target runs, or the source does not answer"
	}
	if c.State != ShutDown && c.State != ShutDownInRecovery {
		if why := s.RecoverAlone(); why != "" {
			return RewindFailed, why
		}
	}
	source := from.disk.control
	if c.CheckpointTLI == source.CheckpointTLI {
		return RewindNotRequired, "source and target cluster are on the same timeline"
	}
	spans := d.wal.spans(c.CheckpointTLI)
	diverged := common(spans, from.disk.wal.spans(source.CheckpointTLI))
	if diverged == 0 {
		return RewindFailed, "could not find common ancestor of the source and target cluster's timelines"
	}
	end := c.MinRecovery // of a standby
	if c.State == ShutDown {
		end = readRecord(c.Checkpoint, 0, ^LSN(0), func(p LSN) *file { return d.wal.byHistory(spans, p) }).rec.End()
	}
	if end <= diverged {
		return RewindNotRequired, "no rewind required"
	}
	last, ok := s.lastCheckpoint(spans, diverged, end)
	if !ok {
		return RewindFailed, "could not find the WAL from the last common checkpoint on"
	}
	d.damaged = true
	if killed {
		return RewindFailed, "killed"
	}
	image := from.Image().disk
	upTo, _ := from.flushPos()
	rows := d.rows
	*d = image
	// pg_rewind brings the source's settings along, and leaves no standby.signal.
	d.rows, d.slots, d.standbySignal, d.promote, d.damaged = rows, nil, false, false, false
	*c = Control{State: InArchiveRecovery, Checkpoint: last.Start, CheckpointTLI: last.TLI, Redo: LSN(last.Payload),
		MinRecovery: max(upTo, from.wal.insert), MinRecoveryTLI: source.CheckpointTLI, NextXid: source.NextXid}
	return RewindDone, ""
}

// common is where two histories part; 0: they have no beginning in common.
func common(a, b []span) (at LSN) {
	for i, j := len(a)-1, len(b)-1; i >= 0 && j >= 0 && a[i].tli == b[j].tli && a[i].begin == b[j].begin; i, j = i-1, j-1 {
		at = min(a[i].end-1, b[j].end-1) + 1 // an end of 0 is none
	}
	return at
}

// lastCheckpoint is the last one that ends by an LSN; false if it, or some of the WAL from
// there to the end, is gone.
func (s *Server) lastCheckpoint(spans []span, before, end LSN) (cp Record, ok bool) {
	d := &s.disk.wal
	from := func(p LSN) *file { return d.byHistory(spans, p) }
	for i := range d.files {
		for _, p := range d.files[i].parts {
			r := p.rec
			isOne := (r.Kind == CheckpointOnline || r.Kind == CheckpointShutdown) && r.End() <= before && r.Start == p.from
			if isOne && r.Start > cp.Start && readRecord(r.Start, 0, ^LSN(0), from).rec == r {
				cp = r
			}
		}
	}
	for at := cp.Start; cp.Kind != 0 && at < end; {
		r := readRecord(at, 0, ^LSN(0), from)
		if r.end != readDone {
			return cp, false
		}
		at = r.rec.End()
	}
	return cp, cp.Kind != 0
}
