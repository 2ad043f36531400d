package host

import (
	"slices"

	"github.com/pgraft/pgraft/core/failover"
)

// Obey says what an order makes a host do, by what holds now: orders come late and twice. No
// act: what the order names does not hold any more, or is done, or the server is not where it
// can be. Who gave the order sees that in the next report, and gives it again if it has to.
func Obey(o failover.Order, n Notes, m *Memory, s *Seen) []Act {
	if w, ok := o.(failover.Watch); ok {
		return []Act{WatchPort{w}}
	}
	if s.Down {
		return nil
	}
	switch o := o.(type) {
	case failover.Seal:
		return seal(o, n, m, s)
	case failover.Promote:
		return promote(o, n, m, s)
	case failover.Follow:
		return follow(o, n, m, s)
	case failover.SetNames:
		return setNames(o, n, m, s)
	case failover.Demote:
		if o.Boot == s.Boot && o.Epoch > n.Data.Sealed && s.Production {
			return []Act{Restart{ToDemote}}
		}
	case failover.Trust:
		if o.Boot == s.Boot && o.Epoch > n.Data.Sealed && n.Data.Doubt != failover.NoDoubt {
			return []Act{TrustData{}}
		}
	case failover.Join:
		return join(o, n, m, s)
	case failover.Release:
		return release(o, n, m, s)
	case failover.Stop:
		return stop(o, n, s)
	case failover.Rejoin:
		return rejoin(o, n, m, s)
	case failover.Checkpoint:
		if o.Boot == s.Boot && (s.Production || s.Recovery) {
			return []Act{MakeCheckpoint{}}
		}
	case failover.Compare:
		if o.Boot == s.Boot {
			return []Act{LookUp{o}}
		}
	}
	return nil
}

// seal ends what brings WAL, or what a restart has to end first.
func seal(o failover.Seal, n Notes, m *Memory, s *Seen) []Act {
	promoted := m.Promoting != 0 || s.Promotes
	switch {
	case o.Boot != s.Boot || !s.Recovery:
		return nil
	case n.out() && (promoted || s.Astray || s.HoldsHalf):
		return nil // it takes no part, boots as it was, and a restart would change nothing
	case promoted:
		return []Act{Restart{ToSeal}}
	}
	if acts := StartsAnew(n, s); acts != nil {
		return acts
	}
	return []Act{EndSources{o}}
}

// StartsAnew restarts a server in place, in recovery, where what its last source brought leads
// recovery astray, or ends in half a record. No act: it need not be.
func StartsAnew(n Notes, s *Seen) []Act {
	switch {
	case s.Astray:
		return []Act{Restart{ToSeal}}
	case s.HoldsHalf:
		d := n.Data
		d.Cut = s.End.LSN
		return []Act{NoteData{d}, Restart{ToCut}}
	}
	return nil
}

// Sealed is the end of a Seal, once no source of WAL is there: nothing is left of timelines of
// which no WAL came, and the promise is noted. ok says that the seal stands then, and that a
// report is due. Else the acts, if any, restart the server, and the order comes again if it has
// to: not where the promise was noted before, as nothing streams any more.
func Sealed(o failover.Seal, n Notes, m *Memory, s *Seen) (acts []Act, ok bool) {
	switch {
	case s.Down || o.Boot != s.Boot || !s.Recovery || s.sources():
		return nil, false
	case m.Promoting != 0 || s.Promotes || n.out() && s.Astray:
		return nil, false
	}
	if acts = StartsAnew(n, s); acts != nil && !n.out() {
		return acts, false
	}
	acts, d := without(n.Data, s.Last, s.Histories)
	if d.Sealed < o.UpTo {
		d.Sealed = o.UpTo
		acts = append(acts, NoteData{d})
	}
	at := failover.Position{Epoch: d.EpochOf(s.End.Timeline), LSN: s.End.LSN}
	return append(acts, n.raised(at, true)...), true
}

// without takes the notes and the history files of timelines of which there is no record away;
// the notes first. Without its file a server that is promoted by hand is given that number,
// and with the note what it writes then would pass for the epoch's.
func without(d Data, last uint32, histories []uint32) ([]Act, Data) {
	var acts []Act
	above := func(n failover.Note) bool { return n.Timeline > last }
	if slices.ContainsFunc(d.Notes, above) {
		d = d.Clone()
		d.Notes = slices.DeleteFunc(d.Notes, above)
		acts = append(acts, NoteData{d})
	}
	for _, t := range histories {
		if t > last {
			acts = append(acts, RemoveHistory{t})
		}
	}
	return acts, d
}

// promote notes the timeline, and has the server begin it.
func promote(o failover.Promote, n Notes, m *Memory, s *Seen) []Act {
	t := o.History[len(o.History)-1].Timeline
	switch {
	case o.Boot != s.Boot || o.Epoch <= n.Data.Sealed || !s.Recovery:
		return nil
	case m.Promoting != 0 || s.Promotes || s.Astray || s.sources():
		return nil
	case s.Last >= t || s.End.LSN != o.LSN:
		return nil
	}
	d := n.Data.Clone()
	d.Note([]failover.Note{{Timeline: t, Epoch: o.Epoch}})
	d.write(t)
	return []Act{NoteData{d}, EndSessions{}, ResumeReplay{}, Promote{o.Epoch, t}}
}

// follow writes the timelines' history files, the newest first, notes them, and has the server
// stream.
func follow(o failover.Follow, n Notes, m *Memory, s *Seen) []Act {
	switch {
	case o.Token.Follow != s.Boot || o.Token.Epoch <= n.Data.Sealed || !s.Recovery:
		return nil
	case m.Promoting != 0 || s.Promotes || s.sources():
		return nil
	}
	acts := histories(o.History)
	d := n.Data.Clone()
	d.Note(o.Notes)
	return append(acts, NoteData{d}, Stream{o.Primary, o.Address, o.Token})
}

// histories writes a history's files, and those of the numbers between its timelines, which
// were given and never came about.
func histories(h []failover.Branch) (acts []Act) {
	for i := len(h) - 1; i > 0; i-- {
		acts = append(acts, WriteHistory{h[:i+1]})
		for t := h[i].Timeline - 1; t > h[i-1].Timeline; t-- {
			acts = append(acts, WriteHistory{append(slices.Clone(h[:i]), failover.Branch{Timeline: t, Begin: h[i].Begin})})
		}
	}
	return acts
}

// setNames leaves out an order that comes after a later one of its epoch and boot: its names are
// of a set that may not be in force any more. The boot alone does not tell: with a new Raft store
// the server is another member, whose boots begin anew, and what is remembered stays.
func setNames(o failover.SetNames, n Notes, m *Memory, s *Seen) []Act {
	late := m.Names.Epoch == o.Epoch && m.Names.Boot == o.Boot && m.Names.Number > o.Number
	if o.Boot != s.Boot || o.Epoch <= n.Data.Sealed || late {
		return nil
	}
	return []Act{PutNames{o.Names}}
}

// join has a server take part, with what it has now; one that nothing brings WAL any more may
// hold half a record, or aim at a timeline that leads nowhere. Else a seal comes first.
func join(o failover.Join, n Notes, m *Memory, s *Seen) []Act {
	last := s.Timeline
	if s.Recovery {
		last = s.Last
	}
	d := &n.Data
	switch {
	case o.Boot != s.Boot || !s.Recovery && !s.Production:
		return nil
	case m.Promoting != 0 || s.Promotes || s.WillPromote:
		return nil
	case d.Joined && n.Store.Joined && (d.JoinedOn == last || d.EpochOf(last) > 0):
		return nil
	}
	d.Sealed = max(d.Sealed, o.Epoch)
	acts := Join(n, last, s.Recovery)
	if s.Recovery && !s.sources() {
		n.Store, n.Data = acts[0].(NoteStore).Store, acts[1].(NoteData).Data
		acts = append(acts, StartsAnew(n, s)...)
	}
	return acts
}

// release ends the server's part in failover. The last write takes the data directory's note of
// that and notes the seal, at once: a server without either note, and without the seal, would
// not be told again.
func release(o failover.Release, n Notes, m *Memory, s *Seen) []Act {
	switch {
	case o.Boot != s.Boot || o.Epoch <= n.Data.Sealed || o.Recovery != s.Recovery:
		return nil
	case m.Promoting != 0 || s.Promotes || s.WillPromote:
		return nil
	}
	n.Store.Joined = false
	n.Data.Joined, n.Data.Sealed = false, o.Epoch
	return []Act{PutNames{}, NoteStore{n.Store}, NoteData{n.Data}}
}

// stop ends a primary that switches over, unless leadership has come back to it.
func stop(o failover.Stop, n Notes, s *Seen) []Act {
	if o.Boot != s.Boot || o.Epoch <= n.Data.Sealed || !s.Production || s.Shared.Switchover != o.Request || s.Lease {
		return nil
	}
	return []Act{FastStop{}}
}

// rejoin destroys what was there, so its epoch has to be the newest that is known here: the
// seal for the next one may be late, too.
func rejoin(o failover.Rejoin, n Notes, m *Memory, s *Seen) []Act {
	switch {
	case o.Boot != s.Boot || o.Epoch <= n.Data.Sealed || o.Epoch != s.Shared.Epoch || !s.Recovery:
		return nil
	case m.Promoting != 0 || s.Promotes:
		return nil
	}
	return []Act{BeginRejoin{o}}
}

// Compared answers a Compare by what was looked up: have says that the WAL in front of the
// place could be read, record by record, and ends is the record that ends there, zero if none
// does. Where the order wants all WAL from Record.From on, ends says the same of this server's,
// and has no From if some of it is gone: that shows nothing, unless the last record is another.
func Compared(o failover.Compare, have bool, ends failover.Record) failover.Compared {
	c := failover.Compared{Member: o.Member, Boot: o.Follow, Have: have}
	c.Equal = have && ends.LSN > 0 && ends.LSN == o.Record.LSN && ends.CRC == o.Record.CRC
	if c.Equal && o.Record.From > 0 {
		c.Have, c.Equal = ends.From == o.Record.From, ends == o.Record
	}
	return c
}

// Removed is the end of a member's part, as its node was removed: a server that takes writes is
// restarted as a standby, or commits that wait there would do so for ever. Nobody gives it
// orders any more, and it stays fenced.
func Removed(n Notes, s *Seen) []Act {
	if !s.Production || !n.Data.Joined {
		return nil
	}
	return []Act{Restart{ToRemove}}
}
