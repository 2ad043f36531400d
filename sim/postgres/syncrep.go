package postgres

import (
	"slices"
	"time"
)

// syncRep is what backends and walsenders share about synchronous replication
// (WalSndCtl); a restart in place forgets it.
type syncRep struct {
	defined bool // sync_standbys_defined: the checkpointer's alone to change
	lsn     LSN  // lsn[SYNC_REP_WAIT_FLUSH]: replicated up to here, whoever counted it
}

// ReplicatedTo is WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH].
func (s *Server) ReplicatedTo() LSN { return s.sync.lsn }

// SetNames writes synchronous_standby_names and reloads. Each walsender looks at it a
// little later, and so does the checkpointer, which alone makes commits wait.
func (s *Server) SetNames(n Names) {
	if n.equal(s.disk.names) {
		return
	}
	s.disk.names = Names{n.W, slices.Clone(n.Names)}
	if s.phase == Down {
		return
	}
	for _, x := range s.senders {
		s.after(s.reloadsIn(), func() { x.names = s.disk.names })
	}
	s.after(s.reloadsIn(), func() {
		s.check.reload = true
		s.checkpointerLooks()
	})
}

// NamesInForce says whether every walsender, and the checkpointer, have the names.
func (s *Server) NamesInForce(n Names) bool {
	for _, x := range s.senders {
		if !x.names.equal(n) {
			return false
		}
	}
	return s.check.names.equal(n) && s.sync.defined == !n.empty()
}

// checkpointerReloads switches waiting on or off (SyncRepUpdateSyncStandbysDefined).
func (s *Server) checkpointerReloads() {
	s.check.names = s.disk.names
	was := s.sync.defined
	s.sync.defined = !s.disk.names.empty()
	if was && !s.sync.defined {
		for _, o := range slices.Clone(s.sessions) {
			if o.stage == stageSync {
				o.replicated() // as good as a yes: lsn has not moved
			}
		}
	}
}

// releaseWaiters counts, in the process of a walsender that has heard of its standby
// (SyncRepReleaseWaiters). A flush position is an LSN: of which timeline it is, nobody
// asks.
func (s *Server) releaseWaiters(x *sender) {
	if !x.priority() || x.state != senderStreams || x.flush == 0 {
		return
	}
	var at []LSN
	for _, o := range s.senders {
		if o.priority() && o.state == senderStreams && o.flush != 0 {
			at = append(at, o.flush)
		}
	}
	if x.names.W == 0 || len(at) < x.names.W {
		return
	}
	slices.Sort(at)
	p := at[len(at)-x.names.W]
	if p <= s.sync.lsn {
		return
	}
	s.sync.lsn = p
	for _, o := range slices.Clone(s.sessions) {
		if o.stage == stageSync && o.end <= p {
			o.replicated()
		}
	}
	s.Poke()
}

// Walsender is what pg_stat_replication shows of one.
type Walsender struct {
	To                  int
	Name, Slot          string
	Streams             bool // it has caught up
	TLI                 TLI
	Write, Flush, Apply LSN
}

// Walsenders are the server's, in the order of their connections.
func (s *Server) Walsenders() []Walsender {
	var out []Walsender
	for _, x := range s.senders {
		out = append(out, Walsender{x.to, x.name, x.slot, x.state == senderStreams, x.tli, x.write, x.flush, x.apply})
	}
	return out
}

// TerminateWalsenders ends those that f says: pg_terminate_backend().
func (s *Server) TerminateWalsenders(f func(Walsender) bool) {
	for i, w := range s.Walsenders() {
		if f(w) {
			x := s.senders[i]
			s.after(0, func() { s.drop(x) })
		}
	}
}

// MakeSlot makes a physical replication slot; it holds WAL from its first use on.
func (s *Server) MakeSlot(name string) {
	if s.disk.slot(name) == nil {
		s.disk.slots = append(s.disk.slots, slot{name: name})
	}
}

// DropSlot drops one, in use or not.
func (s *Server) DropSlot(name string) {
	s.disk.slots = slices.DeleteFunc(s.disk.slots, func(l slot) bool { return l.name == name })
}

func (s *Server) reloadsIn() time.Duration {
	return time.Duration(s.env.Draw(int(s.cfg.Reload/time.Microsecond)+1)) * time.Microsecond
}
