package failover

import (
	"reflect"
	"testing"
)

// A follower on the timeline that failover was enabled on shows all of its WAL from a
// checkpoint on, which the host is asked for. What the primary has no more of is made anew.
func TestUnprovenFollower(t *testing.T) {
	joined := func(from uint64) func(*Server) {
		return func(v *Server) {
			v.Sealed, v.Noted, v.JoinedOn, v.End = 1, 0, 1, 400
			v.Record = Record{LSN: 400, CRC: 7, From: from, Sum: 9}
		}
	}
	token := Token{2, 1, c, 1}
	d := sit(forked(t), c).server(joined(0)).there(with(primary(), func(t *Told) { t.Timeline = 2 }), b)
	d.once().orders().why(NotAnnounced)
	if !d.out.Shared.Prove || d.m.Tells(d.a).Claim != nil {
		t.Errorf("%+v, %+v", d.out.Shared, d.m.Tells(d.a).Claim)
	}
	d.server(joined(100)).once().orders().why(NotAnnounced)
	want := &Claim{Epoch: 2, History: []Branch{{1, 0}}, End: 400, Record: Record{400, 7, 100, 9}}
	if got := d.m.Tells(d.a).Claim; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	told := with(primary(), func(t *Told) { t.Timeline, t.Unproven = 2, []Token{token} })
	d.there(told, b).once().orders().why(MustRejoin)
	d.do(Open{2, b, 0})
	rejoin := Rejoin{Epoch: 2, Boot: 1, Primary: b, Address: "host=2", History: fork2, Notes: []Note{{1, 1}, {2, 2}}, Clone: true}
	d.once().orders(rejoin)
	// WAL that has diverged is not rewound either: up to where is not known.
	d.there(with(told, func(t *Told) { t.Unproven = nil }), b)
	d.server(func(v *Server) { joined(100)(v); v.End = 501 }).once().orders(rejoin)
	// Once it is announced, it follows and notes that; then its last record is enough.
	d.there(with(told, func(t *Told) { t.Unproven, t.Announced = nil, []Token{token} }), b)
	d.server(joined(100)).once().orders(Follow{Token: token, Primary: b, Address: "host=2", History: fork2, Notes: []Note{{1, 1}, {2, 2}}})
	d.server(func(v *Server) { joined(100)(v); v.Noted = 1 }).once()
	if s, r := d.out.Shared, d.m.evidence(d.a).Record; s.Prove || r.From != 0 || r.Sum != 0 {
		t.Errorf("%+v, %+v", s, r)
	}
}

// A primary announces such a follower only by a comparison that it could make.
func TestUnprovenAtThePrimary(t *testing.T) {
	claim := &Claim{Epoch: 2, History: []Branch{{1, 0}}, End: 400, Record: Record{400, 7, 100, 9}}
	token := Token{2, 1, c, 1}
	for _, x := range []struct {
		have, equal                 bool
		announced, denied, unproven []Token
	}{
		{true, true, []Token{token}, nil, nil},
		{true, false, nil, []Token{token}, nil},
		{false, false, nil, nil, []Token{token}},
	} {
		d := promoted(t).there(with(standby(), func(t *Told) { t.Claim = claim }), c)
		d.ticks(1)
		d.orders(Compare{Epoch: 2, Boot: 1, Member: c, Follow: 1, Record: claim.Record, Timeline: 1})
		d.m.Compared(Compared{Member: c, Boot: 1, Have: x.have, Equal: x.equal})
		d.ticks(1)
		if got := d.m.Tells(d.a); !reflect.DeepEqual([][]Token{got.Announced, got.Denied, got.Unproven}, [][]Token{x.announced, x.denied, x.unproven}) {
			t.Errorf("there %v, equal %v: announced %v, denied %v, unproven %v", x.have, x.equal, got.Announced, got.Denied, got.Unproven)
		}
	}
}
