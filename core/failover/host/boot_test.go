package host

import (
	"reflect"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

// sound is what a boot sees of data that is what it was.
func sound() (Notes, AtBoot) {
	x := standby()
	x.n.Store.Floor = failover.Position{Epoch: 4, LSN: 0x4000}
	return x.n, AtBoot{Last: 2, End: x.s.End, MinRecovery: 0x4800, Histories: []uint32{2}}
}

// A boot clears away, then cuts, then judges; each by a look of its own.
func TestBootGoesStepByStep(t *testing.T) {
	n, b := sound()
	n.Data.Cut = 0x5000
	n.Data.Notes = append(n.Data.Notes, failover.Note{Timeline: 3, Epoch: 5})
	b.Histories, b.End.LSN = []uint32{2, 3, 5}, 0x5800 // as timeline 5 has it, which leads nowhere
	kept := n.Data.Clone()
	kept.Notes = kept.Notes[:1]
	if got := Boot(n, &b); !reflect.DeepEqual(got, Booting{Acts: []Act{NoteData{kept}, RemoveHistory{3}, RemoveHistory{5}}, Again: true}) {
		t.Fatalf("first it does %+v", got)
	}
	n.Data, b.Histories, b.End.LSN = kept, []uint32{2}, 0x5000
	cut := kept.Clone()
	cut.Cut = 0
	if got := Boot(n, &b); !reflect.DeepEqual(got, Booting{Acts: []Act{CutWAL{0x5000}, NoteData{cut}}, Again: true}) {
		t.Fatalf("then it does %+v", got)
	}
	n.Data = cut
	want := Booting{Acts: []Act{CreateStandbySignal{}, RemovePromote{}, ClearSource{}}, Verdict: failover.BootVerdict{Role: failover.BootStandby, Joined: true}}
	if got := Boot(n, &b); !reflect.DeepEqual(got, want) {
		t.Fatalf("in the end it does %+v", got)
	}
}

// WAL that has come since a cut was noted stays: a primary may count on it. The engine ended
// before it restarted the server, say.
func TestWALBehindACutStays(t *testing.T) {
	n, b := sound()
	n.Data.Cut, b.End.LSN = 0x5000, 0x5001
	d := n.Data.Clone()
	d.Cut = 0
	if got := Boot(n, &b); !reflect.DeepEqual(got, Booting{Acts: []Act{NoteData{d}}, Again: true}) {
		t.Errorf("it does %+v, want the cut to be forgotten alone", got)
	}
	b.End.LSN = 0x4fff
	if got := Boot(n, &b); !reflect.DeepEqual(got.Acts, []Act{CutWAL{0x5000}, NoteData{d}}) {
		t.Errorf("of WAL that ends before it does %+v", got)
	}
}

func TestBootByWhatIsThere(t *testing.T) {
	standby := []Act{CreateStandbySignal{}, RemovePromote{}, ClearSource{}}
	for _, c := range []struct {
		name  string
		with  func(*Notes, *AtBoot)
		role  failover.BootRole
		doubt failover.Doubt // that is noted
	}{
		{"nothing", func(*Notes, *AtBoot) {}, failover.BootStandby, failover.NoDoubt},
		{"no note", func(n *Notes, _ *AtBoot) { n.Data.Joined, n.Store.Joined = false, false }, failover.BootPlain, failover.NoDoubt},
		{"no note, something to cut off, files above", func(n *Notes, b *AtBoot) {
			n.Data.Joined, n.Store.Joined, n.Data.Cut, b.Histories = false, false, 5, []uint32{9}
		}, failover.BootPlain, failover.NoDoubt},
		{"the data directory's note alone", func(n *Notes, _ *AtBoot) { n.Store.Joined = false }, failover.BootStandby, failover.NoDoubt},
		{"the store's note alone", func(n *Notes, _ *AtBoot) { n.Data.Joined = false }, failover.BootStandby, failover.NoDoubt},
		{"a marker", func(n *Notes, b *AtBoot) { b.Marker, b.Histories, n.Data.Cut = true, []uint32{9}, 5 }, failover.BootRejoin, failover.NoDoubt},
		{"a marker alone", func(n *Notes, b *AtBoot) { n.Data, n.Store, b.Marker = Data{}, Store{}, true }, failover.BootRejoin, failover.NoDoubt},
		{"a setting that is too low", func(_ *Notes, b *AtBoot) { b.Lowered, b.Hole = true, true }, failover.BootRefused, failover.NoDoubt},
		{"another's nonce", func(n *Notes, _ *AtBoot) { n.Data.Nonce = 8 }, failover.BootStandby, failover.DoubtForeign},
		{"a nonce that is to follow", func(n *Notes, _ *AtBoot) { n.Data.Nonce, n.Store.NextNonce = 8, 8 }, failover.BootStandby, failover.NoDoubt},
		{"a backup", func(_ *Notes, b *AtBoot) { b.Label = true }, failover.BootStandby, failover.DoubtBackup},
		{"a hole", func(_ *Notes, b *AtBoot) { b.Hole = true }, failover.BootStandby, failover.DoubtHole},
		{"a store that lost data", func(_ *Notes, b *AtBoot) { b.StoreLost = true }, failover.BootStandby, failover.DoubtStore},
		{"WAL that ends early", func(_ *Notes, b *AtBoot) { b.MinRecovery = 0x5001 }, failover.BootStandby, failover.DoubtShort},
		{"WAL that ends where it has to", func(_ *Notes, b *AtBoot) { b.MinRecovery = 0x5000 }, failover.BootStandby, failover.NoDoubt},
		{"WAL that its source may still give", func(n *Notes, b *AtBoot) { b.MinRecovery, n.Data.Anew = 0x5001, 5 }, failover.BootStandby, failover.NoDoubt},
		{"WAL that its source gives no more", func(n *Notes, b *AtBoot) { b.MinRecovery, n.Data.Anew = 0x5001, 4 }, failover.BootStandby, failover.DoubtShort},
		{"WAL below the floor", func(n *Notes, _ *AtBoot) { n.Store.Floor.LSN = 0x5001 }, failover.BootStandby, failover.DoubtBelow},
		{"WAL of an epoch below the floor's", func(n *Notes, _ *AtBoot) { n.Store.Floor = failover.Position{Epoch: 5} }, failover.BootStandby, failover.DoubtBelow},
		{"WAL that is nobody's", func(n *Notes, b *AtBoot) { n.Store.Floor.LSN, b.End.Timeline = 0x5001, 3 }, failover.BootStandby, failover.NoDoubt},
		{"WAL of the timeline that it joined on", func(n *Notes, b *AtBoot) { b.End.Timeline = 1 }, failover.BootStandby, failover.DoubtBelow},
	} {
		n, b := sound()
		c.with(&n, &b)
		was := n.Data.Clone()
		got := Boot(n, &b)
		var want []Act
		if c.role == failover.BootStandby {
			want = standby
			if c.doubt != failover.NoDoubt {
				was.Doubt = c.doubt
				want = append([]Act{NoteData{was}}, standby...)
			}
		}
		if got.Again || got.Verdict.Role != c.role || got.Verdict.Doubt != c.doubt || !reflect.DeepEqual(got.Acts, want) {
			t.Errorf("%s: %+v, want role %d, doubt %d and %+v", c.name, got, c.role, c.doubt, want)
		}
	}
	n, b := sound()
	n.Data.Doubt, b.Hole = failover.DoubtShort, true
	if got := Boot(n, &b); got.Verdict.Doubt != failover.DoubtBefore || !reflect.DeepEqual(got.Acts, standby) {
		t.Errorf("a doubt of before: %+v, want it to stay as it is noted", got)
	}
}

// WAL without the library quarantines, unless the server may have written it.
func TestBootAsAPrimaryOfBefore(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(*Notes, *AtBoot)
		want failover.Quarantined
	}{
		{"it was not granted that", func(*Notes, *AtBoot) {}, failover.QuarantinedUnguarded},
		{"it was granted another one", func(n *Notes, _ *AtBoot) { n.Data.Wrote = []uint32{3} }, failover.QuarantinedUnguarded},
		{"it was promoted to that", func(n *Notes, _ *AtBoot) { n.Data.Wrote = []uint32{1, 2} }, failover.NotQuarantined},
		{"it is nobody's, and quarantines by itself", func(n *Notes, b *AtBoot) { n.Data.Notes = nil }, failover.NotQuarantined},
		{"it joined there", func(n *Notes, b *AtBoot) { n.Data.Notes, n.Data.JoinedOn = nil, 2 }, failover.QuarantinedUnguarded},
		{"it was a standby", func(_ *Notes, b *AtBoot) { b.WasPrimary = false }, failover.NotQuarantined},
		{"it was promoted to that, and is to be started without the library", func(n *Notes, b *AtBoot) {
			n.Data.Wrote, b.WasPrimary = []uint32{1, 2}, false
			n.Data = n.Data.WithoutLibrary()
		}, failover.QuarantinedUnguarded},
	} {
		n, b := sound()
		b.WasPrimary = true
		if c.with(&n, &b); Boot(n, &b).Verdict.Damage != c.want {
			t.Errorf("%s: damage %d, want %d", c.name, Boot(n, &b).Verdict.Damage, c.want)
		}
	}
	// It is noted, as pg_control says recovery by the next boot; and the note goes with the data.
	n, b := sound()
	b.WasPrimary = true
	noted := n.Data.Clone()
	noted.Unguarded = true
	if got := Boot(n, &b); len(got.Acts) == 0 || !reflect.DeepEqual(got.Acts[0], NoteData{noted}) {
		t.Errorf("it does %+v, want %+v first", got.Acts, noted)
	}
	n.Data, b.WasPrimary = noted, false
	if got := Boot(n, &b); got.Verdict.Damage != failover.QuarantinedUnguarded || reflect.DeepEqual(got.Acts[0], NoteData{noted}) {
		t.Errorf("the next boot does %+v", got)
	}
	if a := Back(noted, n.Store, Source{}, nil, 1); a[0].(NoteData).Data.Unguarded {
		t.Errorf("data that was made anew is noted as %+v", a[0])
	}
	if a := Join(n, 2, true); a[1].(NoteData).Data.Unguarded {
		t.Errorf("a server that joins is noted as %+v", a[1])
	}
}

// A copy of the primary's data, beside another member's Raft store, has the primary's note of what
// that wrote. It goes with the first boot: what is written there without the library later
// quarantines.
func TestBootOfACopyOfThePrimary(t *testing.T) {
	n, b := sound()
	n.Data.Nonce, n.Data.Wrote, b.Label = 8, []uint32{2}, true
	got := Boot(n, &b)
	note, ok := got.Acts[0].(NoteData)
	if !ok || note.Data.Wrote != nil || note.Data.Doubt != failover.DoubtBackup {
		t.Fatalf("it does %+v, want it to note a doubt and nothing that it wrote", got)
	}
	n.Data = note.Data
	for _, a := range Whole(n, 9) {
		switch a := a.(type) {
		case NoteData:
			n.Data = a.Data
		case NoteStore:
			n.Store = a.Store
		}
	}
	b.Label, b.WasPrimary = false, true
	if got := Boot(n, &b); got.Verdict.Damage != failover.QuarantinedUnguarded {
		t.Errorf("written without the library, it does %+v", got)
	}
}

func TestBeginsAndJoin(t *testing.T) {
	s := Store{Joined: true, Boot: 9, Nonce: 7, Floor: failover.Position{Epoch: 4}}
	if got := s.Begins(); got.Store.Boot != 10 || s.Boot != 9 || got.Store.Nonce != 7 {
		t.Errorf("an engine begins with %+v", got)
	}
	n := Notes{Data: Data{Sealed: 4, Wrote: []uint32{1}, Nonce: 7}, Store: s}
	n.Store.Joined = false
	s.Floor = failover.Position{}
	d := Data{Joined: true, JoinedOn: 3, Sealed: 4, Wrote: []uint32{1}, Nonce: 7}
	if got := Join(n, 3, true); !reflect.DeepEqual(got, []Act{NoteStore{s}, NoteData{d}}) {
		t.Errorf("a standby joins by %+v", got)
	}
	d.Wrote = []uint32{1, 3}
	if got := Join(n, 3, false); !reflect.DeepEqual(got, []Act{NoteStore{s}, NoteData{d}}) {
		t.Errorf("a primary joins by %+v", got)
	}
}
