package host

import "github.com/pgraft/pgraft/core/failover"

// Renews says that a start of the engine renews the nonce: not that of data in doubt, which
// keeps the evidence.
func (n *Notes) Renews() bool { return n.Data.Doubt == failover.NoDoubt }

// Renewal is the next write of a renewal to a fresh nonce; more says that another one follows.
// Nothing is reported of the server before the last.
func Renewal(n Notes, fresh uint64) (a Act, more bool) {
	next, more := n.Nonces().Renewed(fresh)
	return n.with(next), more
}

// Whole has the data count as what it was: the last write is the one that says so.
func Whole(n Notes, fresh uint64) (acts []Act) {
	for more := true; more; {
		var next failover.Nonces
		next, more = n.Nonces().Anew(fresh)
		acts = append(acts, n.with(next))
	}
	n.Data.Doubt = failover.NoDoubt
	return append(acts, NoteData{n.Data})
}

// with is the write that makes the nonces be what they are to be: one of the two notes differs.
func (n *Notes) with(next failover.Nonces) Act {
	if n.Data.Nonce != next.Data {
		n.Data.Nonce = next.Data
		return NoteData{n.Data}
	}
	n.Store.Nonce, n.Store.NextNonce = next.Store, next.Next
	return NoteStore{n.Store}
}

// Floor raises the floor by a look, and of a primary a later one: it is what was inserted at
// the first, if the second finds it flushed. Of a standby the two are the same look.
func Floor(n Notes, was, now *Seen) []Act {
	if now.Down || was.Recovery != now.Recovery || was.Timeline != now.Timeline || !now.Recovery && !now.Production {
		return nil
	}
	if now.Timeline < n.Data.JoinedOn {
		return nil // it replays WAL of before it joined, whose epochs say nothing of what follows
	}
	epoch := n.Data.EpochOf(now.Timeline)
	if now.Recovery {
		return n.raised(failover.Floor(true, epoch, now.Received, now.Replayed))
	}
	return n.raised(failover.Floor(false, epoch, now.Flushed, was.Inserted))
}

// Source is what a rejoin learns of the primary that the data is made from.
type Source struct {
	Notes    []failover.Note
	Epoch    uint64 // whose primary it is; 0: of none
	Timeline uint32
}

// Rewinds says that a rejoin tries pg_rewind before it clones. ordered says that the order does
// not ask for a clone; whole, that no rejoin before was cut short, and that the server does not
// end by itself as it starts. short is Seen.Short.
func (d *Data) Rewinds(short, ordered, whole bool) bool {
	return ordered && whole && !d.IsShort(short) && !d.Doubt.OnlyClone()
}

// Back puts the server's own files back into data that was made anew. own are those, kept
// outside the data directory meanwhile; ordered are the notes of the Rejoin. The rejoin's
// marker goes after the last act.
func Back(own Data, store Store, from Source, ordered []failover.Note, fresh uint64) []Act {
	d := own.Clone()
	d.Note(ordered)
	d.Note(from.Notes)
	if from.Epoch > 0 { // its source may have no note of its own timeline, as it joined on it
		d.Note([]failover.Note{{Timeline: from.Timeline, Epoch: from.Epoch}})
	}
	d.Anew, d.Cut, d.Unguarded = from.Epoch, 0, false
	store.Floor = failover.Position{} // how far the data of before reached says nothing of this one
	acts := []Act{NoteData{d}, NoteStore{store}}
	return append(acts, Whole(Notes{d, store}, fresh)...)
}

// Consistent is the data's note once the server has all the WAL that it needs.
func (d Data) Consistent() []Act {
	if d.Anew == 0 {
		return nil
	}
	d.Anew = 0
	return []Act{NoteData{d}}
}
