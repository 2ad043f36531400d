package failover

import (
	"fmt"
	"math"
	"slices"
)

// Place is where an entry stands in the log, and who the members are there, by Raft
// id, as of the entries before it.
type Place struct {
	Index   uint64
	Members []uint64 // all, learners too
	Voters  []uint64
}

// Applied is what an entry did.
type Applied struct {
	// Void, if not NotVoid, is why it did nothing of what it says.
	Void Void
	// Quarantined is a member that the entry has quarantined, 0 if none. A report or a
	// fork that contradicts the log does that, and is void beside.
	Quarantined uint64
}

// Apply takes the next entry of the log. Every decision that rests on the state is
// made here, as the entry is applied, and not when it is proposed. It shares no
// memory with the entry.
func (s *State) Apply(e Entry, at Place) Applied {
	switch e := e.(type) {
	case Enable:
		return void(s.enable(e, at))
	case Disable:
		return void(s.disable(e))
	case Adjust:
		return void(s.adjust(e, at))
	case Describe:
		return void(s.describe(e, at))
	case Begin:
		return void(s.begin(e, at))
	case Report:
		return s.report(e, at)
	case Grant:
		return void(s.grant(e, at))
	case Forked:
		return s.forked(e, at)
	case Open:
		return void(s.open(e, at))
	case Reopen:
		return void(s.reopen(e))
	case Quarantine:
		return s.quarantine(e)
	case Clear:
		return void(s.clear(e))
	case Change:
		return void(s.change(e, at))
	case Progress:
		return void(s.progress(e))
	case Request:
		return void(s.request(e, at))
	case Abort:
		return void(s.abort(e))
	case Override:
		return void(s.override(e, at))
	case Switchover:
		return void(s.switchover(e, at))
	}
	panic(fmt.Sprintf("an entry of type %T", e))
}

func void(v Void) Applied { return Applied{Void: v} }

// enable is also how failover is enabled again: an epoch's number and a timeline's are
// never given twice.
func (s *State) enable(e Enable, at Place) Void {
	switch {
	case s.Mode != ModeOff:
		return VoidEnabled
	case e.Epoch != s.Epoch.Number+1:
		return VoidEpoch
	case e.System == 0 || s.System != 0 && s.System != e.System:
		return VoidSystem
	case !e.Settings.fit():
		return VoidSettings
	case !sound(e.History) || e.LSN < e.History[len(e.History)-1].Begin:
		return VoidHistory
	case !s.Electable(e.Primary, at.Voters):
		return VoidNotElectable
	case !s.owns(e.Primary, e.History):
		return VoidTimeline
	}
	if v := s.checkSet(e.Set, e.Primary, e.Settings, at); v != NotVoid {
		return v
	}
	s.System, s.Mode, s.Settings = e.System, ModeFounding, e.Settings
	var forks []Fork
	parent := uint32(0)
	for _, b := range e.History {
		x := Fork{Timeline: b.Timeline, Parent: parent, Switch: b.Begin}
		if f := s.fork(b.Timeline); f != nil { // from an earlier time
			x.Epoch, x.Override, x.Short = f.Epoch, f.Override, f.Short
		}
		forks = append(forks, x)
		parent = b.Timeline
	}
	s.Forks = forks
	s.Forks[len(s.Forks)-1].Epoch = e.Epoch
	s.Timelines = max(s.Timelines, parent, e.Highest)
	s.Epoch = Epoch{Number: e.Epoch, Stage: StageForked, Primary: e.Primary, Boot: e.Boot,
		From: Position{e.Epoch, e.LSN}, Timeline: parent, Set: e.Set.clone(), Changed: at.Index}
	// It counts as an epoch that opened with a set of nobody, so that only this
	// primary can go on from here.
	s.Last = Reign{Number: e.Epoch, Primary: e.Primary}
	s.trim()
	s.past(at.Index)
	return NotVoid
}

// sound says that a history can be one: timelines ascend, and the LSNs do not go back.
func sound(h []Branch) bool {
	for i, b := range h {
		if b.Timeline == 0 || i == 0 && b.Begin != 0 || i > 0 && (b.Timeline <= h[i-1].Timeline || b.Begin < h[i-1].Begin) {
			return false
		}
	}
	return len(h) > 0
}

func (s *State) checkSet(c Set, primary uint64, settings Settings, at Place) Void {
	switch {
	case !c.sound(primary):
		return VoidSet
	case settings.Durability == Required && c.W < settings.SyncCount:
		return VoidSetTooSmall
	}
	for _, id := range c.Members {
		if !s.Electable(id, at.Voters) {
			return VoidSetNotElectable
		}
	}
	return NotVoid
}

func (s *State) adjust(e Adjust, at Place) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case s.Mode == ModeFounding:
		return VoidBetween
	case e.Mode != ModeOn && e.Mode != ModeManual:
		return VoidMode
	case !e.Settings.fit():
		return VoidSettings
	}
	if e.Settings.Durability != s.Settings.Durability || e.Settings.MaximumLag != s.Settings.MaximumLag {
		s.unlogged(at.Index)
	}
	s.Mode, s.Settings = e.Mode, e.Settings
	return NotVoid
}

// describe lets a member leave the sets only as it would leave the cluster.
func (s *State) describe(e Describe, at Place) Void {
	m := Member{ID: e.Member, Address: e.Address, Data: e.Data, Joined: e.Joined, Priority: e.Priority, Boot: e.Boot, Known: at.Index}
	if e.Member == 0 || len(e.Address) > MaxAddressBytes || e.Data && e.Address == "" {
		return VoidDescription
	}
	if !slices.Contains(at.Members, e.Member) {
		return VoidUnknown // it was removed
	}
	if old := s.Member(e.Member); old != nil {
		m.Quarantined, m.Failed = old.Quarantined, old.Failed
		if e.Boot == old.Boot {
			m.Known = old.Known
		}
		switch {
		case e.Boot < old.Boot:
			return VoidOldBoot
		case m == *old:
			return VoidKnown
		}
		if v := s.MayLeave(e.Member); old.in() && !m.in() && v != NotVoid {
			return v
		}
	}
	s.Members = put(s.Members, m, func(m Member) uint64 { return m.ID })
	return NotVoid
}

// MayLeave says whether a member may be removed, demoted or replaced, or have its
// priority set to 0: NotVoid if so. It is asked as that entry is applied.
func (s *State) MayLeave(id uint64) Void {
	switch {
	case s.Mode == ModeOff || s.Member(id) == nil:
		return NotVoid
	case s.Epoch.Stage != StageOpen:
		return VoidBetween
	case id == s.Last.Primary:
		return VoidLastPrimary
	case s.Epoch.Set.Has(id):
		return VoidNamed
	}
	return NotVoid
}

// Forget takes a member out that was removed from the cluster. It may be called only
// where MayLeave agrees.
func (s *State) Forget(id uint64) {
	if v := s.MayLeave(id); v != NotVoid {
		panic(fmt.Sprintf("member %x is removed, but: %v", id, v))
	}
	s.Members = slices.DeleteFunc(s.Members, func(m Member) bool { return m.ID == id })
}

func (s *State) quarantine(e Quarantine) Applied {
	m := s.Member(e.Member)
	switch {
	case m == nil:
		return void(VoidUnknown)
	case e.Reason == NotQuarantined || e.Reason >= quarantines:
		return void(VoidDescription)
	case m.Quarantined != NotQuarantined:
		return void(VoidKnown)
	case e.Epoch != 0 && s.Mode == ModeOff:
		return void(VoidOff)
	case e.Epoch != 0 && e.Epoch != s.Epoch.Number:
		return void(VoidEpoch)
	}
	m.Quarantined = e.Reason
	return Applied{Quarantined: e.Member}
}

func (s *State) clear(e Clear) Void {
	m := s.Member(e.Member)
	switch {
	case m == nil:
		return VoidUnknown
	case m.Quarantined == NotQuarantined:
		return VoidKnown
	}
	m.Quarantined = NotQuarantined
	return NotVoid
}

// trim bounds the lineage: the oldest go, and who needs them joins anew. What was
// granted since the last open epoch stays, as a server may be on it.
func (s *State) trim() {
	n := 0
	for len(s.Forks)-n > MaxForks && s.Forks[n].Epoch < s.Last.Number {
		n++
	}
	s.Forks = slices.Delete(s.Forks, 0, n)
}

// past adds the newest epoch to the history.
func (s *State) past(index uint64) {
	e := &s.Epoch
	s.Past = append(s.Past, Past{Epoch: e.Number, Primary: e.Primary, From: e.From, Timeline: e.Timeline, Granted: index})
	if n := len(s.Past) - MaxPast; n > 0 {
		s.Past = slices.Delete(s.Past, 0, n)
	}
}

// nextTimeline is the number of the next timeline; ok is false if PostgreSQL has none.
func (s *State) nextTimeline() (t uint32, ok bool) {
	return s.Timelines + 1, s.Timelines < math.MaxInt32
}
