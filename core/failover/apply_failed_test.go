package failover

import "testing"

// A member whose grants do not open is counted, up to a bound, until one does.
func TestFailedPromotions(t *testing.T) {
	x := granted(t)
	for n := uint64(3); n < 3+2*maxFailed; n++ {
		x.do(Begin{n}, Report{n, b, n, Position{1, 500}, nil}, Report{n, c, n, Position{1, 400}, nil}, Grant{n, b, one(c)})
	}
	if got := x.s.Member(b).Failed; got != maxFailed {
		t.Errorf("failed %d times", got)
	}
	x.do(Forked{x.s.Epoch.Number, b, x.s.History(x.s.Epoch.Timeline)})
	if got := x.s.Member(b).Failed; got != maxFailed {
		t.Errorf("failed %d times: it has forked, and serves nobody yet", got)
	}
	x.do(Open{x.s.Epoch.Number, b, 0})
	if got := x.s.Member(b).Failed; got != 0 {
		t.Errorf("failed %d times after it opened", got)
	}
	y := forked(t)
	if y.do(Begin{3}); y.s.Member(b).Failed != 1 {
		t.Errorf("failed %d times: it has forked, and its epoch did not open", y.s.Member(b).Failed)
	}
	if y = opened(t); y.s.Member(a).Failed != 0 || y.do(Begin{2}).s.Member(a).Failed != 0 {
		t.Error("it failed, and its epoch was open")
	}
}

// A fork elsewhere than granted takes the member out, and its report with it.
func TestQuarantine(t *testing.T) {
	x := begun(t)
	if got := x.apply(Report{2, b, 2, Position{7, 1}, nil}); got.Quarantined != b || x.s.Report(b) != nil {
		t.Errorf("%+v, and of its report %+v remains", got, x.s.Report(b))
	}
	if got := x.apply(Grant{2, c, Set{}}); got.Void != VoidTooFew {
		t.Errorf("a grant without the quarantined: %v", got.Void)
	}
	x.do(Clear{b}, Report{2, b, 3, Position{1, 500}, nil}, Grant{2, b, one(c)})
}
