package host

import (
	"slices"

	"github.com/pgraft/pgraft/core/failover"
)

// Booting is what a boot does before recovery looks at anything.
type Booting struct {
	Acts []Act
	// Again says that the host looks anew once Acts are carried out, and asks Boot again.
	Again bool
	// Verdict is what follows. It is there unless Again is true.
	Verdict failover.BootVerdict
}

// Boot says what a boot does by what it finds. Notes and history files of which there is no WAL
// go first: they would lead the search for the end of WAL astray. Then half a record is cut
// off, if nothing has come of it since that was noted: the restart that it was noted for may
// never have come about. Where the marker of a rejoin lies nothing else is looked at.
func Boot(n Notes, b *AtBoot) Booting {
	d := n.Data
	if n.out() && !b.Marker {
		return Booting{}
	}
	if !b.Marker {
		if acts, _ := without(d, b.Last, b.Histories); acts != nil {
			return Booting{Acts: acts, Again: true}
		}
		if at := d.Cut; at > 0 {
			var acts []Act
			if b.End.LSN <= at {
				acts = []Act{CutWAL{at}}
			}
			d.Cut = 0
			return Booting{Acts: append(acts, NoteData{d}), Again: true}
		}
	}
	x := Booting{Verdict: Find(&n, b).Verdict()}
	if x.Verdict.Role != failover.BootStandby {
		return x
	}
	doubts, unguarded := x.Verdict.Doubt != failover.NoDoubt && d.Doubt == failover.NoDoubt, x.Verdict.Damage == failover.QuarantinedUnguarded && !d.Unguarded
	if doubts {
		d.Doubt = x.Verdict.Doubt
	}
	if unguarded {
		d.Unguarded = true
	}
	// Of a copy that note is the other server's: with it a boot would take what was written here
	// without the library for WAL of an epoch.
	others := len(d.Wrote) > 0 && n.Nonces().Foreign()
	if others {
		d.Wrote = nil
	}
	if doubts || unguarded || others { // before recovery takes the evidence away
		x.Acts = append(x.Acts, NoteData{d})
	}
	x.Acts = append(x.Acts, CreateStandbySignal{}, RemovePromote{}, ClearSource{})
	return x
}

// WithoutLibrary is the data directory's note of a server that is about to be started as a primary
// without the library: it is as if a boot had found that already. So where the timeline that was
// written is one that it was granted, too, no boot with the library takes it for the epoch's WAL.
func (d *Data) WithoutLibrary() Data {
	c := d.Clone()
	c.Unguarded = true
	return c
}

// Find is what a boot finds.
func Find(n *Notes, b *AtBoot) failover.Found {
	d := &n.Data
	end := failover.Position{Epoch: d.EpochOf(b.End.Timeline), LSN: b.End.LSN}
	return failover.Found{
		DataNote: d.Joined, StoreNote: n.Store.Joined, Lowered: b.Lowered, Marker: b.Marker,
		Doubted: d.Doubt != failover.NoDoubt, Foreign: n.Nonces().Foreign(), Label: b.Label,
		Short: b.MinRecovery > b.End.LSN && !d.AwaitsSource(), Below: end.Compare(n.Store.Floor) < 0 && !d.IsNobodys(b.End.Timeline), Hole: b.Hole,
		StoreLost: b.StoreLost, WasPrimary: b.WasPrimary, Unguarded: d.Unguarded,
		Granted: slices.Contains(d.Wrote, b.Last) || d.IsNobodys(b.Last),
	}
}

// Begins is the store's note as an engine starts: the boot number is raised, and durable,
// before package failover hears of it.
func (s Store) Begins() NoteStore {
	s.Boot++
	return NoteStore{s}
}

// Join notes that a server takes part from now on, with the data that it has: what it had on
// its disk when it took part before says nothing of that. last is the last timeline of which
// there is a record; standby says that it boots as a standby.
func Join(n Notes, last uint32, standby bool) []Act {
	d := n.Data.Clone()
	d.Joined, d.JoinedOn, d.Unguarded = true, last, false
	if !standby {
		d.write(last)
	}
	n.Store.Joined, n.Store.Floor = true, failover.Position{}
	return []Act{NoteStore{n.Store}, NoteData{d}}
}
