package failover

import (
	"reflect"
	"slices"
	"testing"
)

// Failover that ends forgets the epochs, but no number; it can be enabled again.
func TestDisable(t *testing.T) {
	x := forked(t).do(Disable{2})
	if x.s.Mode != ModeOff || x.s.Epoch.Number != 2 || x.s.Last.Number != 0 || x.s.Timelines != 2 {
		t.Fatalf("disabled: %+v", x.s)
	}
	x.do(with(first, func(e *Enable) {
		e.Epoch, e.History, e.LSN, e.Highest = 3, []Branch{{1, 0}, {5, 500}}, 900, 6
	}))
	if x.s.Timelines != 6 || x.s.Mode != ModeFounding || !reflect.DeepEqual(x.s.Last, Reign{Number: 3, Primary: a}) {
		t.Fatalf("enabled again: %+v", x.s)
	}
	x.do(Begin{4}, Report{4, a, 1, Position{3, 950}, nil}, Grant{4, a, one(b)}, Forked{4, a, []Branch{{1, 0}, {5, 500}, {7, 950}}}, Open{4, a, 0})
	if x.s.Mode != ModeOn {
		t.Errorf("mode %d", x.s.Mode)
	}
}

// A member leaves where nobody counts on it.
func TestMayLeave(t *testing.T) {
	for _, x := range []struct {
		on   func(*testing.T) *script
		id   uint64
		want Void
	}{{described, b, NotVoid}, {opened, a, VoidLastPrimary}, {opened, b, VoidNamed}, {opened, w, NotVoid}, {opened, 9, NotVoid},
		{begun, w, VoidBetween}, {forked, c, VoidBetween}} {
		s := x.on(t)
		if got := s.s.MayLeave(x.id); got != x.want {
			t.Errorf("%x: %v, want %v", x.id, got, x.want)
		}
		if x.want == NotVoid {
			if s.s.Forget(x.id); s.s.Member(x.id) != nil {
				t.Errorf("%x is still known", x.id)
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("the primary was forgotten")
		}
	}()
	x := opened(t)
	x.s.Forget(a)
}

// The lineage is bounded, but for what may still be on somebody's disk.
func TestLineageIsBounded(t *testing.T) {
	e := first
	for n := uint32(2); n < MaxForks+50; n++ {
		e.History = append(e.History, Branch{n, 1})
	}
	x := described(t).do(e)
	if len(x.s.Forks) != MaxForks || x.s.forkOf(1) == nil {
		t.Fatalf("%d timelines are kept", len(x.s.Forks))
	}
	x.do(Open{1, a, 0})
	for n := uint64(2); n < 10; n++ {
		top := x.s.Epoch.Timeline
		x.do(Begin{n}, Report{n, a, n, Position{n - 1, 100 * n}, nil}, Grant{n, a, one(b)},
			Forked{n, a, append(slices.Clone(x.s.History(top)), Branch{x.s.Timelines + 1, 100 * n})}, Open{n, a, 0})
	}
	if len(x.s.Forks) != MaxForks || len(x.s.Past) != 9 {
		t.Errorf("%d timelines are kept, %d epochs", len(x.s.Forks), len(x.s.Past))
	}
	for n := uint64(10); n < 10+MaxPast; n++ {
		x.do(Begin{n}, Report{n, a, n, Position{9, 5000}, nil}, Grant{n, a, one(b)})
	}
	if len(x.s.Past) != MaxPast || x.s.forkOf(9) == nil || x.s.forkOf(10) == nil {
		t.Errorf("%d epochs are kept, %d timelines", len(x.s.Past), len(x.s.Forks))
	}
}
