package core

import "slices"

// Majority is how many of n voters are one: more than half of them. Everything of
// the product that counts voters goes by it. (The library counts by itself, and so
// do the checkers of the simulator, so that a fault here is seen.)
func Majority(n int) int { return n/2 + 1 }

// voters calls f with the voters of each of the configuration's quorums: one,
// or two while it is joint.
func (m *machine) voters(f func([]uint64)) {
	f(m.conf.GetVoters())
	if out := m.conf.GetVotersOutgoing(); len(out) > 0 {
		f(out)
	}
}

// isVoter says whether id counts in some quorum.
func (m *machine) isVoter(id uint64) bool {
	found := false
	m.voters(func(v []uint64) { found = found || slices.Contains(v, id) })
	return found
}

// onlyVoter says that this node is a majority by itself.
func (c *Core) onlyVoter() bool {
	return len(c.conf.GetVotersOutgoing()) == 0 && len(c.conf.GetVoters()) == 1 && c.isVoter(c.self)
}

// joint says whether two quorums are needed at the moment. The library takes no
// other change until it has left that state.
func (c *Core) joint() bool { return len(c.conf.GetVotersOutgoing()) > 0 }

// votersBeside are the voters without id.
func (c *Core) votersBeside(id uint64) []uint64 {
	rest := make([]uint64, 0, len(c.conf.GetVoters())+1)
	for _, v := range c.conf.GetVoters() {
		if v != id {
			rest = append(rest, v)
		}
	}
	return rest
}
