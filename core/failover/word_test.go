package failover

import (
	"reflect"
	"testing"
)

// wished has a request for b in the open epoch 1, at index 7; few, epoch 2 begun with b's
// report alone.
func wished(t *testing.T) *script { return opened(t).do(Request{1, b, WayFailover, 0}) }

func few(t *testing.T) *script {
	return opened(t).do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil})
}

// An operator's word lasts until an epoch opens, and names whom it is for in manual.
func TestWordLastsUntilOpen(t *testing.T) {
	x := opened(t).do(Adjust{ModeManual, DefaultSettings()}, Request{1, b, WayFailover, 0})
	if want := (Ask{WayFailover, b, x.index, 0}); x.s.Epoch.Ask != want {
		t.Fatalf("asked: %+v", x.s.Epoch.Ask)
	}
	x.do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil}, Report{2, c, 1, Position{1, 500}, nil})
	if got := x.apply(Grant{2, c, one(b)}); got.Void != VoidManual {
		t.Errorf("a grant to another: %v", got.Void)
	}
	x.do(Grant{2, b, one(c)}, Begin{3}, Report{3, b, 1, Position{1, 500}, nil}, Report{3, c, 1, Position{1, 500}, nil},
		Grant{3, b, one(c)}, Forked{3, b, []Branch{{1, 0}, {3, 500}}}, Open{3, b, 0})
	if x.s.Epoch.Ask != (Ask{}) {
		t.Errorf("open: %+v", x.s.Epoch.Ask)
	}
	// Another name takes the place of the first, while an epoch has begun too.
	x.do(Begin{4}, Request{4, c, WayOverride, 0}, Request{4, a, WayFailover, 0})
	if want := (Ask{WayChosen, a, x.index, 0}); x.s.Epoch.Ask != want {
		t.Errorf("named: %+v", x.s.Epoch.Ask)
	}
}

// A word that came while an epoch's grantee was promoted is not done as that epoch opens,
// unless it was for that one.
func TestWordOutlivesOpen(t *testing.T) {
	for _, x := range []struct {
		target uint64
		want   Ask
	}{{c, Ask{WayFailover, c, 0, 0}}, {b, Ask{}}} {
		s := few(t).do(Report{2, c, 1, Position{1, 500}, nil}, Grant{2, b, one(c)}, Request{2, x.target, WayFailover, 0})
		if x.want != (Ask{}) {
			x.want.Index = s.index
		}
		s.do(Forked{2, b, fork2}, Open{2, b, 0})
		if got := s.s.Epoch.Ask; got != x.want {
			t.Errorf("for member %d: %+v", x.target, got)
		}
	}
}

// What an override gives up is in the history of the epoch that it gave, and no more than
// that: not what has come back since.
func TestOverrideIsRecorded(t *testing.T) {
	lost := Loss{Missing: []uint64{a, c}}
	x := few(t).do(Override{2, b, lost})
	if x.s.Epoch.Overrides != b || !reflect.DeepEqual(x.s.Epoch.Loss, lost) || len(x.s.Past) != 1 {
		t.Fatalf("before it takes effect: %+v", x.s)
	}
	x.do(Grant{2, b, one(c)})
	if got := x.s.Past[1].Loss; !reflect.DeepEqual(got, lost) || !x.s.forkOf(2).Override {
		t.Errorf("given up: %+v, %+v", got, x.s.Forks)
	}
	y := few(t).do(Override{2, b, lost}, Report{2, c, 1, Position{1, 400}, nil}, Grant{2, b, one(c)})
	if got := y.s.Past[1].Loss; !got.None() || y.s.forkOf(2).Override {
		t.Errorf("c is back, and has less: %+v", got)
	}
}

// An override that never opens gives nothing up: its fork is worth what it began with, and
// so is what was granted on it since.
func TestOverrideThatNeverOpens(t *testing.T) {
	x := few(t).do(Override{2, b, Loss{Missing: []uint64{a, c}}}, Grant{2, b, one(c)}, Begin{3},
		Report{3, b, 1, Position{2, 700}, []Branch{{2, 500}}}, Report{3, c, 1, Position{1, 600}, nil})
	if got := x.apply(Grant{3, b, one(c)}); got.Void != VoidGreater {
		t.Errorf("a grant on the fork: %v", got.Void)
	}
	x.do(Override{3, b, Loss{Greater: []Reported{{c, 1, Position{1, 600}}}}}, Grant{3, b, one(c)}, Begin{4},
		Report{4, b, 1, Position{3, 900}, []Branch{{2, 500}, {3, 700}}}, Report{4, c, 1, Position{1, 600}, nil})
	if got := x.apply(Grant{4, b, one(c)}); got.Void != VoidGreater {
		t.Errorf("a grant on the second fork: %v", got.Void)
	}
	x.do(Grant{4, c, one(b)})
	if h := x.s.History(x.s.Epoch.Timeline); !reflect.DeepEqual(h, []Branch{{1, 0}, {4, 600}}) {
		t.Errorf("the history is %v", h)
	}
	// With the same worth it may be either.
	y := few(t).do(Override{2, b, Loss{Missing: []uint64{a, c}}}, Grant{2, b, one(c)}, Begin{3},
		Report{3, b, 1, Position{2, 700}, []Branch{{2, 500}}}, Report{3, c, 1, Position{1, 500}, nil})
	y.do(Grant{3, b, one(c)})
}

// Who has WAL that an override gave up makes its data anew by a clone, which keeps the old
// directory; who left the lineage before that is rewound.
func TestGivenUpIsCloned(t *testing.T) {
	x := few(t).do(Override{2, b, Loss{Missing: []uint64{a, c}}}, Grant{2, b, one(c)}, Forked{2, b, fork2}, Open{2, b, 0},
		Begin{3}, Report{3, b, 1, Position{2, 700}, nil}, Grant{3, b, one(c)}, Forked{3, b, []Branch{{1, 0}, {2, 500}, {3, 700}}}, Open{3, b, 0})
	for _, h := range []struct {
		history []Branch
		want    bool
	}{{[]Branch{{1, 0}}, true}, {fork2, false}, {[]Branch{{1, 0}, {2, 500}, {3, 700}}, false}} {
		if got := x.s.gaveUp(h.history); got != h.want {
			t.Errorf("%v: %v", h.history, got)
		}
	}
}

// So it is where async gave up a part of it before, and the override goes on from there.
func TestGivenUpByAsyncAndMore(t *testing.T) {
	x := asynchronous(t).logs(5000).do(Begin{2}, Report{2, b, 1, Position{1, 4600}, nil}, Grant{2, b, Set{}}, Forked{2, b, []Branch{{1, 0}, {2, 4600}}},
		Adjust{ModeOn, preferred(DefaultSettings())}, Begin{3}, Report{3, b, 1, Position{2, 4700}, []Branch{{2, 4600}}},
		Override{3, b, Loss{Missing: []uint64{a}}}, Grant{3, b, one(a)})
	if f := x.s.fork(3); !f.Override || !x.s.fork(2).Short {
		t.Fatalf("%+v", x.s.Forks)
	}
	if !x.s.gaveUp([]Branch{{1, 0}}) {
		t.Error("a's WAL, which nobody else has, is rewound")
	}
}

// Who has come back may have what an override names as missing: its report is waited for,
// for seal_timeout at most.
func TestOverrideWaitsForReports(t *testing.T) {
	over := func() *desk {
		x := few(t).do(Override{2, b, Loss{Missing: []uint64{a, c}}})
		return sit(x, w).there(standby(), a, b)
	}
	d := over()
	d.nothing(3, BetterMayCome)
	d.do(Report{2, a, 1, Position{1, 600}, nil})
	d.ticks(1)
	if g, ok := d.out.Append.(Grant); !ok || g.Primary != a {
		t.Errorf("a is back with all that there is: %+v, because %v", d.out.Append, d.out.Nobody)
	}
	d = over()
	if n := d.ticks(40); n != 1+20 {
		t.Errorf("after %d ticks: %+v, because %v", n, d.out.Append, d.out.Nobody)
	}
	if g, ok := d.out.Append.(Grant); !ok || g.Primary != b {
		t.Errorf("a does not report: %+v, because %v", d.out.Append, d.out.Nobody)
	}
}

// An override for WAL on a fork that the log keeps no more is refused, as each grant that
// rests on it would be: the operator names another one.
func TestOverrideOfAForgottenFork(t *testing.T) {
	s := preferred(DefaultSettings())
	x := opened(t).do(Adjust{ModeOn, s}, Begin{2}, Report{2, b, 1, Position{1, 500}, nil}, Report{2, c, 1, Position{1, 400}, nil},
		Grant{2, b, one(c)}, Forked{2, b, fork2}, Begin{3}, Report{3, a, 1, Position{1, 600}, nil}, Report{3, c, 1, Position{1, 400}, nil},
		Grant{3, a, Set{}}, Forked{3, a, []Branch{{1, 0}, {3, 600}}}, Open{3, a, 0}, Request{3, b, WayOverride, 0},
		Begin{4}, Report{4, b, 1, Position{2, 550}, nil}, Report{4, c, 1, Position{1, 400}, nil})
	lost := Loss{Missing: []uint64{a}}
	if got := x.apply(Override{4, b, lost}); got.Void != VoidHistory {
		t.Errorf("for b, whose fork is forgotten: %v", got.Void)
	}
	if got := x.apply(Grant{4, b, one(c)}); got.Void == NotVoid {
		t.Error("b is granted the epoch")
	}
	if got := x.apply(Override{4, c, x.s.Loss(c, []uint64{a, b, c, w})}); got.Void != NotVoid {
		t.Errorf("for c: %v", got.Void)
	}
}
