package failover

import (
	"reflect"
	"testing"
)

// seat is a, the primary of epoch 1, with b and c announced, as its server goes on: how
// far it has flushed, and how far b and c have; nil: they do not stream.
type seat struct {
	*desk
	v     Server
	stays bool // the server does not obey
}

func tokenOf(id uint64) Token { return Token{1, 1, id, 1} }

func serving(t *testing.T, f func(*Settings)) *seat {
	x := opened(t)
	claim := with(standby(), func(t *Told) {
		t.Claim = &Claim{Epoch: 1, Noted: 1, History: []Branch{{1, 0}}, End: 400, Record: Record{LSN: 400, CRC: 7}}
	})
	d := &seat{desk: sit(x, a)}
	d.there(claim, b, c).there(Told{Boot: 1, Applied: 1000}, w)
	d.v = Server{Joined: true, Address: "host=1", Priority: 100, History: []Branch{{1, 0}}, Noted: 1, ReplayDone: true, Flushed: 500}
	d.tick(1)
	for _, id := range []uint64{b, c} {
		d.m.Compared(Compared{Member: id, Boot: 1, Have: true, Equal: true})
	}
	d.flush(500, 500, 500).tick(2)
	if d.out.Shared.Next != nil || len(d.out.Shared.Tokens) != 2 || d.change() != nil {
		t.Fatalf("%+v", d.out)
	}
	if f != nil {
		d.do(Adjust{ModeOn, with(x.s.Settings, f)})
	}
	return d
}

// flush says how far a, b and c have flushed; 0: there is no walsender.
func (d *seat) flush(own, ofB, ofC uint64) *seat {
	d.v.Flushed, d.v.Senders = own, nil
	for _, x := range []Sender{{tokenOf(b), ofB}, {tokenOf(c), ofC}} {
		if x.Flushed > 0 {
			d.v.Senders = append(d.v.Senders, x)
		}
	}
	return d
}

// tick lets the server report, and do what it was told to.
func (d *seat) tick(n int) *seat {
	for range n {
		if !d.stays {
			d.v.Decision = d.out.Shared.Decision
			for _, o := range d.out.Orders {
				if s, ok := o.(SetNames); ok {
					d.v.Names = s.Names
				}
			}
		}
		d.m.Report(d.v, d.a.Now)
		d.ticks(1)
	}
	return d
}

// change is the one that is proposed, nil if none is.
func (d *seat) change() *Change {
	for _, e := range d.out.Propose {
		if c, ok := e.(Change); ok {
			return &c
		}
	}
	return nil
}

func (d *seat) next(want *Set) *seat {
	d.t.Helper()
	if !reflect.DeepEqual(d.out.Shared.Next, want) {
		d.t.Fatalf("the set that is to follow is %v, not %v", d.out.Shared.Next, want)
	}
	return d
}

// takes lets time pass until a change is proposed, and applies it.
func (d *seat) takes(most int, want Set) *seat {
	d.t.Helper()
	for range most {
		if c := d.tick(1).change(); c != nil {
			if !c.Set.equal(want) || !d.out.Shared.Next.equal(want) {
				d.t.Fatalf("%+v, not %v", c, want)
			}
			d.do(*c)
			return d
		}
	}
	d.t.Fatalf("no change to %v in %d ticks, but %v", want, most, d.out.Shared.Next)
	return d
}

func (d *seat) quiet(n int) *seat {
	d.t.Helper()
	for range n {
		if d.tick(1).next(nil); d.change() != nil || d.v.Names.W > 2 {
			d.t.Fatalf("%+v", d.out)
		}
	}
	return d
}

// A member that does not flush what was flushed here sync_timeout ago leaves, whether it
// is connected or not; one that keeps up again joins.
func TestAwayAndBack(t *testing.T) {
	for _, ofC := range []uint64{0, 500} {
		d := serving(t, nil).quiet(50).flush(600, 600, ofC).quiet(18).takes(4, one(b))
		d.tick(1).next(nil)
		if s := d.out.Shared; !s.Set.equal(one(b)) || len(s.Tokens) != 1 {
			t.Errorf("%+v", s)
		}
		d.quiet(30).flush(700, 700, 650).quiet(1).flush(800, 800, 750).takes(4, one(b, c)).flush(800, 800, 800).quiet(50)
	}
	// One that comes later and later has been away for long.
	d := serving(t, nil).flush(600, 600, 500).takes(24, one(b)).flush(700, 700, 590).quiet(30)
	d.flush(800, 800, 610).quiet(30).flush(900, 900, 810).quiet(1).flush(950, 950, 900).takes(4, one(b, c))
}

// Nothing is flushed: a standby that stands still is not seen, and need not be.
func TestIdle(t *testing.T) { serving(t, nil).quiet(100) }

// required: nobody leaves where too few would be left; who joins makes room.
func TestRequiredKeeps(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500).takes(24, one(b)).flush(700, 600, 500).quiet(60)
	// c is there again, and b is not: commits wait for b until c has all and is in the set.
	d.flush(700, 600, 650).tick(1).flush(700, 600, 700)
	d.takes(4, one(b, c)).takes(4, one(c)).quiet(30)
}

// preferred: W falls down to 0, and rises again.
func TestPreferredLowers(t *testing.T) {
	d := serving(t, func(s *Settings) { s.Durability, s.SyncCount = Preferred, 2 }).takes(3, two(b, c)).quiet(5)
	d.flush(600, 600, 500).takes(24, one(b)).quiet(5).flush(700, 600, 500).takes(24, Set{}).quiet(50)
	d.flush(700, 600, 700).takes(4, one(c)).quiet(5).flush(700, 700, 700).takes(4, two(b, c)).quiet(50)
}

// sync_count is raised: more have to flush once they do. It is lowered.
func TestSyncCount(t *testing.T) {
	count := func(n uint32) Adjust {
		return Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.SyncCount = n })}
	}
	d := serving(t, nil).flush(600, 600, 500).takes(24, one(b))
	d.do(count(2))
	d.tick(1).next(&Set{2, []uint64{b, c}}) // at once: with fewer no commit is acknowledged any more
	d.quietly(30).flush(700, 700, 599).quietly(4).flush(700, 700, 600).takes(1, two(b, c)).flush(800, 800, 700).quiet(50)
	d.do(count(1))
	d.takes(4, one(b)).quiet(30)
	d.do(count(0))
	d.takes(4, Set{}).quiet(30)
}

// The decision is published and the names are in force before what is flushed here is
// looked at: it is that which has to be on the set that follows.
func TestWhatWasFlushedBefore(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500).tick(20)
	d.stays = true
	for range 5 {
		if d.tick(1).next(&Set{1, []uint64{b}}); d.change() != nil {
			t.Fatalf("proposed, and not published: %+v", d.change())
		}
	}
	// Published, and the names are another's.
	names := d.v.Names
	d.v.Decision = d.out.Shared.Decision
	if d.tick(3); d.change() != nil {
		t.Fatalf("proposed, and the names are not in force: %+v", d.change())
	}
	// By then more is flushed here, of which b has nothing yet.
	d.stays = false
	d.flush(900, 800, 500).tick(1)
	if d.change() != nil || reflect.DeepEqual(d.v.Names, names) || d.v.Names.W != 1 || !reflect.DeepEqual(d.v.Names.Members, []uint64{b}) {
		t.Fatalf("proposed with %+v in force: %+v", d.v.Names, d.change())
	}
	d.flush(999, 899, 500).tick(1)
	if d.change() != nil {
		t.Fatalf("proposed: %+v", d.change())
	}
	d.flush(999, 900, 500).takes(1, one(b))
}

// Whose lease is over proposes nothing.
func TestNoLeaseNoChange(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500)
	d.a.Lease = false
	if d.tick(40); d.change() != nil {
		t.Fatalf("%+v", d.change())
	}
	d.a.Lease = true
	d.takes(1, one(b))
}

// A decision that is not proposed is withdrawn; one that is, is proposed again until it is
// settled, whatever else is decided meanwhile.
func TestWithdrawn(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500)
	d.a.Lease = false
	first := d.tick(24).next(&Set{1, []uint64{b}}).out.Shared.Decision
	d.flush(600, 600, 600).quiet(5)
	d.a.Lease = true
	d.flush(700, 700, 600).quiet(15)
	for d.out.Shared.Next == nil {
		d.tick(1)
	}
	if n := d.out.Shared.Decision; n != first+1 {
		t.Errorf("decision %d follows %d", n, first)
	}
	for d.change() == nil {
		d.tick(1)
	}
	// It is lost. c is back, b goes.
	lost := *d.change()
	d.flush(900, 700, 900)
	n := 0
	for d.tick(1).change() == nil {
		d.next(&lost.Set)
		if n++; n > 20 {
			t.Fatal("it is not proposed again")
		}
	}
	if got := *d.change(); !reflect.DeepEqual(got, lost) || n < 8 {
		t.Errorf("after %d ticks %+v, not %+v", n, got, lost)
	}
	d.do(lost)
	d.takes(30, one(b, c)).quiet(1)
}

// A change that is void uses its version up, and the next one waits its time.
func TestVoidChangeIsSettled(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500)
	for d.change() == nil {
		d.tick(1)
	}
	void := *d.change()
	d.do(Quarantine{Member: b, Reason: QuarantinedByOperator})
	if got := d.apply(void); got.Void != VoidSetNotElectable {
		t.Fatal(got.Void)
	}
	d.tick(1).next(&Set{1, []uint64{c}})
	d.do(Clear{b})
	d.quietly(8).takes(4, one(b))
	if d.s.Epoch.SetVersion != 2 {
		t.Errorf("version %d", d.s.Epoch.SetVersion)
	}
}

// quietly lets time pass in which nothing is proposed.
func (d *seat) quietly(n int) *seat {
	d.t.Helper()
	for range n {
		if d.tick(1).change() != nil {
			d.t.Fatalf("proposed: %+v", d.change())
		}
	}
	return d
}

// Who wants to leave is taken out by the primary as soon as it says so, where enough are
// left, and is not taken in again.
func TestLeaves(t *testing.T) {
	leaves := with(standby(), func(t *Told) { t.Leaves = true })
	d := serving(t, nil)
	d.there(leaves, c)
	d.takes(4, one(b)).quiet(50)
	d.do(with(describe(c), func(d *Describe) { d.Priority = 0 }))
	d.there(leaves, b)
	d.quiet(50) // it is the last one, and required
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.Durability = Preferred })})
	d.takes(4, Set{}).quiet(30)
	d.do(with(describe(b), func(d *Describe) { d.Priority = 0 }))
}

// Who is quarantined leaves, though a set may not name it on the way.
func TestQuarantinedLeaves(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500).takes(24, one(b))
	d.flush(700, 600, 700).tick(1).flush(700, 600, 700)
	d.do(Quarantine{Member: b, Reason: QuarantinedByOperator})
	d.takes(4, one(c))
	if got := d.v.Names; got.W != 2 {
		t.Errorf("the names while commits counted for both: %+v", got)
	}
	d.quiet(20)
	// Nobody else is there: it stays, and commits wait.
	d.do(Clear{b})
	d.flush(800, 500, 800).quiet(20)
	d.do(Quarantine{Member: c, Reason: QuarantinedByOperator})
	d.quiet(40)
}

// An engine that restarts alone has forgotten what it had decided. It publishes nothing
// before the log knows its boot; then what it had proposed is void.
func TestEngineForgets(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500)
	for d.change() == nil {
		d.tick(1)
	}
	late := *d.change()
	d.m = New(d.m.cfg, 2, d.a.Now)
	d.do(with(describe(a), func(d *Describe) { d.Boot = 2 }))
	d.out = Output{}
	d.tick(3)
	if s := d.out.Shared; s.Open || s.Set.Members != nil || s.Next != nil || s.Decision != 0 {
		t.Fatalf("%+v", s)
	}
	d.do(Reopen{1, a, 2})
	if got := d.apply(late); got.Void != VoidOldBoot {
		t.Errorf("the change of the engine before: %v", got.Void)
	}
	d.tick(1).next(nil)
	if s := d.out.Shared; !s.Open || !s.Set.equal(one(b, c)) {
		t.Errorf("%+v", s)
	}
}

// In an epoch that can open nothing is changed before it does. One whose set does not come
// goes on with who is there.
func TestChangeBeforeOpen(t *testing.T) {
	claim := &Claim{Epoch: 2, Noted: 1, History: []Branch{{1, 0}}, End: 400, Record: Record{LSN: 400, CRC: 7}}
	tokens := []Token{{2, 1, a, 1}, {2, 1, c, 1}}
	d := promoted(t).there(with(standby(), func(t *Told) { t.Claim = claim }), a, c)
	d.ticks(1)
	d.m.Compared(Compared{Member: a, Boot: 1, Have: true, Equal: true})
	d.m.Compared(Compared{Member: c, Boot: 1, Have: true, Equal: true})
	on := func(ofA, ofC uint64) {
		v := Server{Joined: true, Address: "host=2", Priority: 100, History: fork2, Noted: 2, Flushed: 510, Fork: 510, Decision: d.out.Shared.Decision,
			Names: with(d.m.server.Names, func(n *Names) {
				for _, o := range d.out.Orders {
					if s, ok := o.(SetNames); ok {
						*n = s.Names
					}
				}
			}),
			Senders: []Sender{{tokens[0], ofA}, {tokens[1], ofC}}}
		d.m.Report(v, d.a.Now)
		d.ticks(1)
	}
	on(400, 510)
	on(510, 510)
	if d.proposes(Open{2, b, 0}); d.out.Shared.Next != nil {
		t.Errorf("%+v", d.out.Shared)
	}
	// c says no more, and Open was lost: a joins, c leaves.
	for n := 0; len(d.out.Propose) == 0 || d.out.Propose[0] == (Open{2, b, 0}); n++ {
		if on(510, 0); n > 30 {
			t.Fatal("the set is not changed")
		}
	}
	d.proposes(Change{2, b, 1, 1, one(a, c)})
	d.do(Change{2, b, 1, 1, one(a, c)})
	on(510, 0)
	on(510, 0)
	d.proposes(Open{2, b, 1})
}

// A set that somebody asks for goes in place of the usual one, until that is over.
func TestWantedSet(t *testing.T) {
	d := serving(t, nil)
	d.m.wants, d.m.want = true, one(c)
	d.takes(4, one(c)).quiet(50)
	d.m.wants = false
	d.takes(4, one(b, c)).quiet(10)
}
