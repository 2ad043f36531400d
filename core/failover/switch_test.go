package failover

import (
	"testing"
)

// switching has a switchover to b asked for, at index 7; switched, the log say that it is
// under way.
func switching(t *testing.T) *script { return opened(t).do(Request{1, b, WaySwitchover, 1000}) }

func switched(t *testing.T) *script {
	return switching(t).do(Change{1, a, 1, 1, one(b)}, Switchover{1, a, 1, 7})
}

// What an operator asked for is over as an epoch opens, or the primary's engine starts
// again; a switchover that the log has not yet is over as another epoch begins.
func TestSwitchoverEnds(t *testing.T) {
	if x := switching(t).do(Begin{2}); x.s.Epoch.Ask != (Ask{}) {
		t.Errorf("begun: %+v", x.s.Epoch.Ask)
	}
	x := switched(t).do(Begin{2})
	if k := x.s.Epoch.Ask; k.Way != WaySwitched || k.Target != b || x.s.chosen() != b {
		t.Errorf("begun after a switchover: %+v", k)
	}
	if k := x.do(Begin{3}).s.Epoch.Ask; k.Way != WayChosen {
		t.Errorf("begun again: %+v", k)
	}
	x = switched(t).do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil})
	if x.do(Grant{2, b, one(c)}, Forked{2, b, fork2}, Open{2, b, 0}); x.s.Epoch.Ask != (Ask{}) {
		t.Errorf("open: %+v", x.s.Epoch.Ask)
	}
	if x := switched(t).do(Reopen{1, a, 2}); x.s.Epoch.Ask != (Ask{}) {
		t.Errorf("its engine has started again: %+v", x.s.Epoch.Ask)
	}
	if x := switched(t).do(Abort{1, a, 7}); x.s.Epoch.Ask != (Ask{}) {
		t.Errorf("given up: %+v", x.s.Epoch.Ask)
	}
}

// hands is the primary a with its two standbys announced, in front of a switchover to b.
func hands(t *testing.T, x *script) (d *desk, on func(f func(*Server))) {
	d = sit(x, a).there(standby(), b, c).there(Told{Boot: 1}, w)
	tb, tc := Token{1, 1, b, 1}, Token{1, 1, c, 1}
	on = func(f func(*Server)) {
		d.server(func(v *Server) {
			v.Recovery, v.Flushed, v.Checkpoint = false, 500, 400
			v.Senders = []Sender{{tb, 500}, {tc, 500}}
			v.Names, v.Decision = d.m.named, d.out.Shared.Decision
			if f != nil {
				f(v)
			}
		})
	}
	on(nil)
	d.ticks(1)
	d.m.announced = []Token{tb, tc}
	return d, on
}

// No commit begins any more once the log says so. Leadership goes, and the server stops,
// only when those that had begun are acknowledged and the target has all; and the primary
// no longer leads when it stops.
func TestSwitchoverStopsLast(t *testing.T) {
	d, on := hands(t, switched(t))
	if s := d.out.Shared.Switchover; s != 7 {
		t.Fatalf("no switchover is published: %d", s)
	}
	stops := func() (l int) {
		for _, o := range d.out.Orders {
			if o == (Order)(Stop{1, 1, 7}) {
				l++
			}
		}
		return l
	}
	step := func(what string, f func(*Server), transfer uint64, stop int) {
		t.Helper()
		on(f)
		if d.out = d.m.Decide(d.a); d.out.Transfer != transfer || stops() != stop {
			t.Errorf("%s: leadership to %x, orders %+v", what, d.out.Transfer, d.out.Orders)
		}
	}
	step("commits are under way", nil, 0, 0)
	step("of another switchover", func(v *Server) { v.Quiet = 6 }, 0, 0)
	step("the target lacks some", func(v *Server) { v.Quiet, v.Senders[0].Flushed = 7, 499 }, 0, 0)
	step("it does not stream", func(v *Server) { v.Quiet, v.Senders = 7, v.Senders[1:] }, 0, 0)
	step("all is there", func(v *Server) { v.Quiet = 7 }, b, 0)
	d.a.Leads, d.a.Lease, d.a.Leader = false, false, b
	step("it leads no more", func(v *Server) { v.Quiet = 7 }, 0, 1)
	step("it stops", func(v *Server) { v.Quiet, v.Stopping = 7, true }, 0, 0)
	if d.out.Shared.LeaseCounts {
		t.Errorf("%+v", d.out.Shared)
	}
}

// A switchover is given up by a deadline, or when the target is away, or cannot be primary.
func TestSwitchoverIsGivenUp(t *testing.T) {
	abort := Abort{1, a, 7}
	aborts := func(d *desk) bool {
		for _, e := range d.out.Propose {
			if e == Entry(abort) {
				return true
			}
		}
		return false
	}
	for name, f := range map[string]func(d *desk){
		"it takes too long": func(d *desk) { d.a.Now += 10 },
		"no commit begins for too long": func(d *desk) {
			d.s.Settings.DelayMillis = 3 * d.m.cfg.TickMillis
			d.a.Now += 3
		},
		"the target leaves": func(d *desk) { d.do(Quarantine{Member: b, Reason: QuarantinedByOperator}) },
		"the target is away": func(d *desk) {
			d.m.peer(b).at = 0
			d.a.Now = 9
			for i := range d.a.Peers {
				d.a.Peers[i].Silent = 10
			}
		},
	} {
		d, on := hands(t, switched(t))
		if aborts(d) {
			t.Fatalf("%s: at once", name)
		}
		f(d)
		on(nil)
		if d.m.Decide(d.a); !aborts(d) {
			d.out = d.m.Decide(d.a)
		}
		d.m.sent = nil
		if d.out = d.m.Decide(d.a); !aborts(d) {
			t.Errorf("%s: %+v", name, d.out.Propose)
		}
	}
}

// The log says that no commit begins any more only once the set is the target's, a
// checkpoint has ended, and the target has replayed what there was as it was asked for.
func TestSwitchoverIsPrepared(t *testing.T) {
	d, on := hands(t, switching(t))
	want := Switchover{1, a, 1, 7}
	step := func(what string, f func(*Server), replayed uint64, switches bool) {
		t.Helper()
		d.there(with(standby(), func(x *Told) { x.Replayed = replayed }), b)
		on(f)
		d.m.sent = nil
		d.ticks(1)
		got := false
		for _, e := range d.out.Propose {
			got = got || e == Entry(want)
		}
		if got != switches {
			t.Errorf("%s: %+v, orders %+v", what, d.out.Propose, d.out.Orders)
		}
	}
	done := func(v *Server) { v.Checkpoint = 500 }
	step("the set is another one", done, 500, false)
	d.do(Change{1, a, 1, 1, one(b)})
	d.m.change = change{}
	step("the set is that of the target", done, 500, true)
	step("it has replayed less", done, 499, false)
	step("no checkpoint has ended", nil, 500, false)
	if n := len(d.out.Orders); n == 0 || d.out.Orders[n-1] != Order(Checkpoint{1, 1}) {
		t.Errorf("orders %+v", d.out.Orders)
	}
	step("all is there", done, 500, true)
}
