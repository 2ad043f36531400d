package failover

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Members a, b and c have data, w is a witness.
const a, b, c, w = 1<<32 | 1, 2<<32 | 2, 3<<32 | 3, 4<<32 | 4

func describe(id uint64) Describe {
	return Describe{Member: id, Boot: 1, Address: fmt.Sprintf("host=%d", uint32(id)), Data: true, Joined: true, Priority: 100}
}

// script applies entries in order, from index 1 on.
type script struct {
	t     *testing.T
	s     State
	index uint64
}

func (x *script) apply(e Entry) Applied {
	x.index++
	return x.s.Apply(e, Place{Index: x.index, Members: []uint64{a, b, c, w}, Voters: []uint64{a, b, c, w}})
}

func (x *script) do(entries ...Entry) *script {
	x.t.Helper()
	for _, e := range entries {
		if got := x.apply(e); got.Void != NotVoid {
			x.t.Fatalf("%T%.300v: %v", e, fmt.Sprintf("%+v", e), got.Void)
		}
	}
	return x
}

func one(members ...uint64) Set { return Set{1, members} }

var first = Enable{Epoch: 1, Primary: a, Boot: 1, System: 77, LSN: 100, History: []Branch{{1, 0}}, Highest: 1,
	Set: one(b, c), Settings: DefaultSettings()}

// described has the members, failover is off. opened has epoch 1 with a as primary.
func described(t *testing.T) *script {
	witness := Describe{Member: w, Boot: 1, Joined: true, Priority: 100}
	return (&script{t: t}).do(describe(a), describe(b), describe(c), witness)
}

func founding(t *testing.T) *script { return described(t).do(first) }

func opened(t *testing.T) *script { return founding(t).do(Open{1, a, 0}) }

// begun has epoch 2 with b's and c's reports; granted gives it to b; forked, opened2.
func begun(t *testing.T) *script {
	return opened(t).do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil}, Report{2, c, 1, Position{1, 400}, nil})
}

func granted(t *testing.T) *script { return begun(t).do(Grant{2, b, one(c)}) }

func forked(t *testing.T) *script {
	return granted(t).do(Forked{2, b, []Branch{{1, 0}, {2, 500}}})
}

// lonely has a forked epoch 2 of b that never opens, and epoch 3 begun.
func lonely(t *testing.T) *script { return forked(t).do(Begin{3}) }

func with[T any](x T, f func(*T)) T { f(&x); return x }

func TestVoid(t *testing.T) {
	long := func() Entry {
		return with(describe(a), func(d *Describe) { d.Address = strings.Repeat("x", MaxAddressBytes+1) })
	}
	enable := func(f func(*Enable)) Entry { return with(first, f) }
	settings := func(f func(*Settings)) Settings { return with(DefaultSettings(), f) }
	for _, x := range []struct {
		name  string
		on    func(*testing.T) *script
		entry Entry
		want  Void
	}{
		{"enabled twice", opened, enable(func(e *Enable) { e.Epoch = 2 }), VoidEnabled},
		{"enabled while founding", founding, enable(func(e *Enable) { e.Epoch = 2 }), VoidEnabled},
		{"epoch 1 again after an earlier time", func(t *testing.T) *script { return opened(t).do(Disable{1}) }, first, VoidEpoch},
		{"no system identifier", described, enable(func(e *Enable) { e.System = 0 }), VoidSystem},
		{"another system", func(t *testing.T) *script { return opened(t).do(Disable{1}) },
			enable(func(e *Enable) { e.Epoch, e.System = 2, 78 }), VoidSystem},
		{"settings", described, enable(func(e *Enable) { e.Settings = Settings{} }), VoidSettings},
		{"no history", described, enable(func(e *Enable) { e.History = nil }), VoidHistory},
		{"timeline 0", described, enable(func(e *Enable) { e.History = []Branch{{0, 0}} }), VoidHistory},
		{"a first timeline that branches off", described, enable(func(e *Enable) { e.History = []Branch{{1, 5}} }), VoidHistory},
		{"timelines go back", described, enable(func(e *Enable) { e.History = []Branch{{3, 0}, {2, 10}} }), VoidHistory},
		{"LSNs go back", described, enable(func(e *Enable) { e.History = []Branch{{1, 0}, {2, 10}, {3, 9}} }), VoidHistory},
		{"WAL ends before its timeline", described, enable(func(e *Enable) { e.History = []Branch{{1, 0}, {2, 101}} }), VoidHistory},
		{"a witness as primary", described, enable(func(e *Enable) { e.Primary = w }), VoidNotElectable},
		{"nobody as primary", described, enable(func(e *Enable) { e.Primary = 9 }), VoidNotElectable},
		{"primary in its own set", described, enable(func(e *Enable) { e.Set = one(a, b) }), VoidSet},
		{"set not in order", described, enable(func(e *Enable) { e.Set = one(c, b) }), VoidSet},
		{"a name twice", described, enable(func(e *Enable) { e.Set = one(b, b) }), VoidSet},
		{"nobody named", described, enable(func(e *Enable) { e.Set = one(0) }), VoidSet},
		{"W above the members", described, enable(func(e *Enable) { e.Set = Set{3, []uint64{b, c}} }), VoidSet},
		{"too many", described, enable(func(e *Enable) { e.Set = Set{0, make([]uint64, MaxSetMembers+1)} }), VoidSet},
		{"a witness in the set", described, enable(func(e *Enable) { e.Set = one(b, w) }), VoidSetNotElectable},

		{"disabled when off", described, Disable{0}, VoidOff},
		{"disabled, another epoch", opened, Disable{0}, VoidEpoch},

		{"settings when off", described, Adjust{ModeOn, DefaultSettings()}, VoidOff},
		{"settings while founding", founding, Adjust{ModeOn, DefaultSettings()}, VoidBetween},
		{"mode off by settings", opened, Adjust{ModeOff, DefaultSettings()}, VoidMode},
		{"an unknown mode", opened, Adjust{ModeManual + 1, DefaultSettings()}, VoidMode},
		{"no delay", opened, Adjust{ModeOn, settings(func(s *Settings) { s.DelayMillis = 0 })}, VoidSettings},
		{"a delay of years", opened, Adjust{ModeOn, settings(func(s *Settings) { s.DelayMillis = math.MaxUint64 })}, VoidSettings},
		{"no timeout", opened, Adjust{ModeOn, settings(func(s *Settings) { s.SyncTimeoutMillis = 0 })}, VoidSettings},
		{"a timeout of years", opened, Adjust{ModeOn, settings(func(s *Settings) { s.SyncTimeoutMillis = math.MaxUint64 })}, VoidSettings},
		{"W above any set", opened, Adjust{ModeOn, settings(func(s *Settings) { s.SyncCount = MaxSetMembers + 1 })}, VoidSettings},
		{"unknown durability", opened, Adjust{ModeOn, settings(func(s *Settings) { s.Durability = Async + 1 })}, VoidSettings},

		{"no member", described, with(describe(0), func(*Describe) {}), VoidDescription},
		{"no address", described, with(describe(a), func(d *Describe) { d.Address = "" }), VoidDescription},
		{"a long address", described, long(), VoidDescription},
		{"one who is no member", described, describe(9), VoidUnknown},
		{"nothing new", described, describe(a), VoidKnown},
		{"a description of an earlier boot", described, with(describe(a), func(d *Describe) { d.Boot = 0 }), VoidOldBoot},
		{"priority 0 of a member of the set", opened, with(describe(b), func(d *Describe) { d.Priority = 0 }), VoidNamed},
		{"data given up by a member of the set", opened, with(describe(b), func(d *Describe) { d.Data = false }), VoidNamed},
		{"left by a member of the set", opened, with(describe(b), func(d *Describe) { d.Joined = false }), VoidNamed},
		{"priority 0 of the primary", opened, with(describe(a), func(d *Describe) { d.Priority = 0 }), VoidLastPrimary},
		{"priority 0 between begin and open", granted, with(describe(c), func(d *Describe) { d.Priority = 0 }), VoidBetween},

		{"begin when off", described, Begin{1}, VoidOff},
		{"begin again", begun, Begin{2}, VoidEpoch},
		{"begin of an epoch too far", opened, Begin{3}, VoidEpoch},

		{"report when off", described, Report{0, b, 1, Position{}, nil}, VoidOff},
		{"report for an epoch before", begun, Report{1, b, 1, Position{1, 1}, nil}, VoidEpoch},
		{"report after the grant", granted, Report{2, a, 1, Position{1, 1}, nil}, VoidStage},
		{"report of a witness", begun, Report{2, w, 1, Position{1, 1}, nil}, VoidNotElectable},
		{"report again", begun, Report{2, b, 1, Position{1, 600}, nil}, VoidKnown},
		{"report of an earlier boot", begun, Report{2, b, 0, Position{1, 600}, nil}, VoidOldBoot},
		{"report of an epoch that nobody got", begun, Report{2, a, 1, Position{2, 600}, nil}, VoidQuarantined},
		{"report with another switch", lonely, Report{3, a, 1, Position{2, 600}, []Branch{{2, 499}}}, VoidQuarantined},
		{"report with another timeline", lonely, Report{3, a, 1, Position{2, 600}, []Branch{{3, 500}}}, VoidQuarantined},
		{"report without the fork", lonely, Report{3, a, 1, Position{2, 600}, nil}, VoidQuarantined},
		{"report that ends before its timeline", lonely, Report{3, a, 1, Position{2, 499}, []Branch{{2, 500}}}, VoidQuarantined},
		{"report of a fork that it does not have", lonely, Report{3, a, 1, Position{1, 600}, []Branch{{2, 500}}}, VoidQuarantined},
		{"report of an old epoch with a fork", lonely, Report{3, a, 1, Position{0, 600}, []Branch{{2, 500}}}, VoidQuarantined},

		{"grant when off", described, Grant{0, b, Set{}}, VoidOff},
		{"grant of another epoch", begun, Grant{1, b, one(c)}, VoidEpoch},
		{"grant again", granted, Grant{2, b, one(c)}, VoidStage},
		{"grant to a witness", begun, Grant{2, w, one(c)}, VoidNotElectable},
		{"grant without a report", begun, Grant{2, a, one(c)}, VoidNoReport},
		{"grant of too few reports", func(t *testing.T) *script {
			return opened(t).do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil})
		}, Grant{2, b, one(c)}, VoidTooFew},
		{"grant to a lesser one", begun, Grant{2, c, one(b)}, VoidGreater},
		{"grant with a set that cannot be met", begun, Grant{2, b, Set{2, []uint64{c}}}, VoidSet},
		{"grant with a witness in the set", begun, Grant{2, b, one(w)}, VoidSetNotElectable},
		{"grant to another in manual", func(t *testing.T) *script {
			return opened(t).do(Adjust{ModeManual, DefaultSettings()}, Begin{2}, Report{2, b, 1, Position{1, 500}, nil}, Report{2, c, 1, Position{1, 400}, nil})
		}, Grant{2, b, one(c)}, VoidManual},
		{"grant to another while founding", func(t *testing.T) *script {
			return founding(t).do(Begin{2}, Report{2, b, 1, Position{1, 500}, nil}, Report{2, c, 1, Position{1, 400}, nil})
		}, Grant{2, b, one(c)}, VoidManual},
		{"grant when the last primary's data went back", func(t *testing.T) *script {
			return forked(t).do(Open{2, b, 0}, Begin{3}, Report{3, b, 2, Position{1, 400}, nil})
		}, Grant{3, b, one(c)}, VoidTooFew},
		{"grant behind all timelines", func(t *testing.T) *script {
			x := begun(t)
			x.s.Timelines = math.MaxInt32
			return x
		}, Grant{2, b, one(c)}, VoidTimelines},

		{"forked when off", described, Forked{0, b, nil}, VoidOff},
		{"forked in another epoch", granted, Forked{1, b, nil}, VoidEpoch},
		{"forked without a grant", begun, Forked{2, b, nil}, VoidStage},
		{"forked by another", granted, Forked{2, c, nil}, VoidNotPrimary},
		{"forked elsewhere", granted, Forked{2, b, []Branch{{1, 0}, {2, 499}}}, VoidHistory},
		{"forked to another number", granted, Forked{2, b, []Branch{{1, 0}, {3, 500}}}, VoidHistory},
		{"forked with another past", granted, Forked{2, b, []Branch{{2, 500}}}, VoidHistory},

		{"open when off", described, Open{0, b, 0}, VoidOff},
		{"open of another epoch", forked, Open{1, b, 0}, VoidEpoch},
		{"open before the fork", granted, Open{2, b, 0}, VoidStage},
		{"open again", opened, Open{1, a, 0}, VoidStage},
		{"open by another", forked, Open{2, c, 0}, VoidNotPrimary},
		{"open with another set", forked, Open{2, b, 1}, VoidSetVersion},
		{"open while quarantined", func(t *testing.T) *script {
			return forked(t).do(Quarantine{Member: b, Reason: QuarantinedByOperator})
		}, Open{2, b, 0}, VoidQuarantined},

		{"reopen when off", described, Reopen{0, b, 2}, VoidOff},
		{"reopen of another epoch", forked, Reopen{1, b, 2}, VoidEpoch},
		{"reopen before the grant", begun, Reopen{2, b, 2}, VoidStage},
		{"reopen by another", forked, Reopen{2, c, 2}, VoidNotPrimary},
		{"reopen with the same boot", forked, Reopen{2, b, 1}, VoidOldBoot},

		{"quarantine of nobody", opened, Quarantine{Member: 9, Reason: QuarantinedByOperator}, VoidUnknown},
		{"quarantine without a reason", opened, Quarantine{Member: b, Reason: NotQuarantined}, VoidDescription},
		{"quarantine for an unknown reason", opened, Quarantine{Member: b, Reason: quarantines}, VoidDescription},
		{"quarantine again", func(t *testing.T) *script { return opened(t).do(Quarantine{Member: b, Reason: QuarantinedByOperator}) },
			Quarantine{b, QuarantinedUnnoted, 0}, VoidKnown},
		{"quarantine by the log of an epoch before", opened, Quarantine{b, QuarantinedUnnoted, 7}, VoidEpoch},
		{"quarantine by a log that says that failover is on, and it is off", func(t *testing.T) *script { return opened(t).do(Disable{Epoch: 1}) },
			Quarantine{b, QuarantinedUnnoted, 1}, VoidOff},
		{"request when off", described, Request{0, b, WayFailover, 0}, VoidOff},
		{"request while founding", founding, Request{1, b, WayFailover, 0}, VoidFounding},
		{"request of another epoch", opened, Request{2, b, WayFailover, 0}, VoidEpoch},
		{"request of nothing", opened, Request{1, b, NotAsked, 0}, VoidRequest},
		{"request of what nobody asks for", opened, Request{1, b, WayChosen, 0}, VoidRequest},
		{"request for a witness", opened, Request{1, w, WayFailover, 0}, VoidNotElectable},

		{"switchover before an epoch is open", forked, Request{2, c, WaySwitchover, 1}, VoidStage},
		{"switchover to the primary", opened, Request{1, a, WaySwitchover, 1}, VoidPrimary},
		{"switchover again", switching, Request{1, c, WaySwitchover, 1}, VoidUnderWay},
		{"switchover while a failover is asked for", wished, Request{1, c, WaySwitchover, 1}, VoidUnderWay},
		{"switchover without an end", opened, Request{1, b, WaySwitchover, 0}, VoidSettings},
		{"switchover that may take years", opened, Request{1, b, WaySwitchover, MaxSettingMillis + 1}, VoidSettings},
		{"switching when off", described, Switchover{0, a, 1, 7}, VoidOff},
		{"switching in another epoch", switching, Switchover{2, a, 1, 7}, VoidEpoch},
		{"switching by another", switching, Switchover{1, b, 1, 7}, VoidNotPrimary},
		{"switching by an engine of before", func(t *testing.T) *script { return switching(t).do(Reopen{1, a, 2}) }, Switchover{1, a, 1, 7}, VoidOldBoot},
		{"switching after the engine started again", func(t *testing.T) *script { return switching(t).do(Reopen{1, a, 2}) }, Switchover{1, a, 2, 7}, VoidNotAsked},
		{"switching that nobody asked for", opened, Switchover{1, a, 1, 7}, VoidNotAsked},
		{"switching for another request", switching, Switchover{1, a, 1, 6}, VoidNotAsked},
		{"switching again", func(t *testing.T) *script { return switched(t) }, Switchover{1, a, 1, 7}, VoidNotAsked},
		{"switching to one that is quarantined", func(t *testing.T) *script {
			return switching(t).do(Quarantine{Member: b, Reason: QuarantinedByOperator})
		}, Switchover{1, a, 1, 7}, VoidNotElectable},
		{"switching with a set that the target alone does not satisfy", switching, Switchover{1, a, 1, 7}, VoidSetToSwitch},
		{"abort of a switchover that has ended", func(t *testing.T) *script { return switched(t).do(Begin{2}) }, Abort{2, 0, 7}, VoidNotAsked},
		{"abort when off", described, Abort{0, 0, 1}, VoidOff},
		{"abort in another epoch", wished, Abort{2, 0, 7}, VoidEpoch},
		{"abort by another", wished, Abort{1, b, 7}, VoidNotPrimary},
		{"abort of another request", wished, Abort{1, 0, 6}, VoidNotAsked},
		{"abort of nothing", opened, Abort{1, 0, 0}, VoidNotAsked},
		{"abort of what has begun", func(t *testing.T) *script { return wished(t).do(Begin{2}) }, Abort{2, 0, 7}, VoidNotAsked},

		{"override when off", described, Override{0, b, Loss{}}, VoidOff},
		{"override while founding", func(t *testing.T) *script { return founding(t).do(Begin{2}) }, Override{2, b, Loss{}}, VoidFounding},
		{"override in another epoch", begun, Override{1, b, Loss{}}, VoidEpoch},
		{"override of an open epoch", opened, Override{1, b, Loss{}}, VoidStage},
		{"override after the grant", granted, Override{2, c, Loss{}}, VoidStage},
		{"override that names too many", begun, Override{2, b, Loss{Missing: make([]uint64, maxLoss+1)}}, VoidRequest},
		{"override for too many positions", begun, Override{2, b, Loss{Greater: make([]Reported, maxLoss+1)}}, VoidRequest},
		{"override for a witness", begun, Override{2, w, Loss{}}, VoidNotElectable},
		{"override without a report", begun, Override{2, a, Loss{}}, VoidNoReport},
		{"override that does not name a greater one", begun, Override{2, c, Loss{}}, VoidUnnamed},
		{"override that names a lesser position", begun, Override{2, c, Loss{Greater: []Reported{{b, 1, Position{1, 499}}}}}, VoidUnnamed},
		{"override that does not name all who are missing", few, Override{2, b, Loss{Missing: []uint64{a}}}, VoidUnnamed},
		{"grant of more than the override names", func(t *testing.T) *script {
			return few(t).do(Override{2, b, Loss{Missing: []uint64{a, c}}}, Report{2, c, 1, Position{1, 600}, nil})
		}, Grant{2, b, one(c)}, VoidGreater},
		{"grant to another than the override's", func(t *testing.T) *script {
			return begun(t).do(Override{2, b, Loss{Missing: []uint64{a}, Greater: []Reported{{b, 1, Position{1, 500}}}}})
		}, Grant{2, c, one(b)}, VoidGreater},

		{"clear of nobody", opened, Clear{9}, VoidUnknown},
		{"clear of one that is not", opened, Clear{b}, VoidKnown},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := x.on(t)
			before := s.s.Clone()
			got := s.apply(x.entry)
			if got.Void != x.want {
				t.Fatalf("%T%+v: %v, want %v", x.entry, x.entry, got.Void, x.want)
			}
			if q := got.Quarantined; q != 0 {
				if s.s.Member(q).Quarantined != QuarantinedOtherFork {
					t.Errorf("member %x is not quarantined", q)
				}
				before.Member(q).Quarantined = QuarantinedOtherFork
			} else if x.want == VoidQuarantined && x.name != "open while quarantined" {
				t.Error("nobody is quarantined")
			}
			if !reflect.DeepEqual(before, s.s) {
				t.Errorf("a void entry changed\n%+v to\n%+v", before, s.s)
			}
		})
	}
}

// Every void is said in words of its own, and quarantines and reasons are too.
func TestWords(t *testing.T) {
	seen := map[string]bool{}
	say := func(s fmt.Stringer) {
		if text := s.String(); text == "unknown" || seen[text] {
			t.Errorf("%T %v: %q", s, reflect.ValueOf(s), text)
		} else {
			seen[text] = true
		}
	}
	for v := range voids {
		say(v)
	}
	for q := range quarantines {
		say(q)
	}
	for y := range whyNots {
		say(y)
	}
	if voids.String() != "unknown" || quarantines.String() != "unknown" || whyNots.String() != "unknown" {
		t.Error("a number without a constant has words")
	}
}

// An epoch from its begin to its open, and what is kept of it.
func TestEpoch(t *testing.T) {
	x := begun(t)
	if x.s.Epoch.Stage != StageBegun || x.s.Last.Primary != a || x.s.Last.Set.W != 1 {
		t.Fatalf("begun: %+v", x.s)
	}
	x.do(Grant{2, b, one(c)})
	want := Epoch{Number: 2, Stage: StageGranted, Primary: b, Boot: 1, From: Position{1, 500}, Timeline: 2, Set: one(c), Changed: x.index}
	if !reflect.DeepEqual(x.s.Epoch, want) {
		t.Fatalf("granted: %+v", x.s.Epoch)
	}
	x.do(Reopen{2, b, 3}, Forked{2, b, []Branch{{1, 0}, {2, 500}}})
	if x.s.Epoch.Boot != 3 || x.s.Last.Number != 1 {
		t.Fatalf("forked: %+v", x.s)
	}
	x.do(Open{2, b, 0})
	if !reflect.DeepEqual(x.s.Last, Reign{Number: 2, Primary: b, Set: one(c), Since: x.index}) || x.s.Mode != ModeOn {
		t.Fatalf("open: %+v", x.s)
	}
	if got := x.s.Past; len(got) != 2 || got[1].Opened != x.index || got[1].From != (Position{1, 500}) {
		t.Errorf("the history is %+v", got)
	}
	// The old primary counts for all of its epoch, but b's epoch is judged by b's set.
	x.do(Begin{3}, Report{3, a, 5, Position{1, 900}, nil})
	if got := x.apply(Grant{3, a, one(c)}); got.Void != VoidTooFew {
		t.Errorf("a grant that only the primary before the last one reported for: %v", got.Void)
	}
	x.do(Report{3, c, 1, Position{2, 600}, []Branch(nil)})
	if got := x.apply(Grant{3, a, one(c)}); got.Void != VoidGreater {
		t.Errorf("a greater LSN on an older timeline: %v", got.Void)
	}
	x.do(Grant{3, c, one(b)})
	if h := x.s.History(x.s.Epoch.Timeline); !slices.Equal(h, []Branch{{1, 0}, {2, 500}, {3, 600}}) {
		t.Errorf("the history of timeline 3 is %v", h)
	}
}

// A fork that never opened is a beginning like any other, is forgotten once another
// one opens, and its number is never given again.
func TestForkThatNeverOpened(t *testing.T) {
	x := lonely(t).do(Report{3, b, 1, Position{2, 700}, []Branch{{2, 500}}}, Report{3, c, 1, Position{1, 400}, nil}, Grant{3, b, one(c)})
	if h := x.s.History(3); !slices.Equal(h, []Branch{{1, 0}, {2, 500}, {3, 700}}) {
		t.Errorf("the history of timeline 3 is %v", h)
	}
	y := lonely(t).do(Report{3, c, 1, Position{1, 400}, nil}, Report{3, a, 2, Position{1, 600}, nil}, Grant{3, a, one(c)})
	if h := y.s.History(3); !slices.Equal(h, []Branch{{1, 0}, {3, 600}}) || y.s.forkOf(2) == nil {
		t.Errorf("the history of timeline 3 is %v, and of %+v", h, y.s.Forks)
	}
	y.do(Forked{3, a, []Branch{{1, 0}, {3, 600}}}, Open{3, a, 0})
	if y.s.forkOf(2) != nil || y.s.fork(3) == nil {
		t.Errorf("open: %+v", y.s.Forks)
	}
	if y.do(Begin{4}, Report{4, b, 2, Position{2, 999}, nil}, Report{4, c, 2, Position{3, 601}, nil}); y.s.Report(b) == nil {
		t.Error("a report on a fork that is forgotten was not taken")
	}
	if y.do(Grant{4, c, one(b)}); y.s.Epoch.Timeline != 4 {
		t.Errorf("timeline %d", y.s.Epoch.Timeline)
	}
}
