package failover

import "testing"

// Who has WAL of a fork that began with everything is enough for a grant, though all others
// are away or have made their data anew: not by an override, not on one, and not after a
// recovery, which may have lost the entry that opened it.
func TestForkProves(t *testing.T) {
	on2 := func(epoch uint64) Report { return Report{epoch, b, 1, Position{2, 510}, []Branch{{2, 500}}} }
	grants := func(what string, x *script, want Void) {
		t.Helper()
		if got := x.apply(Grant{x.s.Epoch.Number, b, one(c)}); got.Void != want {
			t.Errorf("%s: %v, want %v", what, got.Void, want)
		}
	}
	grants("alone, before", opened(t).do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil}), VoidTooFew)
	grants("of a whole fork", lonely(t).do(on2(3)), NotVoid)
	x := lonely(t).do(on2(3), Grant{3, b, one(c)}, Begin{4}, Report{4, b, 1, Position{3, 520}, []Branch{{2, 500}, {3, 510}}})
	grants("of a whole fork on one", x, NotVoid)

	// Who reports less proves nothing by the fork that is another's.
	y := lonely(t).do(Report{3, c, 1, Position{1, 400}, nil})
	if got := y.apply(Grant{3, c, one(b)}); got.Void != VoidTooFew {
		t.Errorf("without the fork: %v", got.Void)
	}

	lost := Loss{Missing: []uint64{a, c}}
	over := few(t).do(Override{2, b, lost}, Grant{2, b, one(c)}, Forked{2, b, fork2}, Begin{3}, on2(3))
	grants("by an override", over, VoidTooFew)
	over.do(Override{3, b, lost}, Grant{3, b, one(c)}, Begin{4}, Report{4, b, 1, Position{3, 520}, []Branch{{2, 500}, {3, 510}}})
	grants("on an override's fork", over, VoidTooFew)

	recovered := forked(t)
	recovered.s.Recovered(b, b, recovered.index)
	if recovered.s.proves(2) {
		t.Error("after a recovery a fork proves that nothing else opened")
	}
}

// The leader begins an epoch for who has such WAL: it can be granted.
func TestBeginsByAFork(t *testing.T) {
	on2 := with(standby(), func(t *Told) { t.Timeline = 2 })
	preferred := with(DefaultSettings(), func(s *Settings) { s.Durability = Preferred })
	d := sit(forked(t).do(Adjust{ModeOn, preferred}), w).there(on2, b)
	d.expect(1, Begin{3}, 0)

	d = sit(opened(t).do(Adjust{ModeOn, preferred}), w).there(standby(), b)
	d.nothing(40, NobodyCouldPass)
}
