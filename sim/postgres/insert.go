package postgres

import "slices"

// inserter is the WAL of a server in production, as it is in shared memory.
type inserter struct {
	on       bool
	tli      TLI
	insert   LSN // where the next record begins
	prev     LSN // where the last one does
	written  LSN // what the system has
	flushed  LSN // what the disk has
	want     LSN // what somebody waits for
	flushing bool
	buffers  []Record // not written in full
	waiters  []flushWaiter
	async    LSN // the end of the last commit that nobody waited for
	xid      uint32
}

type flushWaiter struct {
	at LSN
	f  func()
}

// align is MAXALIGN.
func align(n int) uint32 { return uint32(n+7) &^ 7 }

// log inserts a record of n bytes.
func (s *Server) log(kind Kind, n int, xid uint32, payload uint64) Record {
	w := &s.wal
	r := Record{Start: w.insert, Prev: w.prev, Payload: payload, Len: align(n), Xid: xid, Kind: kind}
	switch kind {
	case Switch:
		r.Len = uint32(r.Start.segmentEnd() - r.Start)
	case CheckpointOnline, CheckpointShutdown:
		r.TLI, r.PrevTLI = w.tli, w.tli
		if kind == CheckpointShutdown {
			r.Payload = uint64(r.Start)
		}
	}
	return s.put(r)
}

func (s *Server) put(r Record) Record {
	w := &s.wal
	w.prev, w.insert = r.Start, r.End()
	w.buffers = append(w.buffers, r)
	return r
}

// flushThen calls f once the WAL is on disk up to an LSN (XLogFlush).
func (s *Server) flushThen(at LSN, f func()) {
	w := &s.wal
	if at <= w.flushed {
		f()
		return
	}
	i, _ := slices.BinarySearchFunc(w.waiters, at, func(o flushWaiter, at LSN) int {
		if o.at <= at {
			return -1
		}
		return 1
	})
	w.waiters = slices.Insert(w.waiters, i, flushWaiter{at, f})
	s.flushTo(at)
}

// flushTo has the WAL flushed up to an LSN.
func (s *Server) flushTo(at LSN) {
	w := &s.wal
	w.want = max(w.want, at)
	if w.flushing || w.want <= w.flushed {
		return
	}
	w.flushing = true
	// Whole pages go along: the flush position is often within a record.
	target := max(w.want, w.insert-w.insert%PageBytes)
	s.writeOut(target)
	n := len(s.disk.unsynced)
	s.after(s.drawn(s.cfg.Sync), func() {
		s.disk.sync(n)
		w.flushing, w.flushed = false, max(w.flushed, target)
		s.flushedMore()
	})
}

// writeOut gives buffers to the system up to an LSN.
func (s *Server) writeOut(upto LSN) {
	w := &s.wal
	full := 0
	for _, r := range w.buffers {
		from, to := max(r.Start, w.written), min(r.End(), upto)
		if from < to {
			s.disk.unsynced = append(s.disk.unsynced, write{w.tli, part{from, to, r}})
		}
		if r.End() > upto {
			break
		}
		full++
	}
	w.buffers = append(w.buffers[:0], w.buffers[full:]...)
	w.written = max(w.written, upto)
}

// flushedMore lets those go on that wait for what is flushed.
func (s *Server) flushedMore() {
	w := &s.wal
	life := s.life
	for life == s.life && len(w.waiters) > 0 && w.waiters[0].at <= w.flushed {
		f := w.waiters[0].f
		w.waiters = slices.Delete(w.waiters, 0, 1)
		f()
	}
	if life != s.life {
		return
	}
	s.flushTo(w.want)
	s.pumpAll()
}

// walWriter is a round of the process of that name: what asynchronous commits wrote,
// and whole pages.
func (s *Server) walWriter() {
	w := &s.wal
	if !w.on {
		return
	}
	s.flushTo(max(w.async, w.insert-w.insert%PageBytes))
	s.after(s.cfg.WriterDelay, s.walWriter)
}

// Internal writes a record that no commit asked for: RunningXacts, Prune, Logical (of n
// bytes) or Switch. It returns where the record ends; 0 if the server takes no writes.
// Nobody waits for its flush.
func (s *Server) Internal(kind Kind, n int) LSN {
	if s.phase != Production || s.frozen {
		return 0
	}
	if kind == Switch {
		if s.wal.insert == s.wal.insert.segmentStart() {
			return s.wal.insert
		}
		r := s.log(Switch, 0, 0, 0)
		s.flushTo(r.End())
		return r.End()
	}
	payload := uint64(s.wal.xid)
	if kind == Logical {
		payload = uint64(s.wal.insert)
	}
	return s.log(kind, n, 0, payload).End()
}

// Flush has everything flushed that was inserted so far.
func (s *Server) Flush() {
	if s.phase == Production && !s.frozen {
		s.flushTo(s.wal.insert)
	}
}

// open begins WAL at an LSN of a timeline.
func (s *Server) open(tli TLI, at, prev LSN) {
	w := &s.wal
	*w = inserter{on: true, tli: tli, insert: at, prev: prev, written: at, flushed: at, want: at, xid: s.startup.xid}
}
