package postgres

import "time"

// Phase is what a server's postmaster is at.
type Phase uint8

const (
	// Down: no process runs.
	Down Phase = iota
	// Recovery: crash recovery, or a standby.
	Recovery
	// Production: it takes writes.
	Production
	// Stopping: a fast stop is under way.
	Stopping
)

// Server is a PostgreSQL server: a data directory and, unless it is Down, the processes
// of one start.
type Server struct {
	// Hooks are the library's. They are read at each use.
	Hooks Hooks

	id       int
	env      Env
	cfg      Config
	disk     Disk
	phase    Phase
	life     uint32 // of the processes: counts starts and ends
	frozen   bool
	deferred []func() // what is due, or arrived, while it is frozen
	fatal    string
	conns    uint32 // connections that it has opened, ever

	wal      inserter
	startup  startup
	receiver receiver
	senders  []*sender
	sync     syncRep
	sessions []*Session
	named    uint64 // sessions so far
	check    checkpointer
	stop     stopping
	stopped  func() // of a fast stop

	conflicts  int           // replay is blocked by so many
	applyDelay time.Duration // recovery_min_apply_delay

	fromWAL, fromStream pick // pickWAL, pickStream
}

// New makes a server with a new, empty database, Down. All servers of a cluster are
// made by New: like copies of one cluster's directory right after initdb.
func New(id int, env Env, cfg Config) *Server {
	s := &Server{id: id, env: env, cfg: cfg.withDefaults()}
	s.fromWAL, s.fromStream = s.pickWAL, s.pickStream
	r := Record{Start: FirstLSN, Payload: uint64(FirstLSN), Len: 120, TLI: 1, PrevTLI: 1, Kind: CheckpointShutdown}
	s.disk.wal.write(1, part{r.Start, r.End(), r})
	s.disk.control = Control{State: ShutDown, Checkpoint: r.Start, CheckpointTLI: 1, Redo: r.Start, NextXid: 3}
	return s
}

// ID is the number that New was given.
func (s *Server) ID() int { return s.id }

// Phase is what the server is at.
func (s *Server) Phase() Phase { return s.phase }

// Fatal is the line that ended the server's last start; "": nothing did.
func (s *Server) Fatal() string { return s.fatal }

// Control is pg_control as it is on disk.
func (s *Server) Control() Control { return s.disk.control }

// after calls f in d, unless the processes have ended by then; when they are frozen,
// once they go on.
func (s *Server) after(d time.Duration, f func()) {
	life := s.life
	s.env.After(d, func() { s.run(life, f) })
}

func (s *Server) run(life uint32, f func()) {
	switch {
	case life != s.life:
	case s.frozen:
		s.deferred = append(s.deferred, func() { s.run(life, f) })
	default:
		f()
	}
}

// drawn is between d and twice that.
func (s *Server) drawn(d time.Duration) time.Duration {
	return d + time.Duration(s.env.Draw(int(d/time.Microsecond)+1))*time.Microsecond
}

// do carries an order out: at once, when the server goes on, or, if no process is
// there to take it, not at all.
func (s *Server) do(f func()) bool {
	if s.phase == Down {
		return false
	}
	s.run(s.life, f)
	return true
}

// Start starts a server that is Down, as a standby if there is a standby.signal by the
// time that Hooks.Boot has run.
func (s *Server) Start() bool {
	if s.phase != Down {
		return false
	}
	s.disk.promote = false
	s.start()
	return true
}

func (s *Server) start() {
	s.life++
	s.phase, s.fatal = Recovery, ""
	s.after(s.drawn(s.cfg.Step), s.boot)
}

// Kill ends all processes at once. With power the whole machine: what was written and
// not synced is lost but for a prefix, and the others notice nothing.
func (s *Server) Kill(power bool) {
	if s.phase == Down {
		if power {
			s.disk.powerFails(s.env.Draw)
		}
		return
	}
	s.end(power, !power)
}

// ImmediateStop is pg_ctl stop -m immediate: like Kill(false), but a frozen server
// takes it only when it goes on.
func (s *Server) ImmediateStop() bool { return s.do(func() { s.end(false, true) }) }

// CrashRestart is what a crash of one process makes of the server: all others end, and
// the postmaster starts recovery again, in place.
func (s *Server) CrashRestart() bool {
	return s.do(func() {
		s.end(false, true)
		s.start()
	})
}

// Freeze stops all processes as SIGSTOP does. Connections stay open.
func (s *Server) Freeze() {
	if s.phase != Down {
		s.frozen = true
	}
}

// Thaw lets them go on.
func (s *Server) Thaw() {
	s.frozen = false
	due := s.deferred
	s.deferred = nil
	for _, f := range due {
		f()
	}
}

// end is the end of all processes; tell says whether the kernel closes their
// connections.
func (s *Server) end(power, tell bool) {
	s.life++
	s.frozen, s.deferred = false, nil
	if power {
		s.disk.powerFails(s.env.Draw)
	}
	if tell {
		for _, x := range s.senders {
			x.reset(s)
		}
		if s.receiver.state != receiverOff {
			s.receiver.reset(s)
		}
	}
	sessions := s.sessions
	s.phase = Down
	s.wal, s.startup, s.receiver, s.sync, s.check = inserter{}, startup{}, receiver{}, syncRep{}, checkpointer{held: s.check.held}
	s.senders, s.sessions, s.stop, s.stopped = nil, nil, stopNot, nil
	for i := range s.disk.slots {
		s.disk.slots[i].conn = 0
	}
	s.saw(Event{Kind: Ended})
	for _, o := range sessions {
		o.lost()
	}
}

// fail is a FATAL of the startup process: the server ends.
func (s *Server) fail(why string) {
	s.end(false, true)
	s.fatal = why
}

func (s *Server) saw(e Event) {
	if s.Hooks.Saw != nil {
		s.Hooks.Saw(e)
	}
}

// InRecovery is pg_is_in_recovery(); of a server that is Down, false.
func (s *Server) InRecovery() bool { return s.phase == Recovery }

// Reads says whether sessions can connect.
func (s *Server) Reads() bool {
	return s.phase == Production || s.phase == Recovery && s.startup.consistent
}

// flushPos is how far its WAL is on disk for its walsenders, and the timeline there: on a
// standby the greater of what is replayed and what is received of the same timeline
// (walsender.c: GetStandbyFlushRecPtr).
func (s *Server) flushPos() (LSN, TLI) {
	if s.wal.on {
		return s.wal.flushed, s.wal.tli
	}
	u, r := &s.startup, &s.receiver
	if r.tliOf == u.tli && r.upTo > u.next {
		return r.upTo, u.tli
	}
	return u.next, u.tli
}

// Flushed, Replayed and Received are pg_current_wal_flush_lsn(), or on a standby
// pg_last_wal_replay_lsn() and pg_last_wal_receive_lsn(); 0: not there.
func (s *Server) Flushed() LSN  { return s.wal.flushed }
func (s *Server) Replayed() LSN { return s.startup.next }
func (s *Server) Received() LSN { return s.receiver.upTo }

// Inserted is pg_current_wal_insert_lsn().
func (s *Server) Inserted() LSN { return s.wal.insert }

// Timeline is that of what is written, or replayed.
func (s *Server) Timeline() TLI {
	if s.wal.on {
		return s.wal.tli
	}
	return s.startup.tli
}

// Histories are the history files in pg_wal; not to be changed.
func (s *Server) Histories() []History { return s.disk.wal.histories }

// Has says whether pg_wal holds a file of that timeline and segment, a .partial one or
// not.
func (s *Server) Has(tli TLI, segment uint64, partial bool) bool {
	return s.disk.wal.get(tli, segment, partial) != nil
}
