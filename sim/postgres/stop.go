package postgres

import "slices"

// stopping is how far a fast stop is.
type stopping uint8

const (
	stopNot      stopping = iota
	stopSessions          // until they are gone
	stopRecord            // the shutdown checkpoint
	stopDrains            // walsenders, until their standbys have flushed it
)

// FastStop is pg_ctl stop -m fast: sessions end, a checkpoint is written, walsenders
// end once their standbys have it; done is called when no process is left. A standby
// makes a restartpoint instead. done may be nil; it is not called if the server ends
// otherwise.
func (s *Server) FastStop(done func()) bool {
	return s.do(func() {
		if s.stop != stopNot {
			return
		}
		s.stopped = done
		s.stop = stopSessions
		if s.phase == Production {
			s.phase = Stopping
		}
		if s.phase == Recovery && s.startup.stopping {
			return // once it is promoted
		}
		for _, o := range slices.Clone(s.sessions) {
			o.interrupt(&o.die)
		}
		s.drained()
	})
}

// IsStopping says that a fast stop is under way: hooks that hold a session let go then,
// or the server never stops.
func (s *Server) IsStopping() bool { return s.stop != stopNot }

// drained goes on with a stop as soon as what it waits for is over.
func (s *Server) drained() {
	switch {
	case s.stop == stopSessions && len(s.sessions) == 0 && s.wal.on:
		s.stop = stopRecord
		s.shutdownCheckpoint()
	case s.stop == stopSessions && len(s.sessions) == 0:
		s.stop = stopRecord
		s.startup.stopping = true
		s.endReceiver()
		s.after(s.drawn(s.cfg.Step), func() {
			s.restartpoint()
			if s.startup.archive {
				s.disk.control.State = ShutDownInRecovery
			}
			s.finishStop()
		})
	case s.stop == stopDrains:
		for _, x := range s.senders {
			// WalSndDone: a standby that has not flushed all keeps its walsender, and so
			// the server, until wal_sender_timeout.
			if x.state != senderStarts && (x.sent < s.wal.flushed && !x.ends || x.flush < x.sent) {
				return
			}
		}
		s.finishStop()
	}
}

func (s *Server) shutdownCheckpoint() {
	s.after(s.drawn(s.cfg.Step), func() {
		r := s.log(CheckpointShutdown, 120, 0, 0)
		s.flushThen(r.End(), func() {
			s.checkpointed(r)
			s.disk.control.State = ShutDown
			s.stop = stopDrains
			s.pumpAll()
			s.drained()
		})
	})
}

func (s *Server) finishStop() {
	done := s.stopped
	if s.stop == stopDrains {
		for _, x := range s.senders {
			if x.state != senderStarts && !x.ends {
				x.send(s, Message{Kind: MsgStreamEnd})
			}
		}
	}
	s.end(false, true)
	if done != nil {
		done()
	}
}
