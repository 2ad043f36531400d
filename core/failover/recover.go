package failover

import (
	"cmp"
	"math"
	"slices"
)

// What a recovery from a lost quorum leaves above the numbers that the log of the member
// that goes on alone has: the lost majority may have given more, which are on disks that may
// come back. History files fill a gap of timelines, so that one is kept small.
const (
	RecoveryEpochs    = 1000
	RecoveryTimelines = 16
)

// Recovered is for the member old, 0 if it was none, that goes on alone as id, in the entry
// at an index. All others are lost, and so is what they were to count for: who gets the next epoch is for an
// operator to say, but that was the last primary.
func (s *State) Recovered(old, id, index uint64) {
	is := func(x uint64) uint64 {
		if x == old && old != 0 {
			return id
		}
		return x
	}
	was := s.Epoch.Primary
	s.Members = slices.DeleteFunc(s.Members, func(m Member) bool { return m.ID != old })
	for i := range s.Members {
		s.Members[i].ID = id
	}
	s.Last.Primary = is(s.Last.Primary)
	s.Last.Set = s.Last.Set.renamed(is)
	for i := range s.Past {
		s.Past[i].Primary = is(s.Past[i].Primary)
	}
	s.Reports = nil
	for i := range s.Forks { // one of them may have opened, in what is lost of the log
		f := &s.Forks[i]
		f.Short = f.Short || f.Epoch > s.Last.Number
	}
	switch {
	case s.Epoch.Number == 0: // it was never on
		return
	case s.Mode == ModeOff:
		s.Epoch.Primary = is(was)
	case s.Mode == ModeFounding && was != old:
		s.off()
	default:
		if s.Mode != ModeFounding {
			s.Mode = ModeManual
		}
		s.Epoch = Epoch{Stage: StageBegun, Number: s.Epoch.Number, Changed: index}
	}
	s.Epoch.Number += RecoveryEpochs
	s.Timelines = min(s.Timelines+RecoveryTimelines, math.MaxInt32)
}

func (s Set) renamed(is func(uint64) uint64) Set {
	c := s.clone()
	for i := range c.Members {
		c.Members[i] = is(c.Members[i])
	}
	slices.SortFunc(c.Members, cmp.Compare)
	return c
}
