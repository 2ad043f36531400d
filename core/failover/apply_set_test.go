package failover

import (
	"reflect"
	"testing"
)

func two(members ...uint64) Set { return Set{2, members} }

// A change of the set is void for what it is about, and changes nothing then. One with
// the version that is due, and void for the set that it names, uses the version up.
func TestChangeIsVoid(t *testing.T) {
	preferred := func(t *testing.T) *script {
		return opened(t).do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.Durability = Preferred })})
	}
	raised := func(t *testing.T) *script {
		return opened(t).do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.SyncCount = 2 })})
	}
	for _, x := range []struct {
		name  string
		on    func(*testing.T) *script
		entry Change
		want  Void
		used  bool
	}{
		{"when off", described, Change{0, a, 1, 1, one(b)}, VoidOff, false},
		{"in another epoch", forked, Change{1, b, 1, 1, one(a)}, VoidEpoch, false},
		{"begun since", begun, Change{1, a, 1, 1, one(b)}, VoidEpoch, false},
		{"begun", begun, Change{2, a, 1, 1, one(b)}, VoidStage, false},
		{"before the fork", granted, Change{2, b, 1, 1, one(a)}, VoidStage, false},
		{"by another", opened, Change{1, b, 1, 1, one(b)}, VoidNotPrimary, false},
		{"of an engine before", func(t *testing.T) *script { return opened(t).do(Reopen{1, a, 2}) }, Change{1, a, 1, 1, one(b)}, VoidOldBoot, false},
		{"of an engine that the log does not know", opened, Change{1, a, 2, 1, one(b)}, VoidOldBoot, false},
		{"the version in force", opened, Change{1, a, 1, 0, one(b)}, VoidSetVersion, false},
		{"a version too far", opened, Change{1, a, 1, 2, one(b)}, VoidSetVersion, false},
		{"again", func(t *testing.T) *script { return opened(t).do(Change{1, a, 1, 1, one(b)}) }, Change{1, a, 1, 1, one(c)}, VoidSetVersion, false},

		{"one who names itself", opened, Change{1, a, 1, 1, one(a, b)}, VoidSet, true},
		{"W above the members", opened, Change{1, a, 1, 1, two(b)}, VoidSet, true},
		{"not in order", opened, Change{1, a, 1, 1, one(c, b)}, VoidSet, true},
		{"a witness", opened, Change{1, a, 1, 1, one(w)}, VoidSetNotElectable, true},
		{"one of no priority", func(t *testing.T) *script {
			return opened(t).do(Change{1, a, 1, 1, one(b)}, with(describe(c), func(d *Describe) { d.Priority = 0 }))
		}, Change{1, a, 1, 2, one(b, c)}, VoidSetNotElectable, true},
		{"one who is quarantined", func(t *testing.T) *script { return opened(t).do(Quarantine{Member: c, Reason: QuarantinedByOperator}) },
			Change{1, a, 1, 1, one(b, c)}, VoidSetNotElectable, true},
		{"W lowered, and required", opened, Change{1, a, 1, 1, Set{}}, VoidSetTooSmall, true},
		{"W lowered below what was reached of sync_count", func(t *testing.T) *script { return raised(t).do(Change{1, a, 1, 1, two(b, c)}) },
			Change{1, a, 1, 2, one(b, c)}, VoidSetTooSmall, true},

		{"a member leaves before sync_count is reached", raised, Change{1, a, 1, 1, one(b)}, NotVoid, true},
		{"W lowered, and preferred", preferred, Change{1, a, 1, 1, Set{}}, NotVoid, true},
		{"W above sync_count", opened, Change{1, a, 1, 1, two(b, c)}, NotVoid, true},
		{"while founding", founding, Change{1, a, 1, 1, one(b)}, NotVoid, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := x.on(t)
			before := s.s.Clone()
			if got := s.apply(x.entry); got.Void != x.want {
				t.Fatalf("%+v: %v, want %v", x.entry, got.Void, x.want)
			}
			at := s.index
			if x.used {
				before.Epoch.SetVersion++
				if got := s.apply(x.entry); got.Void != VoidSetVersion {
					t.Errorf("a late copy: %v", got.Void)
				}
			}
			if x.want == NotVoid {
				if before.Epoch.Set = x.entry.Set; before.Epoch.Stage == StageOpen {
					before.Last.Set, before.Last.Since = x.entry.Set, at
				}
			}
			if !reflect.DeepEqual(before, s.s) {
				t.Errorf("\n%+v, not\n%+v", s.s, before)
			}
		})
	}
}

// The next epoch is judged by the set as it was when that one began; a set of an epoch
// that has not opened yet judges nothing.
func TestChangeJudges(t *testing.T) {
	x := opened(t).do(Change{1, a, 1, 1, two(b, c)}, Change{1, a, 1, 2, one(c)}, Begin{2}, Report{2, b, 1, Position{1, 500}, nil})
	if got := x.apply(Grant{2, b, one(c)}); got.Void != VoidTooFew {
		t.Errorf("without the only one in the set: %v", got.Void)
	}
	x.do(Report{2, c, 1, Position{1, 400}, nil}, Grant{2, b, one(c)}, Forked{2, b, []Branch{{1, 0}, {2, 500}}}, Change{2, b, 1, 1, one(a)})
	if !x.s.Last.Set.equal(one(c)) || !x.s.Epoch.Set.equal(one(a)) {
		t.Errorf("%+v", x.s)
	}
	if got := x.apply(Open{2, b, 0}); got.Void != VoidSetVersion {
		t.Errorf("opened by the set before: %v", got.Void)
	}
	if x.do(Open{2, b, 1}); !x.s.Last.Set.equal(one(a)) {
		t.Errorf("%+v", x.s.Last)
	}
}

// Who is named cannot leave; who is not can, also while a change that names it is on its
// way: that is void then.
func TestChangeMeetsRemoval(t *testing.T) {
	x := opened(t).do(Change{1, a, 1, 1, one(c)})
	if v := x.s.MayLeave(c); v != VoidNamed {
		t.Errorf("who is named: %v", v)
	}
	if v := x.s.MayLeave(b); v != NotVoid {
		t.Fatal(v)
	}
	x.s.Forget(b)
	if got := x.apply(Change{1, a, 1, 2, one(b, c)}); got.Void != VoidSetNotElectable || x.s.Epoch.SetVersion != 2 {
		t.Errorf("a set that names the removed: %v, version %d", got.Void, x.s.Epoch.SetVersion)
	}
	x.do(Change{1, a, 1, 3, Set{1, []uint64{c}}})
}
