package failover

import "slices"

// Durability async: the primary logs how far its WAL reaches, acknowledges half of
// maximum_lag more, and a later primary lacks half of it at most. So what a failover
// gives up is within maximum_lag of what was acknowledged.

func (s *State) progress(e Progress) Void {
	if v := s.ofPrimary(e.Epoch, e.Member, s.Epoch.Stage == StageOpen); v != NotVoid {
		return v
	}
	switch {
	case e.Boot != s.Epoch.Boot:
		return VoidOldBoot
	case s.Settings.Durability != Async || e.Lag != s.Settings.MaximumLag || e.Since != s.Last.Since || s.Epoch.Set.W > 0:
		return VoidNotAsync
	case e.LSN <= s.Last.Progress:
		return VoidKnown
	}
	s.Last.Progress, s.Last.Lag = e.LSN, e.Lag
	return NotVoid
}

// unlogged forgets how far the open epoch's primary had come: it acknowledges by another
// rule from here on.
func (s *State) unlogged(index uint64) {
	if s.Epoch.Stage == StageOpen {
		s.Last.Progress, s.Last.Lag, s.Last.Since = 0, 0, index
	}
}

// Limit is up to where the reign's primary may acknowledge with async, 0 as long as that is
// not in the log.
func (r Reign) Limit() uint64 {
	if r.Progress == 0 {
		return 0
	}
	return r.Progress + r.Lag/2
}

// near says that WAL up to p lacks no more than async allows of what the last open epoch's
// primary can have acknowledged. A fork since began where that was so. Of an epoch before, it
// counts as far as the last open one's lineage has it.
func (s *State) near(p Position) bool {
	r, p := s.Last, s.worth(p)
	if r.Progress == 0 || p.Epoch > r.Number {
		return r.Progress > 0
	}
	_, on := s.leaves(p.Epoch)
	return on && p.LSN+r.Lag/2 >= r.Progress
}

// givesUp says whether a member that reported may go on though commits may be lost by it.
func (s *State) givesUp(id uint64, voters []uint64) bool {
	return s.Settings.Durability == Async && s.counted(id, voters) && s.near(s.Report(id).Position)
}

// someGivesUp says whether one of those who reported may.
func (s *State) someGivesUp(voters []uint64) bool {
	return slices.ContainsFunc(s.Reports, func(r Reported) bool { return s.givesUp(r.Member, voters) })
}
