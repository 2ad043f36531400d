package failover

import "testing"

// Data that went back streams what it lacks, and is trusted again once it has what the primary
// of an open epoch had flushed after the log knew of this boot. Until then it reports nothing.
func TestUntrustedDataStreams(t *testing.T) {
	token := Token{2, 1, c, 1}
	// tells is the primary, which knew of boots up to an index before it had flushed up to an
	// LSN, and has applied all of the log.
	tells := func(boots, flushed uint64) Told {
		return with(primary(), func(t *Told) {
			t.Timeline, t.Applied, t.Boots, t.Flushed, t.Announced = 2, 99, boots, flushed, []Token{token}
		})
	}
	back := func(v *Server) { v.Untrusted, v.Sealed, v.End, v.Record = true, 1, 300, Record{LSN: 300, CRC: 7} }
	follows := func(end uint64) func(*Server) {
		return func(v *Server) {
			back(v)
			v.Streaming, v.Follows, v.History, v.Noted, v.End = true, token, fork2, 2, end
		}
	}
	x := forked(t)
	known := x.s.Member(c).Known
	d := sit(x, c).server(back).there(tells(0, 900), b).once().orders().why(UntrustedData)
	if d.m.Tells(d.a).Claim != nil {
		t.Error("it claims before it may follow")
	}
	x.do(Open{2, b, 0})
	d.there(with(tells(known-1, 700), func(t *Told) { t.Announced = nil }), b).once().orders().why(UntrustedData)
	if d.m.Tells(d.a).Claim == nil {
		t.Error("it does not claim")
	}
	d.there(tells(known-1, 700), b).once().orders(Follow{Token: token, Primary: b, Address: "host=2", History: fork2, Notes: []Note{{1, 1}, {2, 2}}})
	// What the primary had flushed before it knew of this boot says nothing, though its engine has
	// applied more since: it may be from before a commit that this server has acknowledged.
	d.server(follows(800)).once().orders().why(UntrustedData)
	d.there(with(tells(known, 900), func(t *Told) { t.Recovery = true }), b).once().orders().why(UntrustedData)
	d.there(with(tells(known, 900), func(t *Told) { t.Timeline = 1 }), b).once().orders().why(UntrustedData)
	d.there(tells(known, 900), b).once().orders().why(UntrustedData)
	d.there(tells(known+1, 990), b).server(follows(899)).once().orders().why(UntrustedData)
	d.server(follows(900)).once().orders(Trust{2, 1})
	// WAL that is gone is the end of that.
	rejoin := Rejoin{Epoch: 2, Boot: 1, Primary: b, Address: "host=2", History: fork2, Notes: []Note{{1, 1}, {2, 2}}, Clone: true}
	d.server(func(v *Server) { follows(899)(v); v.Lacks = true }).once().orders(rejoin)
	// Nothing is proved in the epoch that begins: it waits for another one to open.
	x.do(Begin{3})
	d.server(follows(990)).once().orders(Seal{1, 2})
	d.server(func(v *Server) { back(v); v.Sealed = 2 }).once().orders().proposes().why(UntrustedData)
}

// WAL that has diverged is no part of the primary's: it is rewound.
func TestUntrustedDataThatDiverged(t *testing.T) {
	x := forked(t).do(Open{2, b, 0})
	d := sit(x, c).server(func(v *Server) { v.Untrusted, v.Sealed, v.End = true, 1, 600 }).there(with(primary(), func(t *Told) { t.Timeline = 2 }), b)
	d.once().orders(Rejoin{Epoch: 2, Boot: 1, Primary: b, Address: "host=2", History: fork2, Notes: []Note{{1, 1}, {2, 2}}})
}

// A primary that was deposed, and does not know, is no measure: without a read of the log
// nothing is followed.
func TestUntrustedDataBeforeTheLogIsRead(t *testing.T) {
	x := forked(t).do(Open{2, b, 0})
	d := sit(x, c)
	d.a.Current = false
	d.server(func(v *Server) { v.Untrusted, v.Sealed, v.End = true, 1, 300 }).there(with(primary(), func(t *Told) { t.Timeline, t.Flushed, t.Boots = 2, 300, 99 }), b)
	d.once().orders().why(LogUnread)
	if d.m.reign.proof != 0 {
		t.Errorf("proved up to %d", d.m.reign.proof)
	}
}
