package failover

import (
	"reflect"
	"slices"
	"testing"
)

// alone applies entries where one member is all there is.
func (x *script) alone(id uint64, want Void, entries ...Entry) {
	x.t.Helper()
	for i, e := range entries {
		x.index++
		got := x.s.Apply(e, Place{Index: x.index, Members: []uint64{id}, Voters: []uint64{id}})
		if i < len(entries)-1 && got.Void != NotVoid || i == len(entries)-1 && got.Void != want {
			x.t.Fatalf("%T%+v: %v", e, e, got.Void)
		}
	}
}

func preferred(s Settings) Settings { s.Durability = Preferred; return s }

// A member that goes on alone has its new Raft id in place of the old one everywhere. The
// others are lost: it needs an override, unless it is the last primary.
func TestRecovered(t *testing.T) {
	const a2, b2 = 9<<32 | 1, 9<<32 | 2
	x := opened(t)
	x.s.Recovered(b, b2, 20)
	s := &x.s
	if s.Mode != ModeManual || s.Epoch.Number != 1+RecoveryEpochs || s.Epoch.Stage != StageBegun || s.Epoch.Changed != 20 || s.Timelines != 1+RecoveryTimelines {
		t.Fatalf("%+v", s)
	}
	if !reflect.DeepEqual(s.Last, Reign{Number: 1, Primary: a, Since: 6, Set: one(c, b2)}) || len(s.Members) != 1 || s.Members[0].ID != b2 || s.Members[0].Address != "host=2" {
		t.Errorf("%+v", s)
	}
	n := s.Epoch.Number
	x.alone(b2, VoidManual, Adjust{ModeManual, preferred(s.Settings)}, Report{n, b2, 1, Position{1, 500}, nil}, Grant{n, b2, Set{}})
	x.alone(b2, VoidUnnamed, Override{n, b2, Loss{Missing: []uint64{a}}})
	x.alone(b2, NotVoid, Override{n, b2, Loss{Missing: []uint64{a, c}}}, Grant{n, b2, Set{}})
	if s.Epoch.Timeline != 2+RecoveryTimelines || !reflect.DeepEqual(s.Past[1].Loss, Loss{Missing: []uint64{a, c}}) {
		t.Errorf("%+v", s)
	}

	x = opened(t)
	x.s.Recovered(a, a2, 20)
	if x.s.Last.Primary != a2 || x.s.Past[0].Primary != a2 {
		t.Fatalf("%+v", x.s)
	}
	n = x.s.Epoch.Number
	x.alone(a2, NotVoid, Adjust{ModeManual, preferred(x.s.Settings)}, Report{n, a2, 1, Position{1, 500}, nil}, Grant{n, a2, Set{}})

	// It may be in the middle of anything.
	for _, on := range []func(*testing.T) *script{begun, granted, forked, lonely, few} {
		x := on(t)
		n := x.s.Epoch.Number
		x.s.Recovered(c, b2, 20)
		if e := x.s.Epoch; e.Number != n+RecoveryEpochs || e.Stage != StageBegun || len(x.s.Reports) > 0 || x.s.check() != nil {
			t.Errorf("%+v: %v", x.s, x.s.check())
		}
	}
}

// While failover is being enabled only its primary can go on; for another, it ends. Where it
// is off it stays so, with no number given twice.
func TestRecoveredWhileFoundingOrOff(t *testing.T) {
	const a2, b2 = 9<<32 | 1, 9<<32 | 2
	x := founding(t)
	x.s.Recovered(a, a2, 20)
	n := x.s.Epoch.Number
	if x.s.Mode != ModeFounding || n != 1+RecoveryEpochs {
		t.Fatalf("%+v", x.s)
	}
	x.alone(a2, VoidSetTooSmall, Report{n, a2, 1, Position{1, 500}, nil}, Grant{n, a2, Set{}})
	x = founding(t)
	if x.s.Recovered(b, b2, 20); x.s.Mode != ModeOff || x.s.Epoch.Number != 1+RecoveryEpochs || x.s.check() != nil {
		t.Errorf("%+v", x.s)
	}
	x = opened(t).do(Disable{1})
	if x.s.Recovered(b, b2, 20); x.s.Mode != ModeOff || x.s.Epoch.Number != 1+RecoveryEpochs || x.s.Timelines != 1+RecoveryTimelines {
		t.Errorf("%+v", x.s)
	}
	x = described(t)
	before := x.s.Clone()
	before.Members = slices.Clone(before.Members[1:2])
	before.Members[0].ID = b2
	if x.s.Recovered(b, b2, 20); !reflect.DeepEqual(before, x.s) {
		t.Errorf("failover was never on: %+v", x.s)
	}
	x = opened(t)
	if x.s.Recovered(0, b2, 20); len(x.s.Members) > 0 || !reflect.DeepEqual(x.s.Last, Reign{Number: 1, Primary: a, Since: 6, Set: one(b, c)}) {
		t.Errorf("one who is no member goes on: %+v", x.s)
	}
}
