package failover

import (
	"reflect"
	"testing"
)

var fork2 = []Branch{{1, 0}, {2, 500}}

func noTokens(boot uint64) Names {
	return Names{Epoch: 2, Boot: boot, W: 1, Members: []uint64{c}, Number: 1}
}

// The grantee sets the names, then promotes, at the LSN that it was granted, and says
// so; in between it may have to say that its engine started again.
func TestPromotes(t *testing.T) {
	d := sit(granted(t), b).server(func(v *Server) { v.Sealed = 1 }).once().orders(SetNames{noTokens(1)})
	named := func(v *Server) { v.Sealed, v.Names = 1, noTokens(1) }
	promote := Promote{Epoch: 2, Boot: 1, LSN: 500, History: fork2}
	d.server(named).once().orders(promote).proposes()
	d.server(func(v *Server) { named(v); v.End = 501 }).once().orders().why(UntrustedData)
	d.server(func(v *Server) { named(v); v.Noted = 0 }).once().orders().proposes(Quarantine{b, QuarantinedUnnoted, 2})
	d.server(func(v *Server) { named(v); v.Streaming = true }).once().orders(Seal{1, 1})
	d.server(func(v *Server) { named(v); v.History, v.Noted = fork2, 2 }).once().orders().proposes().why(Nothing) // it has begun, and crashed
	d.server(func(v *Server) {
		named(v)
		v.Recovery, v.History, v.Noted, v.Flushed, v.Fork = false, fork2, 2, 510, 510
	}).once()
	d.orders().proposes(Forked{2, b, fork2})

	d = sit(granted(t), b)
	d.m = New(d.m.cfg, 2, 0)
	d.do(with(describe(b), func(d *Describe) { d.Boot = 2 }))
	d.server(named).once().orders().proposes(Reopen{2, b, 2}).why(BootUnknown)
	d.do(Reopen{2, b, 2})
	d.once().orders(SetNames{noTokens(2)})
	// A boot in the log that is higher than this one is not for this engine to mend.
	d.do(Reopen{2, b, 9})
	d.ticks(20)
	d.orders().proposes().why(BootUnknown)
}

// A grantee that somebody promotes by hand before its host does takes the very number, at
// the very place. It is not noted, so the WAL is nobody's: the server is demoted, and
// quarantined then. Else it would serve, and be quarantined at its next boot, with what it
// has acknowledged.
func TestGranteePromotedByHand(t *testing.T) {
	d := sit(granted(t), b)
	hand := func(v *Server) { v.Sealed, v.Names, v.History, v.Noted = 1, noTokens(1), fork2, 0 }
	d.server(func(v *Server) {
		hand(v)
		v.Recovery, v.Flushed, v.Fork = false, 510, 510
	}).once().orders(Demote{2, 1}).proposes()
	d.server(hand).once().orders().proposes(Quarantine{b, QuarantinedUnnoted, 2})
}

// promoted is b, primary of the forked epoch 2, with its lease.
func promoted(t *testing.T) *desk {
	d := sit(forked(t), b).there(standby(), a).there(Told{Boot: 1}, w)
	return d.server(func(v *Server) {
		v.Recovery, v.History, v.Noted, v.Flushed, v.Fork, v.Names = false, fork2, 2, 510, 510, noTokens(1)
	})
}

// The epoch opens once W of the set have flushed the fork, of whom it knows that they
// are a part of it, and by the lease.
func TestOpens(t *testing.T) {
	claim := &Claim{Epoch: 2, Noted: 1, History: []Branch{{1, 0}}, End: 400, Record: Record{LSN: 400, CRC: 7}}
	token := Token{2, 1, c, 1}
	names := with(noTokens(1), func(n *Names) { n.Tokens, n.Number = []Token{token}, 2 })
	d := promoted(t)
	on := func(names Names, senders ...Sender) *desk {
		return d.server(func(v *Server) {
			v.Recovery, v.History, v.Noted, v.Flushed, v.Fork, v.Names, v.Senders = false, fork2, 2, 510, 510, names, senders
		})
	}
	d.ticks(1)
	d.orders().proposes().why(SetMissing)
	// A flush position alone counts for nothing.
	on(noTokens(1), Sender{token, 600}).ticks(1)
	d.proposes().why(SetMissing)
	// c claims; its record is compared; it is announced.
	d.there(with(standby(), func(t *Told) { t.Claim = claim }), c).ticks(1)
	d.orders(Compare{Epoch: 2, Boot: 1, Member: c, Follow: 1, Record: Record{LSN: 400, CRC: 7}, Timeline: 1})
	d.m.Compared(Compared{Member: c, Boot: 3, Have: true, Equal: true}) // of another boot
	d.ticks(1)
	d.orders(Compare{Epoch: 2, Boot: 1, Member: c, Follow: 1, Record: Record{LSN: 400, CRC: 7}, Timeline: 1})
	d.m.Compared(Compared{Member: c, Boot: 1, Have: true, Equal: true})
	d.ticks(1)
	d.orders(SetNames{names})
	if got := d.m.Tells(d.a).Announced; !reflect.DeepEqual(got, []Token{token}) {
		t.Fatalf("announced are %v", got)
	}
	on(names, Sender{token, 509}).ticks(1)
	d.orders().proposes().why(SetMissing)
	on(names, Sender{Token{2, 1, c, 2}, 510}).ticks(1)
	d.proposes().why(SetMissing)
	d.a.Lease = false
	on(names, Sender{token, 510}).ticks(1)
	d.proposes().why(NoLease)
	d.a.Lease, d.a.Leads = true, false
	d.ticks(1)
	d.proposes().why(NoLease)
	d.a.Leads = true
	on(noTokens(1), Sender{token, 510}).ticks(1)
	d.proposes().why(SetMissing) // the names are not in force
	on(names, Sender{token, 510}).ticks(1)
	d.proposes(Open{2, b, 0})
	if d.out.Shared.Open {
		t.Error("it serves before that is applied")
	}
	d.do(Open{2, b, 0})
	d.ticks(1)
	want := Shared{Failover: true, Joined: true, Epoch: 2, Primary: true, Open: true, Boot: 1, Reads: true, LeaseCounts: true, Set: one(c), Tokens: []Token{token}, Boots: 4}
	if d.proposes().why(Nothing); !reflect.DeepEqual(d.out.Shared, want) {
		t.Errorf("%+v", d.out.Shared)
	}
	// c's engine starts again: what its old walsender says counts no more.
	d.there(with(standby(), func(t *Told) { t.Boot = 2 }), c).ticks(1)
	if got := d.m.Tells(d.a).Announced; len(got) != 0 {
		t.Errorf("announced are %v", got)
	}
}

// A follower with another record is denied, not announced; a stranger's claim is neither.
func TestNotAnnounced(t *testing.T) {
	claim := func(f func(*Claim)) Told {
		return with(standby(), func(t *Told) {
			t.Claim = &Claim{Epoch: 2, Noted: 1, History: []Branch{{1, 0}}, End: 400, Record: Record{LSN: 400, CRC: 7}}
			f(t.Claim)
		})
	}
	d := promoted(t).there(claim(func(*Claim) {}), c)
	d.ticks(1)
	d.m.Compared(Compared{Member: c, Boot: 1, Have: true})
	d.ticks(3)
	// That stays so when the host answers once more, and has that WAL no longer.
	d.m.Compared(Compared{Member: c, Boot: 1})
	d.ticks(1)
	if d.orders(); len(d.m.announced) != 0 {
		t.Errorf("announced are %v", d.m.announced)
	}
	if got := d.m.Tells(d.a).Denied; !reflect.DeepEqual(got, []Token{{2, 1, c, 1}}) {
		t.Errorf("denied are %v", got)
	}
	// Its engine starts again, and claims anew: it is neither until that is compared.
	d.there(with(claim(func(*Claim) {}), func(t *Told) { t.Boot = 2 }), c).ticks(1)
	if got := d.m.Tells(d.a).Denied; len(got) != 0 {
		t.Errorf("denied are %v", got)
	}
	// A primary that has not that WAL denies nobody.
	d.m.Compared(Compared{Member: c, Boot: 2})
	d.ticks(1)
	if got := d.m.Tells(d.a); len(got.Denied) != 0 || !reflect.DeepEqual(got.Announced, []Token{{2, 1, c, 2}}) {
		t.Errorf("denied are %v, announced %v", got.Denied, got.Announced)
	}
	d = promoted(t).there(claim(func(c *Claim) { c.End = 501 }), c)
	d.ticks(3)
	d.orders()
	d = promoted(t).there(claim(func(*Claim) {}), c)
	d.do(Quarantine{Member: c, Reason: QuarantinedByOperator})
	d.ticks(3)
	d.orders()
}

// An engine that restarts alone serves again only once the log knows it, and the
// server that is in recovery, or on another timeline, never.
func TestEngineRestarts(t *testing.T) {
	serve := func(v *Server) { v.Recovery, v.Flushed = false, 500 }
	d := sit(opened(t), a).server(serve)
	d.ticks(1)
	if !d.out.Shared.Open || !d.out.Shared.LeaseCounts {
		t.Fatalf("%+v", d.out.Shared)
	}
	d.m = New(d.m.cfg, 2, d.a.Now)
	d.do(with(describe(a), func(d *Describe) { d.Boot = 2 }))
	if d.ticks(1); d.out.Shared.Open {
		t.Errorf("it serves before it has looked at its server: %+v", d.out.Shared)
	}
	d.server(serve).ticks(1)
	if d.proposes(Reopen{1, a, 2}).why(BootUnknown); d.out.Shared.Open || d.out.Shared.Set.Members != nil {
		t.Errorf("%+v", d.out.Shared)
	}
	d.do(Reopen{1, a, 2})
	d.ticks(1)
	if !d.out.Shared.Open {
		t.Errorf("%+v", d.out.Shared)
	}
	d.server(nil).ticks(1)
	if d.out.Shared.Open {
		t.Errorf("in recovery: %+v", d.out.Shared)
	}
	d.server(func(v *Server) { serve(v); v.History = []Branch{{1, 0}, {2, 500}} }).ticks(1)
	if d.out.Shared.Open {
		t.Errorf("on another timeline: %+v", d.out.Shared)
	}
	d.server(serve)
	d.a.Leads = false
	d.ticks(1)
	if d.why(NoLease); d.out.Shared.LeaseCounts {
		t.Errorf("%+v", d.out.Shared)
	}
}

// Nobody reads what may go away: a standby that wrote its newest WAL itself is read again
// once it streams in an open epoch.
func TestReads(t *testing.T) {
	reads := func(d *desk, what string, want bool) {
		t.Helper()
		if d.ticks(1); d.out.Shared.Reads != want {
			t.Errorf("%s: reads %v", what, d.out.Shared.Reads)
		}
	}
	serve := func(v *Server) { v.Recovery, v.Flushed = false, 500 }
	d := sit(opened(t), a).server(serve)
	reads(d, "an open primary", true)
	reads(sit(founding(t), a).server(serve), "the primary on which failover is being enabled", true)
	reads(sit(founding(t), c).server(func(v *Server) { serve(v); v.History = []Branch{{1, 0}, {7, 300}} }), "one that was promoted by hand meanwhile", false)
	reads(sit(opened(t), c).server(nil), "a standby of another's", true)
	d.server(nil)
	reads(d, "a primary that is in recovery again", false)
	follows := func(v *Server) { v.Streaming, v.Follows = true, Token{2, 1, a, 1} }
	d.do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil}, Report{2, c, 1, Position{1, 400}, nil}, Grant{2, b, one(c)})
	d.do(Forked{2, b, []Branch{{1, 0}, {2, 500}}})
	d.server(follows)
	reads(d, "it follows an epoch that is not open", false)
	d.do(Open{2, b, 0})
	d.server(nil)
	reads(d, "it has not been announced", false)
	d.server(follows)
	reads(d, "it follows an open epoch", true)
	d = sit(opened(t), c).server(func(v *Server) { v.History, v.Noted = []Branch{{1, 0}, {7, 300}}, 0 })
	reads(d, "it has WAL that is nobody's", false)
	// A primary of before that is removed may come back as another member, with its data
	// directory: the log names the one that it was.
	d = sit(opened(t), c).server(func(v *Server) { v.Wrote = true })
	reads(d, "its data directory was the primary's", false)
	d.server(func(v *Server) { v.Wrote, v.Streaming, v.Follows = true, true, Token{1, 1, c, 1} })
	reads(d, "it streams with that", true)
	// What is applied as an engine starts may be from before failover was enabled: the server
	// may have been the first primary, on the timeline that it joined on.
	d = sit(&script{t: t}, a).server(func(v *Server) { v.Noted, v.JoinedOn = 0, 1 })
	d.a.Current = false
	reads(d, "the log is not known up to the first epoch", false)
}

// All members watch the primary's port until the host says that it does.
func TestWatches(t *testing.T) {
	watch := Watch{Epoch: 1, Member: a, Address: "host=1"}
	d := sit(opened(t), c).server(streams).once()
	if !reflect.DeepEqual(d.out.Orders, []Order{watch}) {
		t.Errorf("%+v", d.out.Orders)
	}
	d.m.See(Port{Member: a, Epoch: 1}, d.a.Now)
	if d.once(); d.out.Orders != nil {
		t.Errorf("%+v", d.out.Orders)
	}
}
