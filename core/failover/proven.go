package failover

import "slices"

// WAL that proves that R is enough. A fork that was granted by an R which was enough began
// with all that the last open epoch can have acknowledged, and that epoch acknowledges
// nothing any more: too many of its set, or its primary, had sealed. Until another epoch
// opens nobody does. So who has WAL of that fork has it all, whoever else is away or has
// made its data anew from there since.

// proves says that WAL of a timeline is of such a fork, and so are all those between it and
// the last open epoch's.
func (s *State) proves(timeline uint32) bool {
	f := s.fork(timeline)
	if f == nil || f.Epoch <= s.Last.Number {
		return false
	}
	for ; f != nil && f.Epoch > s.Last.Number; f = s.fork(f.Parent) {
		if f.Override || f.Short {
			return false
		}
	}
	return f != nil
}

// proved says whether R has a report of such WAL.
func (s *State) proved(voters []uint64) bool {
	return slices.ContainsFunc(s.Reports, func(r Reported) bool {
		f := s.forkOf(r.Position.Epoch)
		return f != nil && s.counted(r.Member, voters) && s.proves(f.Timeline)
	})
}

// someoneProves says whether one of those whom usable has is there with such WAL.
func (m *Machine) someoneProves(a Around, usable func(uint64) bool) bool {
	return m.someoneHas(a, usable, func(timeline uint32, _ uint64) bool { return a.State.proves(timeline) })
}
