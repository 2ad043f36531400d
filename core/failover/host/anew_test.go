package host

import (
	"reflect"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

// carries writes notes.
func (n *Notes) carries(acts ...Act) {
	for _, a := range acts {
		switch a := a.(type) {
		case NoteData:
			n.Data = a.Data
		case NoteStore:
			n.Store = a.Store
		}
	}
}

// After each write of a renewal the data directory has one of the store's nonces, and the one
// before it has none in the end.
func TestRenewal(t *testing.T) {
	x := standby()
	n, old := x.n, x.n.Data.Nonce
	if !n.Renews() {
		t.Error("the nonce of sound data stays")
	}
	writes := 0
	for more := true; more; writes++ {
		var a Act
		a, more = Renewal(n, 8)
		if n.carries(a); n.Nonces().Foreign() {
			t.Errorf("after write %d the data is a copy: %+v", writes, n)
		}
	}
	if copied := (failover.Nonces{Data: old, Store: n.Store.Nonce, Next: n.Store.NextNonce}); writes != 3 || n.Data.Nonce != 8 || !copied.Foreign() {
		t.Errorf("after %d writes: %+v", writes, n)
	}
	if !reflect.DeepEqual(n.Data.Notes, x.n.Data.Notes) || n.Store.Boot != 9 {
		t.Errorf("a renewal changes something else: %+v", n)
	}
	n.Data.Doubt = failover.DoubtHole
	if n.Renews() {
		t.Error("the nonce of data in doubt is renewed")
	}
}

// Data is whole with the last write, and in doubt until then.
func TestWhole(t *testing.T) {
	n := standby().n
	n.Data.Doubt, n.Data.Nonce, n.Store.NextNonce = failover.DoubtForeign, 5, 6
	acts := Whole(n, 8)
	for i, a := range acts {
		if n.Data.Doubt == failover.NoDoubt {
			t.Errorf("before write %d of %d there is no doubt", i+1, len(acts))
		}
		n.carries(a)
	}
	if n.Data.Doubt != failover.NoDoubt || n.Nonces() != (failover.Nonces{Data: 8, Store: 8}) {
		t.Errorf("in the end: %+v", n)
	}
}

func TestFloor(t *testing.T) {
	for _, c := range []struct {
		name string
		from func() at
		with func(x *at, was, now *Seen)
		want failover.Position // zero: it stays
	}{
		{"a standby that has flushed more than it has replayed", standby, func(_ *at, _, s *Seen) { s.Received = 0x6000 }, failover.Position{Epoch: 4, LSN: 0x5000}},
		{"a standby that has received less since it started", standby, func(_ *at, _, s *Seen) { s.Received = 0x4000 }, failover.Position{Epoch: 4, LSN: 0x4000}},
		{"a standby that has received nothing", standby, func(*at, *Seen, *Seen) {}, failover.Position{}},
		{"a standby that was below", standby, func(x *at, _, s *Seen) { s.Received, x.n.Store.Floor = 0x6000, failover.Position{Epoch: 5} }, failover.Position{}},
		{"a standby in doubt", standby, func(x *at, _, s *Seen) { s.Received, x.n.Data.Doubt = 0x6000, failover.DoubtHole }, failover.Position{}},
		{"a standby on WAL of before it joined", standby, func(x *at, _, s *Seen) { s.Received, x.n.Data.JoinedOn = 0x6000, 3 }, failover.Position{}},
		{"a standby on the WAL that it joined on", standby, func(x *at, _, s *Seen) { s.Received, x.n.Data.JoinedOn = 0x6000, 2 }, failover.Position{Epoch: 4, LSN: 0x5000}},
		{"a primary that has not flushed it yet", primary, func(*at, *Seen, *Seen) {}, failover.Position{}},
		{"a primary that has flushed more", primary, func(_ *at, _, s *Seen) { s.Inserted, s.Flushed = 0x7000, 0x6800 }, failover.Position{Epoch: 4, LSN: 0x6000}},
		{"a primary that stops", primary, func(_ *at, _, s *Seen) { s.Flushed, s.Production = 0x6800, false }, failover.Position{}},
		{"a primary on another timeline", primary, func(_ *at, _, s *Seen) { s.Flushed, s.Timeline = 0x6800, 3 }, failover.Position{}},
		{"a primary that is down", primary, func(_ *at, _, s *Seen) { s.Flushed, s.Down = 0x6800, true }, failover.Position{}},
		{"a standby that was a primary", standby, func(_ *at, was, s *Seen) { s.Received, was.Recovery = 0x6000, false }, failover.Position{}},
	} {
		x := c.from()
		was, now := x.s, x.s
		c.with(&x, &was, &now)
		store := x.n.Store
		store.Floor = c.want
		var want []Act
		if c.want != (failover.Position{}) {
			want = []Act{NoteStore{store}}
		}
		if got := Floor(x.n, &was, &now); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

func TestRewinds(t *testing.T) {
	for _, c := range []struct {
		name           string
		d              Data
		short          bool
		ordered, whole bool
		want           bool
	}{
		{"diverged", Data{Sealed: 4}, false, true, true, true},
		{"with a doubt that recovery survives", Data{Doubt: failover.DoubtForeign}, false, true, true, true},
		{"with one that it does not", Data{Doubt: failover.DoubtHole}, false, true, true, false},
		{"a clone is ordered", Data{}, false, false, true, false},
		{"a rejoin was cut short", Data{}, false, true, false, false},
		{"short for good", Data{Sealed: 4, Anew: 4}, true, true, true, false},
	} {
		if got := c.d.Rewinds(c.short, c.ordered, c.whole); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Data that was made anew keeps the server's own seal and notes, has its source's notes besides,
// and no nonce of the store's until the last write.
func TestBack(t *testing.T) {
	x := standby()
	own, store := x.n.Data, x.n.Store
	own.Doubt, own.Cut, own.Wrote, store.Floor = failover.DoubtForeign, 0x5000, []uint32{2}, failover.Position{Epoch: 4, LSN: 0x5000}
	from := Source{Notes: []failover.Note{{Timeline: 3, Epoch: 5}}, Epoch: 6, Timeline: 5}
	acts := Back(own, store, from, []failover.Note{{Timeline: 4, Epoch: 5}}, 8)
	n := Notes{Data: Data{Sealed: 5, Nonce: 77}, Store: store} // the source's, until the first write
	for _, a := range acts {
		if n.Data.Doubt == failover.NoDoubt && !n.Nonces().Foreign() {
			t.Errorf("it counts before its last write: %+v", n)
		}
		n.carries(a)
	}
	want := Notes{Data: Data{Joined: true, JoinedOn: 1, Sealed: 4, Anew: 6, Nonce: 8, Wrote: []uint32{2},
		Notes: []failover.Note{{Timeline: 2, Epoch: 4}, {Timeline: 4, Epoch: 5}, {Timeline: 3, Epoch: 5}, {Timeline: 5, Epoch: 6}}}, Store: Store{Joined: true, Boot: 9, Nonce: 8}}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("%+v, want\n%+v", n, want)
	}
	n = Notes{}
	if n.carries(Back(own, store, Source{Timeline: 5}, nil, 8)...); n.Data.EpochOf(5) != 0 || n.Data.Anew != 0 {
		t.Errorf("of a source that is no epoch's primary: %+v", n)
	}
}

func TestConsistent(t *testing.T) {
	d := Data{Sealed: 4, Anew: 5}
	if got := d.Consistent(); !reflect.DeepEqual(got, []Act{NoteData{Data{Sealed: 4}}}) {
		t.Errorf("it does %+v", got)
	}
	if got := (Data{Sealed: 4}).Consistent(); got != nil {
		t.Errorf("data that was not made anew does %+v", got)
	}
}
