package failover

import (
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawSet draws a set of some of six members that can be met.
func drawSet(t *rapid.T, name string) Set {
	var s Set
	for mask, i := rapid.IntRange(0, 63).Draw(t, name), 0; i < 6; i++ {
		if mask>>i&1 == 1 {
			s.Members = append(s.Members, uint64(i+1))
		}
	}
	s.W = uint32(rapid.IntRange(0, len(s.Members)).Draw(t, name+"'s W"))
	return s
}

// counts says whether a commit counts for a set that these of six members have flushed.
func countsFor(s Set, flushed int) bool {
	mask := 0
	for _, id := range s.Members {
		mask |= 1 << (id - 1)
	}
	return bits.OnesCount(uint(mask&flushed)) >= int(s.W)
}

func always(s, o Set) bool {
	for flushed := range 64 {
		if countsFor(s, flushed) && !countsFor(o, flushed) {
			return false
		}
	}
	return true
}

// What implies what is counted out; the names of a change imply both of its sets, are one
// of the two where that will do, and can be met; the goal is reached in two steps, of
// which neither makes commits wait for members of both where there is another way.
func TestRapidSets(t *testing.T) {
	ways := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s, o := drawSet(t, "set"), drawSet(t, "other")
		if got := s.implies(o); got != always(s, o) {
			t.Fatalf("%v implies %v: %v", s, o, got)
		}
		j := s.joint(o)
		if !always(j, s) || !always(j, o) || !j.sound(99) {
			t.Fatalf("the names of %v, to be followed by %v, are %v", s, o, j)
		}
		if (always(s, o) || always(o, s)) && !j.equal(s) && !j.equal(o) {
			t.Fatalf("the names of %v, to be followed by %v, are %v", s, o, j)
		}
		may := rapid.IntRange(0, 63).Draw(t, "may")
		free := func(id uint64) bool { return o.Has(id) || may>>(id-1)&1 == 1 }
		next := s.towards(o, free)
		switch {
		case next.equal(o):
			ways["in one step"]++
			if !s.implies(o) && !o.implies(s) && !slices.ContainsFunc(s.Members, func(id uint64) bool { return !free(id) }) {
				t.Fatalf("from %v to %v in one step", s, o)
			}
		default:
			ways["in two steps"]++
			if !next.sound(99) || !s.implies(next) || !o.implies(next) || next.W < min(s.W, o.W) ||
				slices.ContainsFunc(next.Members, func(id uint64) bool { return !free(id) && !o.Has(id) }) {
				t.Fatalf("from %v to %v by way of %v", s, o, next)
			}
			if then := next.towards(o, free); !then.equal(o) {
				t.Fatalf("from %v to %v by way of %v and %v", s, o, next, then)
			}
		}
	})
	if len(ways) != 2 {
		t.Errorf("%v: little was tried", ways)
	}
}

func TestSetsByName(t *testing.T) {
	for _, x := range []struct {
		name        string
		from, goal  Set
		next, names Set
	}{
		{"the last one leaves, and W falls", one(b), Set{}, Set{}, one(b)},
		{"one of two leaves", one(b, c), one(c), one(c), one(c)},
		{"one joins", one(b), one(b, c), one(b, c), one(b)},
		{"W rises", one(b, c), Set{2, []uint64{b, c}}, Set{2, []uint64{b, c}}, Set{2, []uint64{b, c}}},
		{"W falls", Set{2, []uint64{b, c}}, one(b, c), one(b, c), Set{2, []uint64{b, c}}},
		{"one leaves, and W falls", Set{2, []uint64{b, c}}, one(c), one(c), Set{2, []uint64{b, c}}},
		{"one for another", one(b), one(c), one(b, c), one(b)},
		{"the first joins", Set{}, one(b), one(b), one(b)},
	} {
		next := x.from.towards(x.goal, func(uint64) bool { return true })
		if names := x.from.joint(next); !next.equal(x.next) || !names.equal(x.names) {
			t.Errorf("%s: %v by the names of %v", x.name, next, names)
		}
	}
	// One that no set may name is not in between: commits wait for both, for a moment.
	next := one(b).towards(one(c), func(id uint64) bool { return id != b })
	if names := one(b).joint(next); !next.equal(one(c)) || !names.equal(Set{2, []uint64{b, c}}) {
		t.Errorf("%v by the names of %v", next, names)
	}
}
