package failover

import (
	"reflect"
	"testing"
)

// Ways to lose a commit, or to be stuck, that a reading of this package with nothing
// else in mind has found. Each test fails without its mend.

// fence is what F3 says of a commit that is flushed here and by nobody else, as the
// host fills it in from what is shared.
func fence(x Shared, lease bool) AckVerdict {
	return F3{Failover: x.Failover, Open: x.Open, Flushed: true, W: x.Set.W, Lease: x.LeaseCounts && lease, Same: true}.Verdict()
}

// The engine of an open primary starts again while a commit waits for its standbys. It
// leads again before the log knows its new boot: a set that is not published yet is not
// a set of nobody.
func TestNothingIsAcknowledgedBeforeReopen(t *testing.T) {
	serve := func(v *Server) { v.Recovery, v.Flushed = false, 500 }
	d := sit(opened(t), a).server(serve)
	d.ticks(1)
	if got := fence(d.out.Shared, true); got != Hold {
		t.Fatalf("nobody has flushed it: %v", got)
	}
	d.m = New(d.m.cfg, 2, d.a.Now)
	for range 2 { // before its server is reported, and after
		d.ticks(1)
		if got := fence(d.out.Shared, true); got != Hold {
			t.Errorf("the log does not know boot 2 yet: %v for %+v", got, d.out.Shared)
		}
		d.server(serve)
	}
	d.do(with(describe(a), func(d *Describe) { d.Boot = 2 }))
	if d.ticks(20); d.out.Why.Reason != BootUnknown {
		t.Errorf("because %v", d.out.Why.Reason)
	}
	d.do(Reopen{1, a, 2})
	if d.ticks(1); !d.out.Shared.Open {
		t.Errorf("%+v", d.out.Shared)
	}
}

// The engine of an open primary starts again with a state from before failover was
// enabled, as what is committed is not known yet. Its server writes on, and has not
// been reported: it may take part.
func TestFencedBeforeTheServerIsReported(t *testing.T) {
	d := sit(described(t), a)
	d.a.Current, d.a.Leads, d.a.Lease, d.a.Leader = false, false, false, 0
	d.ticks(1)
	x := d.out.Shared
	if got := fence(x, true); got != Hold {
		t.Errorf("a commit of the open epoch: %v for %+v", got, x)
	}
	if got := (F1{Failover: x.Failover, Joined: x.Joined, Primary: x.Primary, Open: x.Open}).Verdict(); got != Wait {
		t.Errorf("a commit begins: %v for %+v", got, x)
	}
	d.server(func(v *Server) { v.Joined = false }).ticks(1)
	if d.out.Shared.Failover {
		t.Errorf("a server that takes no part is fenced: %+v", d.out.Shared)
	}
}

// What a follower's former engine told comes late, when the follower streams already
// and claims no more: it is counted all the same.
func TestOldBootComesLate(t *testing.T) {
	claim := func(boot uint64) Told {
		return with(standby(), func(t *Told) {
			t.Boot, t.Claim = boot, &Claim{Epoch: 2, Noted: 1, History: []Branch{{1, 0}}, End: 400, Record: Record{LSN: 400, CRC: 7}}
		})
	}
	d := promoted(t).there(claim(2), c)
	d.ticks(1)
	d.m.Compared(Compared{Member: c, Boot: 2, Have: true, Equal: true})
	d.ticks(1)
	want := []Token{{2, 1, c, 2}}
	if !reflect.DeepEqual(d.m.announced, want) {
		t.Fatalf("announced are %v", d.m.announced)
	}
	d.there(with(standby(), func(t *Told) { t.Boot = 2 }), c) // it streams
	d.m.Hear(c, claim(1), d.a.Now)
	d.m.Decide(d.a)
	if d.ticks(1); !reflect.DeepEqual(d.m.announced, want) {
		t.Errorf("announced are %v", d.m.announced)
	}
}

// The only member of a forked epoch's set is quarantined, and follows no more: another
// epoch has another set.
func TestForkedWithASetThatCannotFlush(t *testing.T) {
	d := sit(forked(t), b).there(standby(), a, c).there(Told{Boot: 1}, w)
	d.server(func(v *Server) { v.Recovery, v.History = false, fork2 }).nothing(10, Nothing)
	d.do(Quarantine{c, QuarantinedUnnoted, d.s.Epoch.Number})
	d.nothing(19, Nothing).expect(1, Begin{3}, 0)
}

// A set's member counts in step 2 by being there. If none of R has any WAL of the last
// open epoch, data went back without anybody noticing: nobody has what it acknowledged.
func TestNobodyHasTheLastOpenEpoch(t *testing.T) {
	x := forked(t).do(Open{2, b, 0}, Begin{3}, Report{3, a, 1, Position{1, 500}, nil}, Report{3, c, 1, Position{1, 500}, nil})
	if got := x.apply(Grant{3, c, one(a)}); got.Void != VoidTooFew {
		t.Fatalf("granted: %v", got.Void)
	}
	d := sit(x, w).there(standby(), a, c)
	d.ticks(1)
	d.nothing(40, ReportsMissing)
	x.do(Report{3, c, 2, Position{2, 510}, nil}, Grant{3, c, one(a)})
}

// Data that went back, and that only a clone mends, is made anew from the primary of an open
// epoch, and else waits: nothing else ends that, as a server reports nothing until then.
func TestUntrustedDataIsMadeAnew(t *testing.T) {
	back := func(v *Server) { v.Untrusted, v.OnlyClone, v.Sealed, v.End = true, true, 2, 300 }
	x := forked(t)
	d := sit(x, c).server(back).once().orders().why(UntrustedData)
	rejoin := Rejoin{Epoch: 2, Boot: 1, Primary: b, Address: "host=2", History: fork2, Notes: []Note{{1, 1}, {2, 2}}, Clone: true}
	d.ticks(20)
	d.orders(rejoin) // the epoch waits for it
	e := sit(x, a).server(back).once()
	e.ticks(50)
	e.orders().why(UntrustedData) // but not for this one, and may never open
	x.do(Open{2, b, 0})
	d.once().orders(rejoin)
	if d.m.Tells(d.a).Claim != nil {
		t.Error("it claims that it is a prefix")
	}
	d.server(func(v *Server) { back(v); v.Streaming = true }).once().orders(Seal{1, 1})
	x.do(Quarantine{Member: c, Reason: QuarantinedByOperator})
	d.server(back).once().orders()
	sit(x, b).server(back).once().orders().why(UntrustedData) // the primary itself
	x.do(Begin{3})
	sit(x, b).server(back).once().orders().why(UntrustedData)
}

// Two servers are left, both are needed, and one has to make its data anew: it is put
// into the set, as no epoch would ever open for it to do so. One that does not is better.
func TestUntrustedDataIsNeeded(t *testing.T) {
	back := with(standby(), func(t *Told) { t.Untrusted = true })
	d := witness(t).gone(b).there(back, c).there(standby(), a).expect(1, Begin{2}, 0)
	d.do(Begin{2}, Report{2, a, 1, Position{1, 500}, nil})
	d.expect(9, Grant{2, a, one(c)}, 0)
	d = witness(t).there(back, c).there(standby(), a).expect(1, Begin{2}, 0)
	d.do(Begin{2}, Report{2, a, 1, Position{1, 500}, nil}, Report{2, b, 1, Position{1, 500}, nil})
	d.expect(1, Grant{2, a, one(b)}, 0)
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.Durability = Preferred })})
	d.gone(b).ticks(40)
	if set, ok := d.m.set(a, d.a); !ok || set.W != 0 {
		t.Errorf("preferred: %+v", set)
	}
}

// The greatest of R is heard, and its server is not: that is waited for no longer
// than seal_timeout and failover_delay, if the others would pass without it.
func TestGreatestHasNoServer(t *testing.T) {
	d := sit(begun(t), w).there(primary(), a).there(Told{Boot: 2}, b).there(standby(), c)
	d.do(Report{2, a, 1, Position{1, 450}, nil})
	got := d.ticks(100)
	if e, ok := d.out.Append.(Begin); !ok || e.Epoch != 3 {
		t.Fatalf("after %d ticks: %+v, because %v", got, d.out.Append, d.out.Nobody)
	}
	if got < 20 {
		t.Errorf("after %d ticks", got)
	}
	// The only one that has it all is waited for.
	d = sit(begun(t), w).there(Told{Boot: 2}, b).there(standby(), c)
	d.ticks(100)
	if d.out.Nobody.Reason != GreatestAway {
		t.Errorf("%v", d.out.Nobody)
	}
}

// The last primary is among the greatest, and gone since its report: an equal that is
// there gets the epoch, without another one.
func TestEqualOfOneThatIsGone(t *testing.T) {
	d := choosing(t, at(a, 500), at(b, 500), at(c, 400)).gone(a)
	d.expect(1, Grant{2, b, one(c)}, 0)
}

// required never lowers W: not where the leader read the settings before they were
// changed, either.
func TestRequiredAsItIsApplied(t *testing.T) {
	x := begun(t)
	if got := x.apply(Grant{2, b, Set{0, []uint64{a}}}); got.Void != VoidSetTooSmall {
		t.Errorf("granted with W = 0: %v", got.Void)
	}
	x.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.SyncCount = 2 })})
	if got := x.apply(Grant{2, b, one(c)}); got.Void != VoidSetTooSmall {
		t.Errorf("granted with W = 1 of 2: %v", got.Void)
	}
	x.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.Durability = Preferred })}, Grant{2, b, Set{}})
	x = described(t)
	if got := x.apply(with(first, func(e *Enable) { e.Set.W = 0 })); got.Void != VoidSetTooSmall {
		t.Errorf("enabled with W = 0: %v", got.Void)
	}
	x.do(with(first, func(e *Enable) { e.Set, e.Settings.Durability = Set{}, Preferred }))
}

// A server whose Raft store is lost and whose data says that it takes part: nobody lets it
// write as a plain one, whoever promotes it, nor shows what only it may have.
func TestOneNoteIsFenced(t *testing.T) {
	f1 := func(x Shared) BeginVerdict {
		return F1{Failover: x.Failover, Joined: x.Joined, Quarantined: x.Quarantined, Primary: x.Primary, Open: x.Open,
			Lease: x.LeaseCounts, Founding: x.Founding, Waited: true}.Verdict()
	}
	lost := func(v *Server) { v.Joined, v.OneNote, v.Noted, v.JoinedOn = false, true, 0, 1 }
	d := sit(&script{t: t}, c)
	d.a.Current = false
	d.server(func(v *Server) { lost(v); v.Recovery = false }).once()
	if x := d.out.Shared; f1(x) != Refuse || fence(x, true) != Hold || x.Reads {
		t.Errorf("promoted by hand: %+v", x)
	}
	if d.server(lost).once(); d.out.Shared.Reads {
		t.Errorf("a standby: %+v", d.out.Shared)
	}
	// Once the log is known to have failover off, it is a plain server.
	d.a.Current = true
	if d.once(); f1(d.out.Shared) != Go || !d.out.Shared.Reads {
		t.Errorf("failover is off: %+v", d.out.Shared)
	}
}
