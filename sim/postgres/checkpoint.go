package postgres

// checkpointer is the process of that name. It alone writes checkpoints, and it alone
// switches the waiting for standbys on and off.
type checkpointer struct {
	names   Names // as it read them last
	held    int   // faults in force: it does nothing, and looks at no reload
	reload  bool  // one came while it was held
	busy    bool
	waiting []func() // what checkpoints that were asked for call at their ends
	asked   bool
}

// Checkpoint has the checkpointer write a checkpoint, or on a standby a restartpoint,
// and calls done at its end; of a crash before that, never. done may be nil. False: the
// server is Down.
func (s *Server) Checkpoint(done func()) bool {
	return s.do(func() {
		c := &s.check
		c.asked = true
		if done != nil {
			c.waiting = append(c.waiting, done)
		}
		s.checkpoint()
	})
}

// HoldCheckpointer keeps the checkpointer busy with something else, until on is false.
// It outlasts restarts of the server.
func (s *Server) HoldCheckpointer(on bool) {
	c := &s.check
	if on {
		c.held++
		return
	}
	if c.held--; c.held == 0 && s.phase != Down {
		s.checkpointerLooks()
		s.checkpoint()
	}
}

// checkpointerLooks is the checkpointer when it has time: it looks at a reload.
func (s *Server) checkpointerLooks() {
	if c := &s.check; c.reload && c.held == 0 && !c.busy {
		c.reload = false
		s.checkpointerReloads()
	}
}

func (s *Server) checkpoint() {
	c := &s.check
	if !c.asked || c.busy || c.held > 0 {
		return
	}
	c.busy, c.asked = true, false
	done := c.waiting
	c.waiting = nil
	end := func() {
		c.busy = false
		life := s.life
		s.checkpointerLooks()
		for _, f := range done {
			f()
		}
		if life == s.life {
			s.checkpoint()
		}
	}
	if !s.wal.on {
		s.after(s.drawn(s.cfg.Step), func() {
			s.restartpoint()
			end()
		})
		return
	}
	redo := s.wal.insert
	s.after(s.drawn(s.cfg.Step), func() {
		if s.phase == Stopping {
			end()
			return
		}
		r := s.log(CheckpointOnline, 120, 0, uint64(redo))
		s.flushThen(r.End(), func() {
			s.checkpointed(r)
			end()
		})
	})
}

// checkpointed makes a checkpoint of a server in production the place where recovery
// begins, and lets old WAL go.
func (s *Server) checkpointed(r Record) {
	d := &s.disk
	c := &d.control
	c.Checkpoint, c.CheckpointTLI, c.Redo, c.NextXid = r.Start, r.TLI, LSN(r.Payload), s.wal.xid
	c.MinRecovery, c.MinRecoveryTLI = 0, 0
	d.checkpointed()
	d.recycle(d.keepFrom(r.End(), s.cfg.KeepSegments), r.End(), r.TLI, s.cfg.RecycleSegments)
}

// restartpoint is a standby's checkpoint: at the newest checkpoint that it has replayed.
func (s *Server) restartpoint() {
	d, u := &s.disk, &s.startup
	c := &d.control
	if !u.archive || u.last.Start <= c.Checkpoint {
		return
	}
	s.pagesWritten()
	c.Checkpoint, c.CheckpointTLI, c.Redo, c.NextXid = u.last.Start, u.last.TLI, LSN(u.last.Payload), u.xid
	d.checkpointed()
	d.recycle(d.keepFrom(u.next, s.cfg.KeepSegments), max(u.next, s.receiver.upTo), u.tli, s.cfg.RecycleSegments)
}
