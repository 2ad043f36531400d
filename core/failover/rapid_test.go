package failover

import (
	"bytes"
	"math/bits"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core/rapidtest"
)

func TestMain(m *testing.M) { rapidtest.Main(m, nil) }

// drawEntry draws an entry of any kind, with numbers that often fit a state of few
// members and epochs.
func drawEntry(t *rapid.T) Entry {
	member := rapid.SampledFrom([]uint64{a, b, c, w, 0, 9})
	number := func(name string) uint64 { return rapid.Uint64Range(0, 5).Draw(t, name) }
	lsn := func() uint64 { return 100 * rapid.Uint64Range(0, 8).Draw(t, "lsn") }
	branches := func() []Branch {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Branch {
			return Branch{uint32(rapid.Uint64Range(0, 5).Draw(t, "timeline")), lsn()}
		}), 0, 3).Draw(t, "history")
	}
	set := func() Set {
		m := rapid.SliceOfNDistinct(rapid.SampledFrom([]uint64{a, b, c, w}), 0, 3, rapid.ID[uint64]).Draw(t, "set")
		if rapid.IntRange(0, 9).Draw(t, "sorted") > 0 {
			slices.Sort(m)
		}
		return Set{uint32(number("w")) % 3, slices.Clip(m)}
	}
	settings := func() Settings {
		return Settings{Durability(number("durability") % 4), uint32(number("sync_count")), number("delay"), number("timeout"), number("lag") << 12}
	}
	id := member.Draw(t, "member")
	switch rapid.IntRange(0, 17).Draw(t, "kind") {
	case 17:
		return Switchover{number("epoch"), id, number("boot"), number("request")}
	case 15:
		return Request{number("epoch"), id, Way(number("way")), number("millis")}
	case 16:
		return Abort{number("epoch"), id, number("request")}
	case 14:
		l := Loss{Missing: set().Members}
		for range rapid.IntRange(0, 2).Draw(t, "greater") {
			l.Greater = append(l.Greater, Reported{member.Draw(t, "who"), number("boot"), Position{number("in"), lsn()}})
		}
		return Override{number("epoch"), id, l}
	case 0:
		return Enable{number("epoch"), id, number("boot"), number("system") % 2, lsn(), branches(), uint32(number("highest")), set(), settings()}
	case 1:
		return Disable{number("epoch")}
	case 2:
		return Adjust{Mode(number("mode")), settings()}
	case 3:
		return Describe{id, number("boot"), rapid.SampledFrom([]string{"", "host=x", "host=y"}).Draw(t, "address"),
			rapid.Bool().Draw(t, "data"), rapid.Bool().Draw(t, "joined"), uint32(number("priority"))}
	case 4:
		return Begin{number("epoch")}
	case 5:
		return Report{number("epoch"), id, number("boot"), Position{number("in"), lsn()}, branches()}
	case 6:
		return Grant{number("epoch"), id, set()}
	case 7:
		return Forked{number("epoch"), id, branches()}
	case 8:
		return Open{number("epoch"), id, number("version") % 2}
	case 9:
		return Reopen{number("epoch"), id, number("boot")}
	case 10:
		return Quarantine{id, Quarantined(number("reason")), number("epoch")}
	case 11:
		return Change{number("epoch"), id, number("boot"), number("version"), set()}
	}
	if rapid.Bool().Draw(t, "progress") {
		return Progress{number("epoch"), id, number("boot"), lsn(), number("lag") << 12, number("since")}
	}
	return Clear{id}
}

// aimed draws an entry that may well be next in a state: random ones rarely are.
func aimed(t *rapid.T, s *State) Entry {
	id := rapid.SampledFrom([]uint64{a, b, c, w}).Draw(t, "member")
	e := &s.Epoch
	if e.Overrides != 0 && rapid.IntRange(0, 3).Draw(t, "overrides") > 0 {
		id = e.Overrides
	}
	others := slices.DeleteFunc([]uint64{a, b, c}, func(x uint64) bool { return x == id })
	set := Set{uint32(rapid.IntRange(0, 2).Draw(t, "w")), others}
	kind := rapid.IntRange(0, 12).Draw(t, "kind")
	switch { // What the stage waits for, in half of the cases.
	case kind < 5:
	case s.Mode == ModeOff:
		kind = 0
	case e.Stage == StageBegun && len(s.Reports) == 1 && e.Overrides == 0 && kind >= 8:
		kind, id = 10, s.Reports[0].Member
	case e.Stage == StageBegun && len(s.Reports) < 2 && e.Overrides == 0:
		kind = 2
	case e.Stage == StageBegun:
		kind = 5
	case e.Stage == StageGranted:
		kind = 8
	default:
		kind = 1
	}
	switch kind {
	case 0:
		return Enable{e.Number + 1, id, 1, 1, 1000, []Branch{{1, 0}}, s.Timelines, set, DefaultSettings()}
	case 1:
		return Begin{e.Number + 1}
	case 2, 3, 4:
		last := s.forkOf(s.Last.Number)
		if last == nil {
			return Describe{id, 1, "host=x", true, true, 100}
		}
		f := s.Forks[rapid.IntRange(0, len(s.Forks)-1).Draw(t, "fork")]
		r := Report{Epoch: e.Number, Member: id, Boot: rapid.Uint64Range(1, 4).Draw(t, "boot"), Position: Position{f.Epoch, f.Switch + 50}}
		for _, b := range s.History(f.Timeline) {
			if b.Timeline > last.Timeline {
				r.Forks = append(r.Forks, b)
			}
		}
		return r
	case 5, 6:
		return Grant{e.Number, id, set}
	case 7:
		return Forked{e.Number, e.Primary, s.History(e.Timeline)}
	case 8:
		return Open{e.Number, e.Primary, e.SetVersion}
	case 9:
		return Change{e.Number, e.Primary, e.Boot, e.SetVersion + 1, set}
	case 11:
		return Request{e.Number, id, WayFailover + Way(rapid.IntRange(0, 1).Draw(t, "way")), 0}
	case 10:
		return Override{e.Number, id, s.Loss(id, []uint64{a, b, c, w})}
	}
	return drawEntry(t)
}

// Whatever the log holds: Apply does not panic, the state comes through its bytes as
// it is, no timeline is given twice, no epoch goes back, no grant is below a report
// that counts, and no grant is without those that the last open epoch needs.
func TestRapidApply(t *testing.T) {
	grants, left, overrides := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var s State
		given := map[uint32]bool{}
		voters := []uint64{a, b, c, w}
		if rapid.IntRange(0, 7).Draw(t, "described") > 0 {
			for i, id := range voters[:3] {
				s.Apply(Describe{id, 1, "host=x", true, true, 100}, Place{uint64(i), voters, voters})
			}
			if rapid.Bool().Draw(t, "opened") {
				s.Apply(first, Place{4, voters, voters})
				s.Apply(Open{1, a, 0}, Place{5, voters, voters})
			}
		}
		for i := range rapid.IntRange(1, 40).Draw(t, "entries") {
			if id := rapid.SampledFrom(voters).Draw(t, "goes"); len(voters) > 2 && rapid.IntRange(0, 9).Draw(t, "go") == 0 && s.MayLeave(id) == NotVoid {
				s.Forget(id)
				left++
				voters = slices.DeleteFunc(slices.Clone(voters), func(v uint64) bool { return v == id })
			}
			before := s.Clone()
			e := aimed(t, &s)
			read, err := Unmarshal(Marshal(e))
			if err != nil || !equal(read, e) {
				t.Fatalf("%T%+v came back as %T%+v: %v", e, e, read, read, err)
			}
			got := s.Apply(read, Place{uint64(10 + i), voters, voters})
			if _, ok := e.(Change); ok && got.Void != NotVoid && s.Epoch.SetVersion == before.Epoch.SetVersion+1 {
				before.Epoch.SetVersion++ // it has used its version up
			}
			if got.Void != NotVoid && got.Quarantined == 0 && !reflect.DeepEqual(s, before) {
				t.Fatalf("%T%+v, void (%v), changed %+v to %+v", e, e, got.Void, before, s)
			}
			if s.Epoch.Number < before.Epoch.Number || s.Timelines < before.Timelines {
				t.Fatalf("%T%+v: back from %+v to %+v", e, e, before, s)
			}
			if g, ok := e.(Grant); ok && got.Void == NotVoid {
				grants++
				if given[s.Epoch.Timeline] || s.Epoch.Timeline <= before.Timelines {
					t.Fatalf("timeline %d again", s.Epoch.Timeline)
				}
				x := before.worth(before.Report(g.Primary).Position)
				over := before.Epoch.Overrides == g.Primary
				lost := s.Past[len(s.Past)-1].Loss
				if !over && !lost.None() || !before.Epoch.Loss.Covers(&lost) {
					t.Fatalf("a grant of %+v gives up %+v", before.Epoch, lost)
				}
				for _, r := range before.Reports {
					if before.Electable(r.Member, voters) && before.worth(r.Position).Compare(x) > 0 && !slices.Contains(lost.Greater, r) {
						t.Fatalf("a grant at %+v, below %+v", x, r)
					}
				}
				if !before.met(voters) && !before.givesUp(g.Primary, voters) && len(lost.Missing) == 0 {
					t.Fatalf("a grant of %+v under %+v", before.Reports, before.Last)
				}
				if over && !lost.None() {
					overrides++
				}
			}
			given[s.Epoch.Timeline] = true
			for _, id := range slices.Concat(s.Epoch.Set.Members, s.Last.Set.Members) {
				if !slices.Contains(voters, id) {
					t.Fatalf("%T%+v: a set names %x, who was removed: %+v", e, e, id, s)
				}
			}
			again, err := UnmarshalState(s.Marshal())
			if err != nil || !bytes.Equal(again.Marshal(), s.Marshal()) || !equal(again, s) {
				t.Fatalf("%+v came back as %+v: %v", s, again, err)
			}
		}
	})
	if grants == 0 || left == 0 || overrides == 0 {
		t.Errorf("%d grants, %d removals, %d by an override: little was tried", grants, left, overrides)
	}
}

// equal compares but for nil slices, which bytes do not tell from empty ones.
func equal(x, y any) bool {
	return reflect.DeepEqual(normal(reflect.ValueOf(x)), normal(reflect.ValueOf(y)))
}

func normal(v reflect.Value) any {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	var empty func(reflect.Value)
	empty = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				empty(v.Field(i))
			}
		case reflect.Slice:
			if v.Len() == 0 {
				v.SetZero()
			}
		}
	}
	empty(c)
	return c.Interface()
}

// Bytes that are no entry, or no state, are an error and never a panic; what is read
// can be applied.
func TestRapidBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad := func(b []byte) []byte {
			if n := rapid.IntRange(-1, len(b)-1).Draw(t, "at"); n >= 0 {
				b[n] = rapid.Byte().Draw(t, "byte")
			}
			return b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
		}
		var s State
		for _, id := range []uint64{a, b, c} {
			s.Apply(Describe{id, 1, "host=x", true, true, 100}, Place{1, []uint64{a, b, c}, []uint64{a, b, c}})
		}
		s.Apply(first, Place{4, []uint64{a, b, c}, []uint64{a, b, c}})
		if rapid.Bool().Draw(t, "state too") {
			if got, err := UnmarshalState(bad(s.Marshal())); err == nil {
				s = got
			}
		}
		for range 3 {
			if e, err := Unmarshal(bad(Marshal(drawEntry(t)))); err == nil {
				s.Apply(e, Place{5, []uint64{a, b, c}, []uint64{a, b, c}})
			}
		}
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		if _, err := Unmarshal(raw); err == nil && len(raw) == 0 {
			t.Fatal("no bytes are an entry")
		}
		_, _ = UnmarshalState(raw)
	})
}

// Members that pass step 2 include one that has any commit which can have been
// acknowledged: one that is on the primary and on W of the set.
func TestRapidMet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 6).Draw(t, "members")
		r := Reign{Primary: 100, Set: Set{W: uint32(rapid.IntRange(0, n).Draw(t, "w"))}}
		for i := range n {
			r.Set.Members = append(r.Set.Members, uint64(i+1))
		}
		reports := uint(rapid.IntRange(0, 1<<n-1).Draw(t, "reports"))
		primary := rapid.Bool().Draw(t, "primary")
		has := func(id uint64) bool { return id == 100 && primary || id != 100 && reports>>(id-1)&1 == 1 }
		meets := true
		for acked := range uint(1) << n {
			if bits.OnesCount(acked) == int(r.Set.W) && acked&reports == 0 && !primary {
				meets = false
			}
		}
		if got := r.Met(has); got != meets {
			t.Fatalf("%+v with reports %b and primary %v: %v", r, reports, primary, got)
		}
	})
}
