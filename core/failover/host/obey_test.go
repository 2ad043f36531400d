package host

import (
	"reflect"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

// at is what holds as an order comes.
type at struct {
	n Notes
	m Memory
	s Seen
}

// standby is one that has joined, is sealed up to epoch 4 and has WAL of timeline 2 up to
// 0/5000.
func standby() at {
	return at{
		n: Notes{Data: Data{Joined: true, JoinedOn: 1, Sealed: 4, Notes: []failover.Note{{Timeline: 2, Epoch: 4}}, Nonce: 7}, Store: Store{Joined: true, Boot: 9, Nonce: 7}},
		s: Seen{Boot: 9, Shared: failover.Shared{Epoch: 5, Switchover: 40}, Recovery: true, Last: 2, Timeline: 2, Histories: []uint32{2},
			End: End{Timeline: 2, LSN: 0x5000, Record: failover.Record{LSN: 0x5000, CRC: 1}}, Replayed: 0x5000},
	}
}

// primary is one of epoch 5 that takes writes.
func primary() at {
	x := standby()
	x.s.Recovery, x.s.Production = false, true
	x.s.Inserted, x.s.Flushed = 0x6000, 0x5800
	return x
}

// guard is one thing that keeps an order from being carried out.
type guard struct {
	name  string
	spoil func(*at)
}

var (
	otherBoot = guard{"of another boot", func(x *at) { x.s.Boot = 10 }}
	isDown    = guard{"there is no server", func(x *at) { x.s.Down = true }}
	notHere   = guard{"not in recovery", func(x *at) { x.s.Recovery, x.s.Production = false, true }}
	noWrites  = guard{"stops, and takes no writes", func(x *at) { x.s.Production = false }}
	sealed    = guard{"sealed for its epoch", func(x *at) { x.n.Data.Sealed = 5 }}
	ordered   = guard{"its promotion was ordered", func(x *at) { x.m.Promoting = 5 }}
	promotes  = guard{"recovery is ending", func(x *at) { x.s.Promotes = true }}
	astray    = guard{"recovery has gone astray", func(x *at) { x.s.Astray = true }}
	receives  = guard{"a walreceiver runs", func(x *at) { x.s.Receives = true }}
	hasSource = guard{"it has a source of WAL", func(x *at) { x.s.Source = true }}
	half      = guard{"its WAL ends in half a record", func(x *at) { x.s.HoldsHalf = true }}
)

// isObeyed asks for the acts of an order, and for none with each guard.
func isObeyed(t *testing.T, from func() at, o failover.Order, want []Act, guards ...guard) {
	t.Helper()
	x := from()
	was := from()
	if got := Obey(o, x.n, &x.m, &x.s); !reflect.DeepEqual(got, want) {
		t.Errorf("%T makes it do\n%+v, want\n%+v", o, got, want)
	}
	if !reflect.DeepEqual(x, was) {
		t.Errorf("%T changed what it was asked by: %+v", o, x)
	}
	for _, g := range append(guards, isDown) {
		x := from()
		if g.spoil(&x); Obey(o, x.n, &x.m, &x.s) != nil {
			t.Errorf("%T is obeyed: %s", o, g.name)
		}
	}
}

// noted is a data directory's note with a change.
func (x at) noted(change func(*Data)) NoteData {
	d := x.n.Data.Clone()
	change(&d)
	return NoteData{d}
}

func TestSeal(t *testing.T) {
	o := failover.Seal{Boot: 9, UpTo: 6}
	isObeyed(t, standby, o, []Act{EndSources{o}}, otherBoot, notHere)
	for _, g := range []guard{ordered, promotes, astray} {
		with := func() at { x := standby(); g.spoil(&x); return x }
		isObeyed(t, with, o, []Act{Restart{ToSeal}}, otherBoot, notHere, guard{"takes no part", out})
	}
	holds := func() at { x := standby(); half.spoil(&x); return x }
	isObeyed(t, holds, o, []Act{holds().noted(func(d *Data) { d.Cut = 0x5000 }), Restart{ToCut}}, otherBoot, notHere, guard{"takes no part", out})
	one := func() at { x := holds(); x.n.Data.Joined = false; return x } // edited: it will take part
	isObeyed(t, one, o, []Act{one().noted(func(d *Data) { d.Cut = 0x5000 }), Restart{ToCut}}, otherBoot)
	gone := func() at { x := standby(); out(&x); return x }
	isObeyed(t, gone, o, []Act{EndSources{o}}, otherBoot)
}

func out(x *at) { x.n.Data.Joined, x.n.Store.Joined = false, false }

func TestSealed(t *testing.T) {
	o := failover.Seal{Boot: 9, UpTo: 6}
	floor := failover.Position{Epoch: 4, LSN: 0x5000}
	store := func(x *at) NoteStore { s := x.n.Store; s.Floor = floor; return NoteStore{s} }
	for _, c := range []struct {
		name string
		with func(*at)
		want func(*at) []Act
	}{
		{"nothing else", func(*at) {}, func(x *at) []Act {
			return []Act{x.noted(func(d *Data) { d.Sealed = 6 }), store(x)}
		}},
		{"was sealed further, and the floor is there", func(x *at) { x.n.Data.Sealed, x.n.Store.Floor = 7, floor }, func(*at) []Act { return nil }},
		{"was sealed as far", func(x *at) { x.n.Data.Sealed, x.n.Store.Floor = 6, floor }, func(*at) []Act { return nil }},
		{"takes no part, with half a record", func(x *at) { x.s.HoldsHalf = true; out(x) }, func(x *at) []Act {
			return []Act{x.noted(func(d *Data) { d.Sealed = 6 }), store(x)}
		}},
		{"data in doubt raises no floor", func(x *at) { x.n.Data.Doubt = failover.DoubtShort }, func(x *at) []Act {
			return []Act{x.noted(func(d *Data) { d.Sealed = 6 })}
		}},
		{"timelines of which no WAL came", func(x *at) {
			x.n.Data.Notes = append(x.n.Data.Notes, failover.Note{Timeline: 3, Epoch: 5})
			x.s.Histories = []uint32{2, 3, 4}
		}, func(x *at) []Act {
			drop := func(d *Data) { d.Notes = d.Notes[:1] }
			return []Act{x.noted(drop), RemoveHistory{3}, RemoveHistory{4}, x.noted(func(d *Data) { drop(d); d.Sealed = 6 }), store(x)}
		}},
	} {
		x := standby()
		c.with(&x)
		if got, ok := Sealed(o, x.n, &x.m, &x.s); !ok || !reflect.DeepEqual(got, c.want(&x)) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, ok, c.want(&x))
		}
	}
	for _, g := range []guard{otherBoot, isDown, notHere, ordered, promotes, receives, hasSource} {
		x := standby()
		if g.spoil(&x); g.name == notHere.name {
			x.s.Production = false
		}
		if got, ok := Sealed(o, x.n, &x.m, &x.s); ok || got != nil {
			t.Errorf("it is sealed: %s", g.name)
		}
	}
}

// What came until the sources had ended can lead recovery astray. The seal that finds it restarts
// the server: one that is sealed up to that number already is ordered nothing more.
func TestSealedAstray(t *testing.T) {
	o := failover.Seal{Boot: 9, UpTo: 4}
	for _, c := range []struct {
		guard
		want func(*at) []Act
	}{
		{astray, func(*at) []Act { return []Act{Restart{ToSeal}} }},
		{half, func(x *at) []Act { return []Act{x.noted(func(d *Data) { d.Cut = 0x5000 }), Restart{ToCut}} }},
	} {
		x := standby()
		c.spoil(&x)
		if got, ok := Sealed(o, x.n, &x.m, &x.s); ok || !reflect.DeepEqual(got, c.want(&x)) {
			t.Errorf("%s: %+v, %v", c.name, got, ok)
		}
		if got := StartsAnew(x.n, &x.s); !reflect.DeepEqual(got, c.want(&x)) {
			t.Errorf("%s, and it takes part again: %+v", c.name, got)
		}
	}
	x := standby()
	if got := StartsAnew(x.n, &x.s); got != nil {
		t.Errorf("it is restarted: %+v", got)
	}
	out(&x)
	if x.s.HoldsHalf = true; len(StartsAnew(x.n, &x.s)) == 0 {
		t.Error("it is not restarted as it takes part again")
	}
	if acts, ok := Sealed(o, x.n, &x.m, &x.s); !ok || len(acts) > 0 && reflect.DeepEqual(acts[len(acts)-1], Restart{ToCut}) {
		t.Errorf("it takes no part: %+v, %v", acts, ok)
	}
	if x.s.Astray = true; !reflect.DeepEqual(StartsAnew(x.n, &x.s), []Act{Restart{ToSeal}}) {
		t.Error("half a record is cut where recovery has gone astray")
	}
	if acts, ok := Sealed(o, x.n, &x.m, &x.s); ok || acts != nil {
		t.Errorf("it takes no part, and has gone astray: %+v, %v", acts, ok)
	}
}

func TestPromote(t *testing.T) {
	o := failover.Promote{Epoch: 5, Boot: 9, LSN: 0x5000, History: []failover.Branch{{Timeline: 1}, {Timeline: 2, Begin: 0x3000}, {Timeline: 4, Begin: 0x5000}}}
	note := standby().noted(func(d *Data) {
		d.Notes = append(d.Notes, failover.Note{Timeline: 4, Epoch: 5})
		d.Wrote = []uint32{4}
	})
	isObeyed(t, standby, o, []Act{note, EndSessions{}, ResumeReplay{}, Promote{5, 4}},
		otherBoot, sealed, notHere, ordered, promotes, astray, receives, hasSource,
		guard{"it has WAL of that timeline", func(x *at) { x.s.Last = 4 }},
		guard{"it has WAL of a later timeline", func(x *at) { x.s.Last = 5 }},
		guard{"its WAL ends before", func(x *at) { x.s.End.LSN = 0x4fff }},
		guard{"its WAL ends behind", func(x *at) { x.s.End.LSN = 0x5001 }})
}

func TestFollow(t *testing.T) {
	token := failover.Token{Epoch: 5, Boot: 3, Member: 11, Follow: 9}
	o := failover.Follow{Token: token, Primary: 12, Address: "there",
		History: []failover.Branch{{Timeline: 1}, {Timeline: 4, Begin: 0x3000}, {Timeline: 6, Begin: 0x5000}}, Notes: []failover.Note{{Timeline: 4, Epoch: 4}, {Timeline: 6, Epoch: 5}}}
	file := func(l ...failover.Branch) Act { return WriteHistory{append([]failover.Branch{{Timeline: 1}}, l...)} }
	b := func(t uint32, at uint64) failover.Branch { return failover.Branch{Timeline: t, Begin: at} }
	note := standby().noted(func(d *Data) { d.Notes = append(d.Notes, o.Notes...) })
	isObeyed(t, standby, o, []Act{file(b(4, 0x3000), b(6, 0x5000)), file(b(4, 0x3000), b(5, 0x5000)), file(b(4, 0x3000)), file(b(3, 0x3000)), file(b(2, 0x3000)),
		note, Stream{12, "there", token}},
		otherBoot, sealed, notHere, ordered, promotes, receives, hasSource)
}

func TestSetNames(t *testing.T) {
	o := failover.SetNames{Names: failover.Names{Epoch: 5, Boot: 9, W: 1, Members: []uint64{11}, Number: 3}}
	late := guard{"a later one of this boot was carried out", func(x *at) { x.m.Names = failover.Names{Epoch: 5, Boot: 9, Number: 4} }}
	isObeyed(t, primary, o, []Act{PutNames{o.Names}}, otherBoot, sealed, late)
	again := func() at { x := primary(); x.m.Names = o.Names; return x }
	isObeyed(t, again, o, []Act{PutNames{o.Names}}, late)
	before := func() at { x := primary(); x.m.Names = failover.Names{Boot: 8, Number: 70}; return x }
	isObeyed(t, before, o, []Act{PutNames{o.Names}}, late)
	other := func() at { x := primary(); x.m.Names = failover.Names{Epoch: 4, Boot: 9, Number: 70}; return x }
	isObeyed(t, other, o, []Act{PutNames{o.Names}}, late) // another member's, before its Raft store was new
}

func TestDemoteTrustAndCheckpoint(t *testing.T) {
	isObeyed(t, primary, failover.Demote{Epoch: 5, Boot: 9}, []Act{Restart{ToDemote}}, otherBoot, sealed, noWrites)
	isObeyed(t, primary, failover.Checkpoint{Epoch: 5, Boot: 9}, []Act{MakeCheckpoint{}}, otherBoot, noWrites)
	isObeyed(t, standby, failover.Checkpoint{Epoch: 5, Boot: 9}, []Act{MakeCheckpoint{}}, otherBoot)
	doubted := func() at { x := standby(); x.n.Data.Doubt = failover.DoubtForeign; return x }
	isObeyed(t, doubted, failover.Trust{Epoch: 5, Boot: 9}, []Act{TrustData{}}, otherBoot, sealed,
		guard{"there is no doubt", func(x *at) { x.n.Data.Doubt = failover.NoDoubt }})
}

// A server joins on the timeline that it has, and one that takes writes has written it; what
// nothing streams to any more starts anew where it holds half a record.
func TestObeysJoin(t *testing.T) {
	o := failover.Join{Epoch: 6, Boot: 9}
	guards := []guard{otherBoot, ordered, promotes, {"a promotion was asked for", func(x *at) { x.s.WillPromote = true }},
		{"it has joined", func(x *at) { x.n.Data.Joined, x.n.Store.Joined, x.n.Data.JoinedOn = true, true, 2 }},
		{"it has joined, and its timeline is an epoch's", func(x *at) {
			x.n.Data.Joined, x.n.Store.Joined, x.n.Data.Notes = true, true, []failover.Note{{Timeline: 2, Epoch: 4}}
		}}}
	out := func(x at) at {
		x.n.Data.Joined, x.n.Store.Joined, x.n.Data.Notes = false, false, nil
		x.n.Store.Floor = failover.Position{Epoch: 3, LSN: 1}
		return x
	}
	joined := func(x at, wrote bool) []Act {
		store := x.n.Store
		store.Joined, store.Floor = true, failover.Position{}
		return []Act{NoteStore{store}, x.noted(func(d *Data) {
			d.Joined, d.JoinedOn, d.Sealed = true, 2, 6
			if wrote {
				d.write(2)
			}
		})}
	}
	isObeyed(t, func() at { return out(primary()) }, o, joined(out(primary()), true), append(guards, noWrites)...)
	half := func() at { x := out(primary()); x.n.Store = joined(x, true)[0].(NoteStore).Store; return x } // cut short between its notes
	isObeyed(t, half, o, joined(half(), true), append(guards, noWrites)...)
	streams := func() at { x := out(standby()); x.s.Source, x.s.HoldsHalf = true, true; return x }
	isObeyed(t, streams, o, joined(streams(), false), guards...)
	alone := func() at { x := streams(); x.s.Source = false; return x }
	acts := joined(alone(), false)
	d := acts[1].(NoteData).Data
	d.Cut = alone().s.End.LSN
	isObeyed(t, alone, o, append(acts, NoteData{d}, Restart{ToCut}), guards...)
}

func TestRelease(t *testing.T) {
	for _, recovery := range []bool{true, false} {
		from := primary
		if recovery {
			from = standby
		}
		x := from()
		store := x.n.Store
		store.Joined = false
		o := failover.Release{Epoch: 5, Boot: 9, Recovery: recovery}
		isObeyed(t, from, o, []Act{PutNames{}, NoteStore{store}, x.noted(func(d *Data) { d.Joined, d.Sealed = false, 5 })},
			otherBoot, sealed, ordered, promotes,
			guard{"is what the order does not say", func(x *at) { x.s.Recovery = !recovery }},
			guard{"a promotion was asked for", func(x *at) { x.s.WillPromote = true }})
	}
}

func TestStop(t *testing.T) {
	isObeyed(t, primary, failover.Stop{Epoch: 5, Boot: 9, Request: 40}, []Act{FastStop{}}, otherBoot, sealed, noWrites,
		guard{"the switchover is over", func(x *at) { x.s.Shared.Switchover = 0 }},
		guard{"another switchover is under way", func(x *at) { x.s.Shared.Switchover = 41 }},
		guard{"leadership has come back", func(x *at) { x.s.Lease = true }})
}

func TestRejoin(t *testing.T) {
	o := failover.Rejoin{Epoch: 5, Boot: 9, Primary: 12}
	isObeyed(t, standby, o, []Act{BeginRejoin{o}}, otherBoot, sealed, notHere, ordered, promotes,
		guard{"a newer epoch is known", func(x *at) { x.s.Shared.Epoch = 6 }})
}

func TestCompareAndWatch(t *testing.T) {
	o := failover.Compare{Epoch: 5, Boot: 9, Member: 11, Follow: 4, Record: failover.Record{LSN: 0x5000, CRC: 8}}
	isObeyed(t, primary, o, []Act{LookUp{o}}, otherBoot)
	for _, c := range []struct {
		name string
		have bool
		ends failover.Record
		want bool
	}{
		{"the same record", true, o.Record, true},
		{"another record", true, failover.Record{LSN: 0x5000, CRC: 9}, false},
		{"none ends there", true, failover.Record{}, false},
		{"its WAL is gone", false, o.Record, false},
	} {
		if got, want := Compared(o, c.have, c.ends), (failover.Compared{Member: 11, Boot: 4, Have: c.have, Equal: c.want}); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
	o.Record.From, o.Record.Sum = 0x3000, 7
	for _, c := range []struct {
		name        string
		have        bool
		ends        failover.Record
		there, want bool
	}{
		{"all of it", true, o.Record, true, true},
		{"another one before", true, failover.Record{LSN: 0x5000, CRC: 8, From: 0x3000, Sum: 6}, true, false},
		{"the same record, and what was before is gone", true, failover.Record{LSN: 0x5000, CRC: 8}, false, false},
		{"another record, and what was before is gone", true, failover.Record{LSN: 0x5000, CRC: 9}, true, false},
		{"all is gone", false, failover.Record{}, false, false},
	} {
		if got, want := Compared(o, c.have, c.ends), (failover.Compared{Member: 11, Boot: 4, Have: c.there, Equal: c.want}); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
	if Compared(failover.Compare{}, true, failover.Record{}).Equal {
		t.Error("a follower without a record has an equal one")
	}
	w, x := failover.Watch{Epoch: 5, Member: 12}, standby()
	x.s = Seen{Down: true}
	if got := Obey(w, x.n, &x.m, &x.s); !reflect.DeepEqual(got, []Act{WatchPort{w}}) {
		t.Errorf("who has no server does %+v", got)
	}
}

func TestRemoved(t *testing.T) {
	x := primary()
	if got := Removed(x.n, &x.s); !reflect.DeepEqual(got, []Act{Restart{ToRemove}}) {
		t.Errorf("it does %+v", got)
	}
	for _, g := range []guard{noWrites, {"takes no part", func(x *at) { x.n.Data.Joined = false }}} {
		x := primary()
		if g.spoil(&x); Removed(x.n, &x.s) != nil {
			t.Errorf("it is restarted: %s", g.name)
		}
	}
}

// What is remembered of an act is remembered right before it.
func TestMemory(t *testing.T) {
	token := failover.Token{Epoch: 5, Boot: 3, Member: 11, Follow: 9}
	names := failover.Names{Epoch: 5, Boot: 9, W: 1}
	m := Memory{Lacks: true, Ended: true}
	for _, c := range []struct {
		act  Act
		want Memory
	}{
		{Stream{Token: token}, Memory{Follows: token}},
		{PutNames{names}, Memory{Follows: token, Names: names}},
		{EndSources{}, Memory{Names: names}},
		{Promote{5, 4}, Memory{Names: names, Promoting: 5}},
		{NoteData{}, Memory{Names: names, Promoting: 5}},
	} {
		if m.Does(c.act); !reflect.DeepEqual(m, c.want) {
			t.Errorf("after %T it remembers %+v, want %+v", c.act, m, c.want)
		}
	}
	m = Memory{Promoting: 5, Fork: 1, Follows: token, Lacks: true, Ended: true, Founding: 5, FoundingEnd: 9, Names: names, Damage: failover.QuarantinedUnguarded}
	if m.Starts(); !reflect.DeepEqual(m, Memory{Names: names, Damage: failover.QuarantinedUnguarded}) {
		t.Errorf("a start leaves %+v", m)
	}
}

// Every cause of a restart has its words.
func TestCausesHaveWords(t *testing.T) {
	seen := map[string]bool{}
	for c := range causes + 1 {
		if s := c.String(); seen[s] || (s == "unknown") != (c == causes) {
			t.Errorf("cause %d says %q", c, s)
		} else {
			seen[s] = true
		}
	}
}
