package failover

import (
	"slices"
)

// begin ends what the epoch before it had reached: nothing of that counts any more,
// but for the last epoch that opened, by which this one is judged.
func (s *State) begin(e Begin, at Place) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case e.Epoch != s.Epoch.Number+1:
		return VoidEpoch
	}
	if s.Epoch.Stage == StageGranted || s.Epoch.Stage == StageForked {
		if m := s.Member(s.Epoch.Primary); m != nil && m.Failed < maxFailed {
			m.Failed++
		}
	}
	s.Reports = nil
	s.Epoch = Epoch{Number: e.Epoch, Stage: StageBegun, Changed: at.Index, Ask: s.Epoch.Ask.carried()}
	return NotVoid
}

// maxFailed bounds Member.Failed, which delays are multiplied with.
const maxFailed = 10

func (s *State) report(e Report, at Place) Applied {
	switch {
	case s.Mode == ModeOff:
		return void(VoidOff)
	case e.Epoch != s.Epoch.Number:
		return void(VoidEpoch)
	case s.Epoch.Stage != StageBegun:
		return void(VoidStage)
	case !s.Electable(e.Member, at.Voters):
		return void(VoidNotElectable)
	}
	if old := s.Report(e.Member); old != nil {
		switch {
		case e.Boot < old.Boot:
			return void(VoidOldBoot)
		case e.Boot == old.Boot:
			return void(VoidKnown)
		}
	}
	if !s.onLineage(e.Position, e.Forks) {
		s.Member(e.Member).Quarantined = QuarantinedOtherFork
		s.Reports = slices.DeleteFunc(s.Reports, func(r Reported) bool { return r.Member == e.Member })
		return Applied{Void: VoidQuarantined, Quarantined: e.Member}
	}
	s.Reports = put(s.Reports, Reported{e.Member, e.Boot, e.Position}, func(r Reported) uint64 { return r.Member })
	return Applied{}
}

// onLineage says whether WAL at a position, with these forks behind the last open
// epoch's timeline, is what the log has granted. Whether the WAL of an epoch before
// the last open one is on the lineage plays no part: it is less than that of any
// member that has the last one's fork.
func (s *State) onLineage(p Position, forks []Branch) bool {
	if p.Epoch < s.Last.Number {
		return len(forks) == 0
	}
	f := s.forkOf(p.Epoch)
	if f == nil || p.LSN < f.Switch {
		return false
	}
	var want []Branch
	for ; f != nil && f.Epoch > s.Last.Number; f = s.fork(f.Parent) {
		want = append(want, Branch{f.Timeline, f.Switch})
	}
	slices.Reverse(want)
	return slices.Equal(want, forks)
}

// counted says whether a member's report is in R.
func (s *State) counted(id uint64, voters []uint64) bool {
	return s.Report(id) != nil && s.Electable(id, voters)
}

// met says whether R is enough.
func (s *State) met(voters []uint64) bool {
	missing := s.missing(voters)
	return s.proved(voters) || s.Last.Met(func(id uint64) bool { return !slices.Contains(missing, id) })
}

// grant is steps 2 and 3 of a promotion, as they hold when it is applied. The
// timeline's number is given here, and never again.
func (s *State) grant(e Grant, at Place) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case e.Epoch != s.Epoch.Number:
		return VoidEpoch
	case s.Epoch.Stage != StageBegun:
		return VoidStage
	case !s.Electable(e.Primary, at.Voters):
		return VoidNotElectable
	case s.Report(e.Primary) == nil:
		return VoidNoReport
	case !s.mayGet(e.Primary):
		return VoidManual
	}
	x, lost := s.Report(e.Primary), s.Loss(e.Primary, at.Voters)
	if s.Epoch.Overrides != e.Primary || !s.Epoch.Loss.Covers(&lost) {
		switch {
		case len(lost.Missing) > 0:
			return VoidTooFew
		case len(lost.Greater) > 0:
			return VoidGreater
		}
	}
	if v := s.checkSet(e.Set, e.Primary, s.Settings, at); v != NotVoid {
		return v
	}
	// It is kept: a position as great as the last open epoch's was on its lineage as it
	// was reported, and no fork since that one is dropped.
	parent := s.forkOf(x.Position.Epoch)
	if parent == nil {
		return VoidHistory
	}
	t, ok := s.nextTimeline()
	if !ok {
		return VoidTimelines
	}
	short, kept := !s.met(at.Voters) && s.givesUp(e.Primary, at.Voters), s.worth(x.Position).LSN
	s.Timelines = t
	s.Epoch = Epoch{Number: e.Epoch, Stage: StageGranted, Primary: e.Primary, Boot: x.Boot, From: x.Position,
		Timeline: t, Set: e.Set.clone(), Changed: at.Index, Ask: s.Epoch.Ask}
	s.Forks = append(s.Forks, Fork{Timeline: t, Parent: parent.Timeline, Switch: x.Position.LSN, Epoch: e.Epoch, Override: !lost.None(), Short: short})
	s.trim()
	s.past(at.Index)
	past := &s.Past[len(s.Past)-1]
	if short {
		past.GivenUp, past.Kept = s.Last.Limit(), kept
	}
	past.Loss = lost
	return NotVoid
}

// ofPrimary is what makes an entry void that only the newest epoch's primary, or its grantee,
// appends: stage says that the epoch has come to where it may.
func (s *State) ofPrimary(epoch, member uint64, stage bool) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case epoch != s.Epoch.Number:
		return VoidEpoch
	case !stage:
		return VoidStage
	case member != s.Epoch.Primary:
		return VoidNotPrimary
	}
	return NotVoid
}

// forked quarantines a primary that branched off elsewhere than it was granted: what
// it wrote there is on nobody's lineage.
func (s *State) forked(e Forked, at Place) Applied {
	if v := s.ofPrimary(e.Epoch, e.Member, s.Epoch.Stage == StageGranted); v != NotVoid {
		return void(v)
	}
	if want := s.History(s.Epoch.Timeline); !slices.Equal(tail(e.History, len(want)), want) {
		s.Member(e.Member).Quarantined = QuarantinedOtherFork
		return Applied{Void: VoidHistory, Quarantined: e.Member}
	}
	s.Epoch.Stage, s.Epoch.Changed = StageForked, at.Index
	return Applied{}
}

// tail is the end of a history: of the oldest timelines the log may keep none.
func tail(h []Branch, n int) []Branch { return h[max(0, len(h)-n):] }

func (s *State) open(e Open, at Place) Void {
	if v := s.ofPrimary(e.Epoch, e.Member, s.Epoch.Stage == StageForked); v != NotVoid {
		return v
	}
	switch {
	case e.SetVersion != s.Epoch.SetVersion:
		return VoidSetVersion
	case s.Member(e.Member) == nil || s.Member(e.Member).Quarantined != NotQuarantined:
		return VoidQuarantined
	}
	s.Member(e.Member).Failed = 0
	founding := s.Mode == ModeFounding
	if founding {
		s.Mode = ModeOn
	}
	s.Epoch.Stage, s.Epoch.Changed, s.Epoch.Ask = StageOpen, at.Index, s.Epoch.Ask.afterOpen(e.Member)
	s.Last = Reign{Number: e.Epoch, Primary: e.Member, Set: s.Epoch.Set.clone(), Since: at.Index}
	if s.Settings.Durability == Async && s.Epoch.Set.W == 0 && !founding {
		// It has acknowledged nothing, and begins as one that had logged this.
		s.Last.Progress, s.Last.Lag = s.Epoch.From.LSN, s.Settings.MaximumLag
	}
	s.Reports = nil
	s.prune()
	for i := range s.Past {
		if s.Past[i].Epoch == e.Epoch {
			s.Past[i].Opened = at.Index
		}
	}
	return NotVoid
}

// prune forgets the forks that are not on the lineage of the epoch that has opened:
// no later epoch begins on them.
func (s *State) prune() {
	keep := s.History(s.Epoch.Timeline)
	s.Forks = slices.DeleteFunc(s.Forks, func(f Fork) bool {
		return !slices.Contains(keep, Branch{f.Timeline, f.Switch})
	})
}

func (s *State) reopen(e Reopen) Void {
	if v := s.ofPrimary(e.Epoch, e.Member, s.Epoch.Stage >= StageGranted); v != NotVoid {
		return v
	}
	switch {
	case e.Boot <= s.Epoch.Boot:
		return VoidOldBoot
	}
	s.Epoch.Boot = e.Boot
	if w := s.Epoch.Ask.Way; w == WaySwitchover || w == WaySwitching {
		s.Epoch.Ask = Ask{} // the engine has forgotten how far it was
	}
	return NotVoid
}
