package host

import (
	"slices"

	"github.com/pgraft/pgraft/core/failover"
)

// Founds is the host's part as failover is enabled, before a report of the same look: first no
// commit is under way that had passed F1 before, then where WAL is inserted is kept. flush says
// that WAL is to be flushed up to there, as nobody else may see to that.
func (m *Memory) Founds(s *Seen) (flush bool) {
	if !founding(s) {
		return false
	}
	if m.Founding != s.Shared.Epoch {
		if s.Commits {
			return false
		}
		m.Founding, m.FoundingEnd = s.Shared.Epoch, s.Inserted
	}
	return s.Flushed < m.FoundingEnd
}

// Between says that a look came while a promotion was ending: the new timeline has begun, and the
// server is still in recovery. Nothing is reported of it. A server that has crashed there looks the
// same, and cannot be promoted to that timeline any more.
func (m *Memory) Between(n *Notes, s *Seen) bool {
	return m.Promoting != 0 && s.Recovery && n.Data.EpochOf(s.End.Timeline) == m.Promoting
}

func founding(s *Seen) bool { return s.Shared.Founding && s.Shared.Primary && s.Production }

// Report is what package failover is told of a server.
func Report(n *Notes, m *Memory, s *Seen) failover.Server {
	d := &n.Data
	r := failover.Server{Decision: s.Shared.Decision, Recovery: s.Recovery, Stopping: s.Stopping, Joined: d.Joined && n.Store.Joined, OneNote: d.Joined != n.Store.Joined,
		Address: s.Address, Priority: s.Priority, Sealed: d.Sealed, JoinedOn: d.JoinedOn}
	t := s.Timeline
	if s.Recovery {
		t = s.End.Timeline
		r.Untrusted, r.OnlyClone, r.Damage = n.Untrusted(s.Short), d.IsShort(s.Short), m.Damage
		r.End, r.Record, r.Replayed = s.End.LSN, s.End.Record, s.Replayed
		r.ReplayDone = s.Replayed >= s.End.LSN
		r.Wrote = slices.Contains(d.Wrote, t)
		if !s.Shared.Failover {
			r.Checkpoint = s.Checkpoint
		}
	} else {
		r.Boots, r.Flushed, r.Fork, r.Checkpoint = s.Shared.Boots, s.Flushed, m.Fork, s.Checkpoint
		r.End, r.Replayed, r.ReplayDone = s.Flushed, s.Flushed, true
		r.Quiet, r.Founded = quiet(s), m.founded(s)
	}
	r.History, r.Noted = s.History, d.EpochOf(t)
	if r.Streaming = s.sources(); r.Streaming {
		known := m.Follows != failover.Token{}
		r.Follows, r.Lacks, r.Ended = m.Follows, m.Lacks && known, m.Ended && known
	}
	if m.Names.Epoch > 0 && s.NamesInForce {
		r.Names = m.Names
	}
	r.Senders = s.Senders
	return r
}

// quiet is the switchover for which no commit begins any more, where none that had begun is
// under way; 0: some are.
func quiet(s *Seen) uint64 {
	if s.Commits {
		return 0
	}
	return s.Shared.Switchover
}

// founded is the epoch with which failover is being enabled, once all that was written before
// is flushed.
func (m *Memory) founded(s *Seen) uint64 {
	if !founding(s) || m.Founding != s.Shared.Epoch || s.Flushed < m.FoundingEnd {
		return 0
	}
	return s.Shared.Epoch
}

// IsShort says that the WAL which the data needs since it was made anew does not come any
// more: the server is sealed for the epoch of its source. short is Seen.Short.
func (d *Data) IsShort(short bool) bool { return short && d.Anew > 0 && d.Sealed >= d.Anew }

// Untrusted says that the data is not what it was, or will not be whole.
func (n *Notes) Untrusted(short bool) bool {
	return n.Data.Doubt != failover.NoDoubt || n.Data.IsShort(short)
}

// Unknown is what shared memory says from an engine's end, or a boot, until the next decision:
// nothing of the engine before is a set, an open epoch or a lease. read says that the server
// could be read until then; a standby that could still can.
func Unknown(n *Notes, read, recovery bool) failover.Shared {
	on := !n.out()
	return failover.Shared{Failover: on, Joined: on, Reads: !on || read && recovery}
}
