package failover

import "slices"

// An operator's word: whom the next epoch is to go to, and what may be given up for that.

// Way is how an operator wants a member to become the primary, and how far that has come.
type Way uint8

const (
	NotAsked Way = iota
	// WayFailover: an epoch is to begin, once those who are there could pass a grant.
	WayFailover
	// WayOverride: an epoch is to begin also where they could not, so that an operator
	// can override what is missing.
	WayOverride
	// WayChosen: it has begun. The target has an operator's word until an epoch opens.
	WayChosen
	// WaySwitchover: the primary is to hand over, once the target has all of its WAL.
	WaySwitchover
	// WaySwitching: it does, and lets no commit begin any more.
	WaySwitching
	// WaySwitched: the epoch after it has begun, as with WayChosen.
	WaySwitched
	ways // how many there are
)

// Ask is what an operator has asked for.
type Ask struct {
	Way    Way
	Target uint64
	Index  uint64 // of the request in the log
	Millis uint64 // a switchover that has not ended by then is given up
}

// Loss is what a grant gives up.
type Loss struct {
	Greater []Reported // whose WAL reaches further than the grantee's, by Member
	Missing []uint64   // who may have commits that nobody has who reported
}

// None says that nothing is given up.
func (l *Loss) None() bool { return len(l.Greater) == 0 && len(l.Missing) == 0 }

// Covers says that l names all of another loss.
func (l *Loss) Covers(o *Loss) bool {
	for _, r := range o.Greater {
		if !slices.ContainsFunc(l.Greater, func(x Reported) bool {
			return x.Member == r.Member && x.Position.Compare(r.Position) >= 0
		}) {
			return false
		}
	}
	return !slices.ContainsFunc(o.Missing, func(id uint64) bool { return !slices.Contains(l.Missing, id) })
}

func (l *Loss) clone() Loss { return Loss{slices.Clone(l.Greater), slices.Clone(l.Missing)} }

// request is void once the epoch is over for which it was meant.
func (s *State) request(e Request, at Place) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case s.Mode == ModeFounding:
		return VoidFounding
	case e.Epoch != s.Epoch.Number:
		return VoidEpoch
	case e.Way != WayFailover && e.Way != WayOverride && e.Way != WaySwitchover:
		return VoidRequest
	case !s.Electable(e.Target, at.Voters):
		return VoidNotElectable
	}
	if v := s.maySwitch(e); e.Way == WaySwitchover && v != NotVoid {
		return v
	}
	way := e.Way
	if s.Epoch.Stage == StageBegun {
		way = WayChosen
	}
	s.Epoch.Ask = Ask{Way: way, Target: e.Target, Index: at.Index, Millis: e.Millis}
	return NotVoid
}

// abort names the request, so that a copy that comes late ends no other one.
func (s *State) abort(e Abort) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case e.Epoch != s.Epoch.Number:
		return VoidEpoch
	case e.Member != 0 && e.Member != s.Epoch.Primary:
		return VoidNotPrimary
	case e.Request == 0 || e.Request != s.Epoch.Ask.Index || s.Epoch.Ask.begun():
		return VoidNotAsked
	}
	s.Epoch.Ask = Ask{}
	return NotVoid
}

// override changes nothing but what the log says: a grant rests on it later.
func (s *State) override(e Override, at Place) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case s.Mode == ModeFounding:
		return VoidFounding
	case e.Epoch != s.Epoch.Number:
		return VoidEpoch
	case s.Epoch.Stage != StageBegun:
		return VoidStage
	case len(e.Loss.Greater) > maxLoss || len(e.Loss.Missing) > maxLoss:
		return VoidRequest
	case !s.Electable(e.Target, at.Voters):
		return VoidNotElectable
	case s.Report(e.Target) == nil:
		return VoidNoReport
	case s.forkOf(s.Report(e.Target).Position.Epoch) == nil:
		return VoidHistory // of which the log keeps no more: no grant could rest on it
	}
	if l := s.Loss(e.Target, at.Voters); !e.Loss.Covers(&l) {
		return VoidUnnamed
	}
	s.Epoch.Ask = Ask{Way: WayChosen, Target: e.Target, Index: at.Index}
	s.Epoch.Overrides, s.Epoch.Loss = e.Target, e.Loss.clone()
	return NotVoid
}

// maxLoss bounds each list of an override: a sync set, and its primary.
const maxLoss = MaxSetMembers + 1

// carried is what of an operator's word outlives the begin of another epoch.
func (a Ask) carried() Ask {
	switch a.Way {
	case NotAsked, WaySwitchover:
		return Ask{}
	case WaySwitching:
		a.Way = WaySwitched
	default:
		a.Way = WayChosen
	}
	return a
}

// afterOpen is what of it outlives an epoch that opens for a member: what was asked for while
// that one was promoted is to begin yet.
func (a Ask) afterOpen(primary uint64) Ask {
	if a.begun() || a.Target == primary {
		return Ask{}
	}
	return a
}

// begun says that an epoch has begun since.
func (a Ask) begun() bool { return a.Way == WayChosen || a.Way == WaySwitched }

// chosen is whom an operator has named for the epoch that begins, 0 if nobody.
func (s *State) chosen() uint64 {
	if s.Epoch.Ask.begun() {
		return s.Epoch.Ask.Target
	}
	return 0
}

// mayGet says whether a member gets an epoch without another word of an operator's.
func (s *State) mayGet(id uint64) bool {
	return s.Mode == ModeOn || id == s.Last.Primary || s.Mode == ModeManual && id == s.chosen()
}

// Loss is what a grant to a member that has reported would give up now.
func (s *State) Loss(id uint64, voters []uint64) (l Loss) {
	x := s.Report(id)
	if x == nil {
		return l
	}
	for _, r := range s.Reports {
		if s.counted(r.Member, voters) && s.worth(r.Position).Compare(s.worth(x.Position)) > 0 {
			l.Greater = append(l.Greater, r)
		}
	}
	if !s.met(voters) && !s.givesUp(id, voters) {
		l.Missing = s.missing(voters)
	}
	return l
}

// missing are those of the last open epoch who are not in R. The last primary is only
// with its own epoch's WAL: with less, its data went back. So did somebody's if none of R
// has any: an epoch opens only once W of its set have flushed its fork.
func (s *State) missing(voters []uint64) (ids []uint64) {
	has := func(r *Reported) bool { return r.Position.Epoch >= s.Last.Number }
	none := !slices.ContainsFunc(s.Reports, func(r Reported) bool { return has(&r) && s.counted(r.Member, voters) })
	for _, id := range append([]uint64{s.Last.Primary}, s.Last.Set.Members...) {
		if none || !s.counted(id, voters) || id == s.Last.Primary && !has(s.Report(id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// worth is what a position counts for in a choice. WAL of a fork that an override has
// granted, or async, counts for nothing until an epoch opens on it, as others may have more
// than it began with. Else a grantee that dies would go on giving up what its fork lacks,
// though all of it is back. WAL of an epoch before the last open one counts as far as it is on
// that one's lineage.
func (s *State) worth(p Position) Position {
	w := p
	for f := s.forkOf(p.Epoch); f != nil && f.Epoch > s.Last.Number; f = s.fork(f.Parent) {
		if parent := s.fork(f.Parent); (f.Override || f.Short) && parent != nil {
			w = Position{parent.Epoch, f.Switch}
		}
	}
	if w.Epoch >= s.Last.Number {
		return w
	}
	limit, on := s.leaves(w.Epoch)
	if !on {
		return Position{0, w.LSN}
	}
	return Position{w.Epoch, min(w.LSN, limit)}
}

// leaves is where the lineage of the last open epoch leaves the WAL of an epoch up to that
// one; on is false if it has none of it that is known.
func (s *State) leaves(epoch uint64) (limit uint64, on bool) {
	last, f := s.forkOf(s.Last.Number), s.forkOf(epoch)
	if last == nil || f == nil {
		return 0, false
	}
	return Ends(s.History(last.Timeline), f.Timeline)
}

// gaveUp says whether WAL of this history was given up by an override: the lineage of the
// newest epoch leaves it where one has granted a fork, or where async has, and goes on with
// one that an override has granted.
func (s *State) gaveUp(own []Branch) bool {
	for _, b := range s.History(s.Epoch.Timeline) {
		if slices.Contains(own, b) {
			continue
		}
		if f := s.fork(b.Timeline); f.Override || !f.Short {
			return f.Override
		}
	}
	return false
}
