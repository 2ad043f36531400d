package failover

import "testing"

// W is to rise to what an operator has asked for with required, and too few keep up: from the
// decision on no commit is acknowledged by fewer. The set that is to follow has all who may
// be in it, and is proposed once as many have all.
func TestRequiredRises(t *testing.T) {
	lower := func(s *Settings) { s.Durability = Preferred }
	d := serving(t, lower).flush(600, 500, 500).takes(60, Set{}).quiet(5)
	d.do(Adjust{ModeOn, DefaultSettings()})
	d.tick(1).next(&Set{1, []uint64{b, c}})
	if s := d.out.Shared; s.Next.W != 1 || s.Set.W != 0 || d.out.Why.Reason != SetTooSmall {
		t.Errorf("%+v, %v", s, d.out.Why)
	}
	if d.quietly(30); d.v.Names.W != 1 || len(d.v.Names.Members) != 2 {
		t.Errorf("PostgreSQL waits by %+v", d.v.Names)
	}
	// c is back: it is enough.
	d.flush(700, 500, 700).takes(4, one(b, c)).takes(24, one(c)).quiet(20)
	// More are asked for than could ever be there, one of whom is quarantined.
	d.do(Quarantine{Member: b, Reason: QuarantinedByOperator})
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.SyncCount = 3 })})
	d.tick(1).next(&Set{3, []uint64{c}})
	if d.quietly(30); d.v.Names.W != 1 || len(d.v.Names.Members) != 1 {
		t.Errorf("PostgreSQL waits by %+v", d.v.Names)
	}
	d.do(Clear{b})
	d.flush(800, 800, 800).tick(1).next(&Set{3, []uint64{b, c}}).quietly(30)
	if d.v.Names.W != 2 {
		t.Errorf("PostgreSQL waits by %+v", d.v.Names)
	}
	// Fewer are asked for again.
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.SyncCount = 2 })})
	d.takes(4, two(b, c)).quiet(20)
}

// It does not go by a set in between, as other changes do: that would do with fewer.
func TestRisesInOneStep(t *testing.T) {
	d := serving(t, nil).flush(600, 600, 500).takes(24, one(b))
	d.do(Quarantine{Member: b, Reason: QuarantinedByOperator})
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.SyncCount = 2 })})
	d.tick(1).next(&Set{2, []uint64{c}}).quietly(30)
	if d.v.Names.W != 2 || len(d.v.Names.Members) != 2 { // of the one in force, too
		t.Errorf("PostgreSQL waits by %+v", d.v.Names)
	}
}

// A switchover goes by no fewer than are required.
func TestSwitchoverWaitsForRequired(t *testing.T) {
	d := serving(t, func(s *Settings) { s.Durability = Preferred }).flush(600, 500, 500).takes(60, Set{})
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.SyncCount = 2 })})
	d.do(Request{Epoch: 1, Target: c, Way: WaySwitchover, Millis: 60_000})
	d.flush(700, 500, 700).tick(1).next(&Set{2, []uint64{b, c}}).quietly(10)
	d.flush(700, 700, 700).takes(4, two(b, c))
}
