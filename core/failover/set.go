package failover

import "slices"

// How one sync set follows another. A commit counts for both while a change is under
// way, so PostgreSQL, whose names stand for one set only, has to wait by a set that is as
// strict as the two.

func (s Set) equal(o Set) bool { return s.W == o.W && slices.Equal(s.Members, o.Members) }

// without is how many members of s are not in o.
func (s Set) without(o Set) int {
	n := 0
	for _, id := range s.Members {
		if !o.Has(id) {
			n++
		}
	}
	return n
}

// implies says that what W of s have flushed, W of o have, too.
func (s Set) implies(o Set) bool { return o.W == 0 || int(s.W)-s.without(o) >= int(o.W) }

// joint is a set that implies both: one of the two where that will do.
func (s Set) joint(o Set) Set {
	switch {
	case s.implies(o):
		return s
	case o.implies(s):
		return o
	}
	return Set{max(s.W+uint32(o.without(s)), o.W+uint32(s.without(o))), union(s.Members, o.Members)}
}

// towards is the next set on the way to goal. Where neither implies the other, it is one
// that both imply: else commits would have to wait for members of both. may says whom a
// set may name.
func (s Set) towards(goal Set, may func(uint64) bool) Set {
	between := Set{min(s.W, goal.W), union(s.Members, goal.Members)}
	if s.implies(goal) || goal.implies(s) || len(between.Members) > MaxSetMembers ||
		slices.ContainsFunc(between.Members, func(id uint64) bool { return !may(id) }) {
		return goal
	}
	return between
}

// union is of ascending lists.
func union(x, y []uint64) []uint64 {
	l := slices.Concat(x, y)
	slices.Sort(l)
	return slices.Compact(l)
}
