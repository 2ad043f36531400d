package failover

import (
	"reflect"
	"testing"
)

// once decides, a tick later, as a member that does not lead.
func (d *desk) once() *desk {
	d.a.Leads, d.a.Lease, d.a.Leader = false, false, a
	d.ticks(1)
	return d
}

// orders expects exactly these; watching the primary's port is not among them.
func (d *desk) orders(want ...Order) *desk {
	d.t.Helper()
	var got []Order
	for _, o := range d.out.Orders {
		if _, ok := o.(Watch); !ok {
			got = append(got, o)
		}
	}
	if !reflect.DeepEqual(got, want) {
		d.t.Fatalf("orders %T%+v\nwant   %T%+v\nbecause %v", got, got, want, want, d.out.Why)
	}
	return d
}

func (d *desk) proposes(want ...Entry) *desk {
	d.t.Helper()
	if !reflect.DeepEqual(d.out.Propose, want) {
		d.t.Fatalf("proposes %T%+v\nwant     %T%+v\nbecause %v", d.out.Propose, d.out.Propose, want, want, d.out.Why)
	}
	return d
}

func (d *desk) why(y WhyNot) *desk {
	d.t.Helper()
	if d.out.Why.Reason != y {
		d.t.Fatalf("because %v, not %v", d.out.Why.Reason, y)
	}
	return d
}

// streams is a standby that follows a in epoch 1.
func streams(v *Server) { v.Streaming, v.Follows = true, Token{1, 1, c, 1} }

func TestNothingWithoutFailover(t *testing.T) {
	d := sit(&script{t: t}, c).once().orders().proposes()
	if !reflect.DeepEqual(d.out.Shared, Shared{Boot: 1, Reads: true}) {
		t.Errorf("%+v", d.out.Shared)
	}
	d.server(func(v *Server) { v.Joined = false }).once().orders().proposes()
	d = sit(described(t), c).server(nil).once().orders().proposes()
	if d.out.Shared.Failover {
		t.Errorf("%+v", d.out.Shared)
	}
}

// A member says what it is when the log has it otherwise, but nothing that is void.
func TestDescribes(t *testing.T) {
	d := sit(&script{t: t}, c).server(nil).once().proposes(describe(c))
	d.ticks(9)
	d.proposes().once().proposes(describe(c)) // again after an election timeout
	d.do(describe(c))
	d.once().proposes()
	d.m = New(d.m.cfg, 2, d.a.Now)
	d.do(with(describe(c), func(d *Describe) { d.Boot = 3 }))
	d.server(nil).once().proposes()                                                    // the log knows a later boot: this is a copy
	d = sit(opened(t), c).server(func(v *Server) { v.Priority = 0 }).once().proposes() // the set names it
	d.server(func(v *Server) { v.Priority = 50 }).once().proposes(with(describe(c), func(d *Describe) { d.Priority = 50 }))
}

// One whose boot numbers have begun anew, or a copy of it, takes no WAL, and says why.
func TestBootThatIsOver(t *testing.T) {
	d := sit(opened(t), c).server(streams).once().proposes().orders()
	d.do(with(describe(c), func(d *Describe) { d.Boot = 3 }))
	d.once().proposes().orders(Seal{1, 0}).why(UntrustedData)
	d.server(nil).once().proposes().orders().why(UntrustedData)
}

// It seals, and reports only then; what streams still is sealed first.
func TestSealsBeforeItReports(t *testing.T) {
	d := sit(opened(t).do(Begin{2}), c).server(streams).once().orders(Seal{1, 1}).proposes()
	d.server(func(v *Server) { streams(v); v.Sealed = 1 }).once().orders(Seal{1, 1}).proposes()
	d.server(func(v *Server) { v.Streaming, v.Sealed = true, 1 }).once().orders(Seal{1, 1}).proposes()
	d.server(func(v *Server) { v.Sealed, v.Untrusted = 1, true }).once().orders().proposes().why(UntrustedData)
	report := Report{2, c, 1, Position{1, 500}, nil}
	d.server(func(v *Server) { v.Sealed = 1 }).once().orders().proposes(report)
	d.do(report)
	d.once().proposes()
	// A later boot reports anew.
	d.m = New(d.m.cfg, 2, d.a.Now)
	d.do(with(describe(c), func(d *Describe) { d.Boot = 2 }))
	d.server(func(v *Server) { v.Sealed = 1 }).once().proposes(Report{2, c, 2, Position{1, 500}, nil})
	// One that is not electable does not.
	d.do(Quarantine{Member: c, Reason: QuarantinedByOperator})
	d.ticks(20)
	d.proposes().orders()
	// It takes no WAL from anybody, and goes on where it can once that is over.
	d.server(func(v *Server) { v.Sealed, v.Streaming, v.Follows = 1, true, Token{2, 1, c, 2} }).once().orders(Seal{2, 1})
}

// A member that was away finds the epoch granted, or open: it seals all the same.
func TestSealsLate(t *testing.T) {
	sit(granted(t), c).server(nil).once().orders(Seal{1, 1})
	d := sit(granted(t), c).server(streams).once().orders(Seal{1, 1})
	d.server(func(v *Server) { v.Sealed = 1 }).once().orders().proposes()
	sit(forked(t).do(Open{2, b, 0}), c).server(streams).once().orders(Seal{1, 1})
}

// A report says which forks the WAL is on, and as whose it was noted.
func TestReportsItsLineage(t *testing.T) {
	on := func(f func(*Server)) *desk {
		return sit(lonely(t), c).server(func(v *Server) { v.Sealed = 2; f(v) }).once()
	}
	fork := []Branch{{1, 0}, {2, 500}}
	on(func(v *Server) { v.History, v.End, v.Noted = fork, 600, 2 }).proposes(Report{3, c, 1, Position{2, 600}, []Branch{{2, 500}}})
	unnoted := Quarantine{c, QuarantinedUnnoted, 3}
	on(func(v *Server) { v.History, v.End, v.Noted = fork, 600, 0 }).proposes(unnoted)
	on(func(v *Server) { v.History, v.End, v.Noted = fork, 600, 1 }).proposes(unnoted)
	on(func(v *Server) { v.History, v.Noted = []Branch{{1, 0}, {9, 500}}, 0 }).proposes(unnoted)
	on(func(v *Server) { v.History, v.Noted = nil, 0 }).proposes(unnoted)
	on(func(v *Server) { v.Noted = 0 }).proposes(unnoted)
	// What it joined with is its owner's only if it is the owner, or once that was compared.
	on(func(v *Server) { v.Noted, v.JoinedOn = 0, 1 }).proposes(Report{3, c, 1, Position{0, 500}, nil})
	on(func(v *Server) { v.Noted, v.JoinedOn, v.Wrote = 0, 1, true }).proposes(Report{3, c, 1, Position{1, 500}, nil})
	on(func(v *Server) { v.Noted, v.JoinedOn = 7, 1 }).proposes(Report{3, c, 1, Position{0, 500}, nil})
	on(func(v *Server) { v.Damage = QuarantinedUnguarded }).proposes(Quarantine{Member: c, Reason: QuarantinedUnguarded}) // either may be lost
	// A timeline that the log has forgotten is still whose it was noted for.
	on(func(v *Server) { v.History, v.Noted = []Branch{{7, 0}}, 1 }).proposes(Report{3, c, 1, Position{1, 500}, []Branch{{7, 0}}})
}

// A server that writes where it should not boots as a standby.
func TestDemotes(t *testing.T) {
	writes := func(v *Server) { v.Recovery, v.Flushed = false, 500 }
	sit(opened(t).do(Begin{2}), a).server(writes).once().orders(Demote{2, 1})
	sit(granted(t), a).server(writes).once().orders(Demote{2, 1})
	sit(granted(t), b).server(writes).once().orders(Demote{2, 1}) // still on its old timeline
	sit(opened(t), c).server(writes).once().orders(Demote{1, 1})
	sit(opened(t), a).server(func(v *Server) { writes(v); v.Joined = false }).once().orders(Demote{1, 1})
	d := sit(opened(t).do(Quarantine{Member: a, Reason: QuarantinedByOperator}), a).server(writes).once().orders(Demote{1, 1})
	if !d.out.Shared.Quarantined {
		t.Error("the fence does not know of the quarantine")
	}
}

// A follower claims, and follows once the primary has announced it.
func TestFollows(t *testing.T) {
	d := sit(forked(t), c).there(with(primary(), func(t *Told) { t.Timeline = 2 }), b)
	d.server(func(v *Server) { v.Sealed, v.End, v.Record = 1, 400, Record{LSN: 400, CRC: 7} }).once().orders().why(NotAnnounced)
	want := &Claim{Epoch: 2, Noted: 1, History: []Branch{{1, 0}}, End: 400, Record: Record{LSN: 400, CRC: 7}}
	if got := d.m.Tells(d.a).Claim; !reflect.DeepEqual(got, want) {
		t.Fatalf("it claims %+v", got)
	}
	token := Token{2, 1, c, 1}
	for _, other := range []Token{{1, 1, c, 1}, {2, 2, c, 1}, {2, 1, a, 1}, {2, 1, c, 2}} {
		d.there(with(primary(), func(t *Told) { t.Announced, t.Denied = []Token{other}, []Token{other} }), b).once().orders().proposes().why(NotAnnounced)
	}
	d.there(with(primary(), func(t *Told) { t.Announced = []Token{token} }), b).once()
	d.orders(Follow{Token: token, Primary: b, Address: "host=2", History: []Branch{{1, 0}, {2, 500}}, Notes: []Note{{1, 1}, {2, 2}}})
	d.server(func(v *Server) { v.Sealed, v.Streaming, v.Follows = 1, true, token }).once().orders().why(Nothing)
	// The primary's engine starts again: its names hold other tokens.
	d.do(Reopen{2, b, 5})
	d.once().orders(Seal{1, 1})
	// Streaming from anywhere else ends too.
	d.server(func(v *Server) { v.Sealed, v.Streaming = 1, true }).once().orders(Seal{1, 1})
	if d.m.Tells(d.a).Claim != nil {
		t.Error("it claims while it streams")
	}
}

// One whose record is not the primary's is quarantined, and never made anew by itself: it
// may be the one who has what was acknowledged.
func TestDeniedIsQuarantined(t *testing.T) {
	d := sit(forked(t).do(Open{2, b, 0}), c)
	d.there(with(primary(), func(t *Told) { t.Timeline, t.Denied = 2, []Token{{2, 1, c, 1}} }), b)
	d.server(func(v *Server) { v.Sealed, v.End, v.Record = 1, 400, Record{LSN: 400, CRC: 7} }).once()
	d.orders().proposes(Quarantine{c, QuarantinedOtherRecord, 2}).why(NotAnnounced)
	d.ticks(9)
	d.orders().proposes()
	d.once().proposes(Quarantine{c, QuarantinedOtherRecord, 2}) // the first one was lost
	d.do(Quarantine{c, QuarantinedOtherRecord, 2})
	d.ticks(20)
	d.orders().proposes()
	if d.m.Tells(d.a).Claim != nil {
		t.Error("it claims still")
	}
	// Clearing it helps nothing while its data is what it is.
	d.do(Clear{c})
	d.once().orders().proposes(Quarantine{c, QuarantinedOtherRecord, 2})
	// Of a primary that is quarantined itself the word counts no more.
	d.do(Quarantine{Member: b, Reason: QuarantinedByOperator})
	d.ticks(20)
	d.orders().proposes().why(NotAnnounced)
}

// WAL that is no prefix is made anew, from an open epoch's primary, or for an epoch
// that waits for this very member.
func TestRejoins(t *testing.T) {
	past := func(v *Server) { v.Sealed, v.End = 1, 501 }
	rejoin := Rejoin{Epoch: 2, Boot: 1, Primary: b, Address: "host=2", History: []Branch{{1, 0}, {2, 500}},
		Notes: []Note{{1, 1}, {2, 2}}}
	d := sit(forked(t), c).server(past).once().orders().why(MustRejoin)
	d.ticks(19)
	d.orders().why(MustRejoin).once().orders(rejoin)
	d = sit(forked(t), a).server(past)
	d.a.Leads = false
	d.ticks(50)
	d.orders().why(MustRejoin) // the set does not name it
	d.do(Open{2, b, 0})
	d.once().orders(rejoin)
	if d.m.Tells(d.a).Claim != nil {
		t.Error("it claims that it is a prefix")
	}
}

// Whom a primary counts: by the history and the notes, by the end, by the last record.
func TestJudge(t *testing.T) {
	s := &forked(t).do(Open{2, b, 0}).s
	good := Claim{Epoch: 2, Noted: 1, History: []Branch{{1, 0}}, End: 500}
	claim := func(f func(*Claim)) Claim { return with(good, f) }
	for _, x := range []struct {
		name        string
		claim       Claim
		flushed     uint64
		have, equal bool
		want        Announced
	}{
		{"a part", good, 600, true, true, MayFollow},
		{"the record is gone here", good, 600, false, false, MayFollow},
		{"another record", good, 600, true, false, OtherRecord},
		{"another epoch", claim(func(c *Claim) { c.Epoch = 1 }), 600, true, true, OtherEpoch},
		{"past the switch", claim(func(c *Claim) { c.End = 501 }), 600, true, true, TooFar},
		{"past the primary's flush", good, 499, true, true, TooFar},
		{"on the new timeline", claim(func(c *Claim) { c.Noted, c.History, c.End = 2, []Branch{{1, 0}, {2, 500}}, 600 }), 600, true, true, MayFollow},
		{"there, past the flush", claim(func(c *Claim) { c.Noted, c.History, c.End = 2, []Branch{{1, 0}, {2, 500}}, 601 }), 600, true, true, TooFar},
		{"by hand to the same number", claim(func(c *Claim) { c.Noted, c.History, c.End = 0, []Branch{{1, 0}, {2, 500}}, 600 }), 600, true, true, OtherHistory},
		{"noted for another", claim(func(c *Claim) { c.Noted, c.History, c.End = 1, []Branch{{1, 0}, {2, 500}}, 600 }), 600, true, true, OtherHistory},
		{"another switch", claim(func(c *Claim) { c.Noted, c.History = 2, []Branch{{1, 0}, {2, 400}} }), 600, true, true, OtherHistory},
		{"another timeline", claim(func(c *Claim) { c.Noted, c.History = 2, []Branch{{1, 0}, {3, 400}} }), 600, true, true, OtherHistory},
		{"of before failover", claim(func(c *Claim) { c.Noted = 0 }), 600, true, true, OtherHistory},
		{"and all of it compared", claim(func(c *Claim) { c.Noted, c.Record.From = 0, 1 }), 600, true, true, MayFollow},
		{"and it is another", claim(func(c *Claim) { c.Noted, c.Record.From = 0, 1 }), 600, true, false, OtherRecord},
		{"no history", claim(func(c *Claim) { c.History = nil }), 600, true, true, OtherHistory},
	} {
		if got := s.Judge(&x.claim, x.flushed, x.have, x.equal); got != x.want {
			t.Errorf("%s: %d, want %d", x.name, got, x.want)
		}
	}
	if got := granted(t).s.Judge(&good, 600, true, true); got != OtherEpoch {
		t.Errorf("before the fork: %d", got)
	}
}

func TestHistories(t *testing.T) {
	h := []Branch{{1, 0}, {2, 500}, {5, 900}}
	for lsn, want := range map[uint64]uint32{0: 1, 499: 1, 500: 2, 899: 2, 900: 5, 9999: 5} {
		if got := Owner(h, lsn); got != want {
			t.Errorf("LSN %d is on timeline %d, want %d", lsn, got, want)
		}
	}
	if Owner([]Branch{{2, 500}}, 499) != 0 {
		t.Error("an LSN before all timelines has an owner")
	}
	if _, ok := Ends(h, 3); ok {
		t.Error("a timeline that is not in the history ends")
	}
	for _, x := range []struct {
		own  []Branch
		end  uint64
		of   []Branch
		want Relation
	}{
		{h[:2], 900, h, Prefix}, {h[:2], 901, h, Diverged}, {h, 5000, h, Prefix}, {h, 5000, h[:2], Diverged},
		{[]Branch{{1, 0}, {3, 500}}, 501, h, Diverged}, {[]Branch{{4, 0}}, 5, h, Unrelated}, {nil, 0, h, Unrelated}, {h, 5, nil, Unrelated},
		{h[:2], 900, h[1:], Prefix}, // the log keeps no more
		{h[:1], 100, h[1:], Unrelated},
	} {
		if got := Relate(x.own, x.end, x.of); got != x.want {
			t.Errorf("%v to %d in %v: %d, want %d", x.own, x.end, x.of, got, x.want)
		}
	}
}

// Until the log has been read, a server whose engine has started seals and does no
// more: what the state says may be long over. Its fence is up all the same.
func TestLogUnread(t *testing.T) {
	unread := func(x *script, id uint64, f func(*Server)) *desk {
		d := sit(x, id).server(f)
		d.a.Current = false
		return d.once()
	}
	writes := func(v *Server) { v.Recovery, v.Flushed = false, 500 }
	d := unread(opened(t).do(Begin{2}), a, writes).orders().why(LogUnread)
	d.a.Current = true
	d.once().orders(Demote{2, 1})
	unread(opened(t).do(Begin{2}), c, streams).orders(Seal{1, 1})
	unread(opened(t).do(Begin{2}), c, func(v *Server) { v.Sealed = 1 }).orders().proposes().why(LogUnread)
	if d = unread(described(t), a, writes); !d.out.Shared.Failover {
		t.Error("a server that takes part is not fenced")
	}
	if d.a.Current = true; d.once().out.Shared.Failover {
		t.Error("failover is off")
	}
}

// Where failover is enabled again on a timeline, what was noted for an epoch of before is its
// owner's as far as anybody knows: much may have come in between.
func TestJoinedOn(t *testing.T) {
	again := with(first, func(e *Enable) { e.Epoch, e.LSN = 2, 700 })
	d := sit(opened(t).do(Disable{1}, again, Begin{3}), c)
	for wrote, epoch := range map[bool]uint64{false: 1, true: 2} {
		d.server(func(v *Server) { v.Sealed, v.Noted, v.JoinedOn, v.Wrote = 2, 1, 1, wrote }).once().proposes(Report{3, c, 1, Position{epoch, 500}, nil})
		d.m.sent = nil
	}
}
