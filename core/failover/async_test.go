package failover

import (
	"reflect"
	"testing"
)

func lossy(s *Settings) { s.Durability, s.MaximumLag = Async, 1000 }

// asynchronous has epoch 1 open with W = 0, and maximum_lag 1000.
func asynchronous(t *testing.T) *script {
	return opened(t).do(Adjust{ModeOn, with(DefaultSettings(), lossy)}, Change{1, a, 1, 1, Set{}})
}

// logs has a log how far its WAL reaches.
func (x *script) logs(lsn uint64) *script {
	return x.do(Progress{1, a, 1, lsn, 1000, x.s.Last.Since})
}

func TestProgressIsVoid(t *testing.T) {
	known := func(t *testing.T) *script { return asynchronous(t).logs(5000) }
	for _, x := range []struct {
		name  string
		on    func(*testing.T) *script
		entry Progress
		want  Void
	}{
		{"when off", described, Progress{0, a, 1, 5000, 1000, 0}, VoidOff},
		{"of another epoch", asynchronous, Progress{2, a, 1, 5000, 1000, 0}, VoidEpoch},
		{"before it is open", forked, Progress{2, b, 1, 5000, 1000, 0}, VoidStage},
		{"by another", asynchronous, Progress{1, b, 1, 5000, 1000, 0}, VoidNotPrimary},
		{"of another boot", asynchronous, Progress{1, a, 2, 5000, 1000, 0}, VoidOldBoot},
		{"with another maximum_lag", asynchronous, Progress{1, a, 1, 5000, 999, 0}, VoidNotAsync},
		{"with a set in force", func(t *testing.T) *script { return opened(t).do(Adjust{ModeOn, with(DefaultSettings(), lossy)}) },
			Progress{1, a, 1, 5000, 1000, 0}, VoidNotAsync},
		{"from before another rule", asynchronous, Progress{1, a, 1, 5000, 1000, 1}, VoidNotAsync},
		{"not async", opened, Progress{1, a, 1, 5000, 1 << 20, 0}, VoidNotAsync},
		{"again", known, Progress{1, a, 1, 5000, 1000, 0}, VoidKnown},
		{"back", known, Progress{1, a, 1, 4999, 1000, 0}, VoidKnown},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := x.on(t)
			before := s.s.Clone()
			if x.want != VoidNotAsync {
				x.entry.Since = s.s.Last.Since
			}
			if got := s.apply(x.entry); got.Void != x.want || !reflect.DeepEqual(before, s.s) {
				t.Errorf("%+v: %v, want %v; %+v", x.entry, got.Void, x.want, s.s)
			}
		})
	}
}

// A member that lacks no more than half of maximum_lag of what was logged gets the epoch,
// and the history says up to where commits may be lost. One that lacks more does not.
func TestAsyncGivesUp(t *testing.T) {
	x := asynchronous(t).logs(5000).do(Begin{2}, Report{2, b, 1, Position{1, 4499}, nil})
	if got := x.apply(Grant{2, b, Set{}}); got.Void != VoidTooFew {
		t.Fatalf("501 bytes behind: %v", got.Void)
	}
	x.do(Report{2, c, 1, Position{1, 4500}, nil}, Grant{2, c, Set{}})
	if p := x.s.Past[len(x.s.Past)-1]; p.GivenUp != 5500 || p.From != (Position{1, 4500}) {
		t.Errorf("%+v", p)
	}
	// A fork of it that never opened began where that was so.
	x.do(Forked{2, c, x.s.History(2)}, Begin{3}, Report{3, c, 1, Position{2, 4600}, []Branch{{2, 4500}}}, Grant{3, c, Set{}})
	if p := x.s.Past[len(x.s.Past)-1]; p.GivenUp != 5500 {
		t.Errorf("%+v", p)
	}
	// The primary itself has all.
	x = asynchronous(t).logs(5000).do(Begin{2}, Report{2, a, 1, Position{1, 5400}, nil}, Grant{2, a, Set{}})
	if p := x.s.Past[len(x.s.Past)-1]; p.GivenUp != 0 {
		t.Errorf("nothing is given up, and %+v", p)
	}
}

// A fork that lacks what the last open epoch acknowledged counts for what it began with, as
// long as no epoch opens on it: who has more comes first.
func TestAsyncForkThatNeverOpens(t *testing.T) {
	x := asynchronous(t).logs(5000).do(Begin{2}, Report{2, b, 1, Position{1, 4600}, nil}, Grant{2, b, Set{}})
	if f := x.s.fork(2); !f.Short || f.Override {
		t.Fatalf("%+v", f)
	}
	x.do(Begin{3}, Report{3, b, 1, Position{2, 4700}, []Branch{{2, 4600}}}, Report{3, a, 1, Position{1, 5400}, nil})
	if got := x.apply(Grant{3, b, Set{}}); got.Void != VoidGreater {
		t.Fatalf("a fork that lacks 800 bytes of what is there: %v", got.Void)
	}
	x.do(Grant{3, a, Set{}})
	if f, p := x.s.fork(3), x.s.Past[len(x.s.Past)-1]; f.Short || p.GivenUp != 0 {
		t.Errorf("%+v, %+v", f, p)
	}
	if x.s.gaveUp([]Branch{{1, 0}, {2, 4600}}) {
		t.Error("who is on the fork is cloned, as with an override")
	}
}

// An epoch that opens with async begins as if its primary had logged where it began, and WAL
// of an epoch before counts as far as it goes on its lineage.
func TestAsyncTwice(t *testing.T) {
	open := func(t *testing.T) *script {
		return asynchronous(t).logs(5000).do(Begin{2}, Report{2, b, 1, Position{1, 4600}, nil}, Grant{2, b, Set{}}).
			do(Forked{2, b, []Branch{{1, 0}, {2, 4600}}}, Open{2, b, 0})
	}
	x := open(t)
	if r := x.s.Last; r.Progress != 4600 || r.Limit() != 5100 {
		t.Fatalf("%+v", r)
	}
	for lsn, want := range map[uint64]Void{4099: VoidTooFew, 4100: NotVoid, 4600: NotVoid, 5400: NotVoid} {
		x := open(t).do(Begin{3}, Report{3, c, 1, Position{1, lsn}, nil})
		if got := x.apply(Grant{3, c, Set{}}); got.Void != want {
			t.Errorf("to %d of epoch 1: %v, want %v", lsn, got.Void, want)
			continue
		}
		if p := x.s.Past[len(x.s.Past)-1]; want == NotVoid && (p.GivenUp != 5100 || p.Kept != min(lsn, 4600)) {
			t.Errorf("to %d of epoch 1: %+v", lsn, p)
		}
	}
	// What is behind where the epoch began counts for nothing, and who has more of its lineage
	// comes first.
	x = open(t).do(Begin{3}, Report{3, c, 1, Position{1, 4300}, nil}, Report{3, a, 1, Position{1, 5400}, nil})
	if got := x.apply(Grant{3, c, Set{}}); got.Void != VoidGreater {
		t.Errorf("with 300 bytes less of it: %v", got.Void)
	}
	// While failover is being enabled commits of before may be acknowledged without a limit.
	x = described(t).do(with(first, func(e *Enable) { e.Set, e.Settings = Set{}, with(DefaultSettings(), lossy) }), Open{1, a, 0})
	if r := x.s.Last; r.Progress != 0 || r.Limit() != 0 {
		t.Errorf("%+v", r)
	}
}

// Nothing is given up where the primary may have acknowledged by another rule since it
// logged its progress, or where the operator wants that no more.
func TestAsyncIsOver(t *testing.T) {
	adjust := func(f func(*Settings)) Entry { return Adjust{ModeOn, with(with(DefaultSettings(), lossy), f)} }
	begin := func(x *script) *script { return x.do(Begin{2}, Report{2, b, 1, Position{1, 5000}, nil}) }
	for name, f := range map[string]func(x *script) *script{
		"never logged": func(x *script) *script { return begin(asynchronous(x.t)) },
		"another maximum_lag": func(x *script) *script {
			return begin(x.do(adjust(func(s *Settings) { s.MaximumLag = 2000 })))
		},
		"preferred for a while": func(x *script) *script {
			return begin(x.do(adjust(func(s *Settings) { s.Durability = Preferred }), adjust(func(*Settings) {})))
		},
		"a set was in force": func(x *script) *script {
			return begin(x.do(Change{1, a, 1, 2, one(c)}, Change{1, a, 1, 3, Set{}}))
		},
		"required since it began": func(x *script) *script {
			return begin(x).do(adjust(func(s *Settings) { s.Durability, s.SyncCount = Required, 0 }))
		},
	} {
		x := f(asynchronous(t).logs(5000))
		if got := x.apply(Grant{2, b, Set{}}); got.Void != VoidTooFew {
			t.Errorf("%s: %v", name, got.Void)
		}
	}
	// A delay of its own changes nothing of that.
	x := begin(asynchronous(t).logs(5000).do(adjust(func(s *Settings) { s.DelayMillis = 3000 })))
	x.do(Grant{2, b, Set{}})
}

// The primary logs its progress before half of what it may acknowledge is used up, and
// acknowledges nothing before that is known.
func TestAsyncProgress(t *testing.T) {
	d := serving(t, lossy).takes(3, Set{})
	d.tick(1)
	if s := d.out.Shared; !s.Limited || s.Limit != 0 {
		t.Fatalf("%+v", s)
	}
	logs := func(lsn uint64) {
		t.Helper()
		want := Progress{1, a, 1, lsn, 1000, d.s.Last.Since}
		for range 12 {
			for _, e := range d.out.Propose {
				if e == Entry(want) {
					d.do(want)
					d.tick(1)
					if s := d.out.Shared; !s.Limited || s.Limit != lsn+500 {
						t.Fatalf("%+v", s)
					}
					return
				}
			}
			d.tick(1)
		}
		t.Fatalf("not logged: %+v", want)
	}
	logs(500)
	for range 30 {
		if d.flush(750, 0, 0).tick(1); len(d.out.Propose) > 0 {
			t.Fatalf("%+v", d.out.Propose)
		}
	}
	d.flush(751, 0, 0).tick(1)
	logs(751)
	d.flush(1100, 0, 0).tick(1)
	logs(1100)
	// What is proposed and lost is proposed again; another maximum_lag needs it anew.
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { lossy(s); s.MaximumLag = 2000 })})
	if d.tick(1); d.out.Shared.Limit != 0 {
		t.Errorf("%+v", d.out.Shared)
	}
	// With a set that has to flush nothing is limited.
	d.do(Adjust{ModeOn, DefaultSettings()})
	d.flush(1100, 1100, 1100).takes(10, one(b, c)).tick(1)
	if s := d.out.Shared; s.Limited || s.Limit != 0 {
		t.Errorf("%+v", s)
	}
}

// What was acknowledged by the rule before, until each commit saw the limit, may be more than
// the server has reported by then.
func TestAsyncProgressIsOfTheLimit(t *testing.T) {
	for name, f := range map[string]func(d *seat){
		"the set goes": func(d *seat) { d.takes(3, Set{}) },
		"another maximum_lag": func(d *seat) {
			d.takes(3, Set{}).tick(5).do(Adjust{ModeOn, with(d.s.Settings, func(s *Settings) { s.MaximumLag = 2000 })})
		},
	} {
		d := serving(t, lossy)
		f(d)
		d.stays = true // its last report is from before
		for range 30 {
			if d.tick(1); len(d.out.Propose) > 0 {
				t.Fatalf("%s: %+v", name, d.out.Propose)
			}
		}
		d.stays = false
		d.flush(9000, 0, 0).tick(1)
		if want := (Progress{1, a, 1, 9000, d.s.Settings.MaximumLag, d.s.Last.Since}); len(d.out.Propose) != 1 || d.out.Propose[0] != Entry(want) {
			t.Errorf("%s: %+v, not %+v", name, d.out.Propose, want)
		}
	}
}

// The leader begins an epoch once one is there that is near enough.
func TestAsyncBegins(t *testing.T) {
	x := asynchronous(t).logs(5000)
	behind := func(end uint64) Told { return with(standby(), func(t *Told) { t.End = end }) }
	d := sit(x, w).there(behind(4499), b).there(primary(), a)
	d.expect(1, nil, a).gone(a).ticks(60)
	if d.out.Append != nil || d.out.Nobody.Reason != NobodyCouldPass {
		t.Fatalf("%+v, %v", d.out.Append, d.out.Nobody)
	}
	d.there(behind(4500), b)
	if d.ticks(1); d.out.Append != (Begin{2}) {
		t.Fatalf("%+v, %v", d.out.Append, d.out.Nobody)
	}
	d.do(Begin{2}, Report{2, b, 1, Position{1, 4500}, nil})
	d.expect(1, Grant{2, b, Set{}}, 0)
}
