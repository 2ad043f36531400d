package host

import (
	"slices"

	"github.com/pgraft/pgraft/core/failover"
)

// Notes are what a host keeps on disk.
type Notes struct {
	Data  Data
	Store Store
}

// Data is pgraft's own file in the data directory. The library reads it before recovery
// begins, and what copies a data directory brings it along.
type Data struct {
	// Joined says that the server takes part in failover; JoinedOn is the timeline that it
	// was on when it joined.
	Joined   bool
	JoinedOn uint32
	// Sealed is the seal: no WAL of epochs up to this one is taken any more.
	Sealed uint64
	// Notes say whose WAL each timeline is, from before the first byte of that WAL came.
	Notes []failover.Note
	// Cut, if not 0, is where the next boot cuts WAL off: what is past it is half a record. It is
	// noted right before a restart, and counts only while no WAL ends behind it.
	Cut uint64
	// Anew, if not 0, is the epoch from whose primary the data was made anew. It goes once
	// the server has been consistent since.
	Anew uint64
	// Nonce tells the data directory from its copies. See failover.Nonces.
	Nonce uint64
	// Doubt is one that a boot had. It stays until the data is trusted again.
	Doubt failover.Doubt
	// Unguarded says that a boot found it written without the library. It goes when the data is
	// made anew.
	Unguarded bool
	// Wrote are the timelines that this data directory was a primary's on: it was promoted
	// to them, or joined as the primary there. A copy of it says nothing of that.
	Wrote []uint32
}

// Store is what the Raft store keeps of the server. It is durable before anything goes by
// it, and is not copied with the data directory.
type Store struct {
	// Joined says the same as Data.Joined. A server that lacks one of the two was edited, or
	// has lost its Raft store.
	Joined bool
	// Boot counts the starts of the engine.
	Boot uint64
	// Nonce is the data directory's, and NextNonce the one that is to take its place.
	Nonce, NextNonce uint64
	// Floor is how far the server's WAL was on its disk.
	Floor failover.Position
}

// Note notes whose WAL timelines are. A timeline has one note, the newest.
func (d *Data) Note(l []failover.Note) {
	for _, n := range l {
		i := slices.IndexFunc(d.Notes, func(o failover.Note) bool { return o.Timeline == n.Timeline })
		if i < 0 {
			d.Notes = append(d.Notes, n)
		} else {
			d.Notes[i] = n
		}
	}
	d.Notes = newest(d.Notes, func(n failover.Note) uint32 { return n.Timeline })
}

// write notes that the data directory is to be a primary's on a timeline.
func (d *Data) write(timeline uint32) {
	if !slices.Contains(d.Wrote, timeline) {
		d.Wrote = append(d.Wrote, timeline)
	}
	d.Wrote = newest(d.Wrote, func(t uint32) uint32 { return t })
}

// newest keeps what is noted of the newest timelines, as many as the log keeps. It is asked for
// the timeline that WAL ends on, and a server with WAL that the log has forgotten joins anew.
func newest[T any](l []T, timeline func(T) uint32) []T {
	for len(l) > failover.MaxForks {
		oldest := slices.IndexFunc(l, func(x T) bool {
			return !slices.ContainsFunc(l, func(y T) bool { return timeline(y) < timeline(x) })
		})
		l = slices.Delete(l, oldest, oldest+1)
	}
	return l
}

// EpochOf is whose WAL a timeline is; 0: nobody's.
func (d *Data) EpochOf(timeline uint32) uint64 {
	for _, n := range d.Notes {
		if n.Timeline == timeline {
			return n.Epoch
		}
	}
	return 0
}

// IsNobodys says that a timeline is noted for nobody, and the server did not join on it. WAL
// of such a timeline quarantines by itself.
func (d *Data) IsNobodys(timeline uint32) bool {
	return d.EpochOf(timeline) == 0 && timeline != d.JoinedOn
}

// AwaitsSource says that the data was made anew and has not been consistent since, and that
// the WAL which it needs for that may still come from its source.
func (d *Data) AwaitsSource() bool { return d.Anew > 0 && d.Sealed < d.Anew }

// Clone returns a copy that shares no memory with d.
func (d *Data) Clone() Data {
	c := *d
	c.Notes, c.Wrote = slices.Clone(d.Notes), slices.Clone(d.Wrote)
	return c
}

// Nonces are those of the two notes.
func (n *Notes) Nonces() failover.Nonces {
	return failover.Nonces{Data: n.Data.Nonce, Store: n.Store.Nonce, Next: n.Store.NextNonce}
}

// out says that the server takes no part, by both notes.
func (n *Notes) out() bool { return !n.Data.Joined && !n.Store.Joined }

// raised is the store's note with the floor at a position, if that is above it. Data in doubt
// raises none.
func (n *Notes) raised(at failover.Position, ok bool) []Act {
	if !ok || at.Compare(n.Store.Floor) <= 0 || n.Data.Doubt != failover.NoDoubt {
		return nil
	}
	n.Store.Floor = at
	return []Act{NoteStore{n.Store}}
}
