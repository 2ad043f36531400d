package failover

import (
	"cmp"
	"slices"
)

// A switchover: the primary hands over to a standby that has all of its WAL, and stops.
//
// Its sync set is made such that the target's report alone is enough for a grant. Then the
// log says so (Switchover): from there on no commit begins. Once those that had begun are
// acknowledged it hands leadership to another voter, which ends its lease, and stops as
// PostgreSQL does, which sends the standbys all. The leader begins the next epoch when the
// target has seen that end.

// maySwitch is for a request that asks for a switchover.
func (s *State) maySwitch(e Request) Void {
	switch {
	case s.Epoch.Stage != StageOpen:
		return VoidStage
	case e.Target == s.Epoch.Primary:
		return VoidPrimary
	case s.Epoch.Ask.Way != NotAsked:
		return VoidUnderWay
	case e.Millis == 0 || e.Millis > MaxSettingMillis:
		return VoidSettings
	}
	return NotVoid
}

func (s *State) switchover(e Switchover, at Place) Void {
	k, c := s.Epoch.Ask, s.Epoch.Set
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case e.Epoch != s.Epoch.Number:
		return VoidEpoch
	case e.Member != s.Epoch.Primary:
		return VoidNotPrimary
	case e.Boot != s.Epoch.Boot:
		return VoidOldBoot
	case k.Way != WaySwitchover || e.Request != k.Index:
		return VoidNotAsked
	case !s.Electable(k.Target, at.Voters):
		return VoidNotElectable
	case !c.Has(k.Target) || int(c.W) != len(c.Members):
		return VoidSetToSwitch
	}
	s.Epoch.Ask.Way = WaySwitching
	return NotVoid
}

// wishes has the sync set be what a switchover needs while one is under way.
func (m *Machine) wishes(a Around) {
	e := &a.State.Epoch
	if w := e.Ask.Way; w != WaySwitchover && w != WaySwitching {
		if m.wishing {
			m.wishing, m.wants, m.want = false, false, Set{}
		}
		return
	}
	m.wishing = true
	if e.Ask.Way == WaySwitching || m.wants && !slices.ContainsFunc(m.want.Members, func(id uint64) bool { return !m.keepsUp(id, a) }) {
		return
	}
	c := Set{W: max(e.Set.W, 1), Members: []uint64{e.Ask.Target}}
	if a.State.Settings.Durability == Required {
		c.W = max(c.W, a.State.Settings.SyncCount)
	}
	// Those who are in it already come first.
	rest := slices.DeleteFunc(slices.Clone(m.lags), func(l lag) bool { return l.member == e.Ask.Target || !m.keepsUp(l.member, a) })
	slices.SortStableFunc(rest, func(x, y lag) int {
		return cmp.Compare(b2i(e.Set.Has(y.member)), b2i(e.Set.Has(x.member)))
	})
	for _, l := range rest[:min(len(rest), int(c.W)-1)] {
		c.Members = append(c.Members, l.member)
	}
	if m.wants = len(c.Members) == int(c.W) && m.keepsUp(e.Ask.Target, a); m.wants {
		slices.Sort(c.Members)
		m.want = c
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// keepsUp says that a member may be in the sync set of a switchover.
func (m *Machine) keepsUp(id uint64, a Around) bool {
	i, ok := slices.BinarySearchFunc(m.lags, id, func(l lag, id uint64) int { return cmp.Compare(l.member, id) })
	return ok && a.State.Electable(id, a.Voters) && !m.late(&m.lags[i], a) && (m.lags[i].keeps || a.State.Epoch.Set.Has(id)) && !m.leaves(id)
}

// switches is the primary's part. It gives up where that takes too long, or the target is
// away: commits go on then. For no longer than failover_delay it lets none begin, as another
// member of the set may stand still: a leader after it does not wait longer either.
func (m *Machine) switches(a Around, out *Output) {
	e, v, k := &a.State.Epoch, &m.server, a.State.Epoch.Ask
	if k.Way != WaySwitchover && k.Way != WaySwitching || v.Stopping {
		return
	}
	told := m.fresh(k.Target, a)
	// While no commit begins, those that had begun may wait for a member that stands still.
	held := k.Way == WaySwitching && a.Leads && a.Now-m.reign.switchedAt >= m.cfg.ticks(a.State.Settings.DelayMillis)
	if a.Now-m.reign.askedAt >= m.cfg.ticks(k.Millis) || held || told == nil || !a.State.Electable(k.Target, a.Voters) {
		if m.due(kindAbort, a) {
			out.Propose = append(out.Propose, Abort{e.Number, m.cfg.Self, k.Index})
		}
		return
	}
	at, counted := m.counts(k.Target)
	switch {
	case !counted || !m.wants && k.Way == WaySwitchover:
	case k.Way == WaySwitchover && told.Replayed < m.reign.mark: // commits would wait for that
	case k.Way == WaySwitchover && v.Checkpoint < m.reign.mark:
		out.Orders = append(out.Orders, Checkpoint{e.Number, m.boot})
	case k.Way == WaySwitchover:
		if e.Set.equal(m.want) && m.change.number == 0 && m.due(kindSwitchover, a) {
			out.Propose = append(out.Propose, Switchover{e.Number, m.cfg.Self, m.boot, k.Index})
		}
	case v.Quiet != k.Index:
	case at < v.Flushed && (a.Leads || !m.reign.gave): // what is flushed since is of no commit
	case a.Leads:
		m.give(k.Target, a, m.cfg.ElectionTicks, out)
	case a.Leader != m.cfg.Self:
		out.Orders = append(out.Orders, Stop{e.Number, m.boot, k.Index})
	}
}

// switchesOver is the leader's part: it hands nothing back, and begins when the primary has
// stopped, or in the end all the same.
func (m *Machine) switchesOver(a Around, out *Output) bool {
	s, e := a.State, &a.State.Epoch
	if x := s.Member(e.Primary); x.Quarantined != NotQuarantined || m.gone(a) {
		return false
	}
	waited := a.Now-max(m.reign.switchedAt, m.ledSince) >= m.cfg.ticks(s.Settings.DelayMillis)
	switch {
	case m.look(a) == crashed || m.handedOn(a):
		m.begin(a, out)
	case e.Primary == m.cfg.Self:
		return false
	case waited:
		m.begin(a, out)
	default:
		out.Nobody = Why{Reason: SwitchoverUnderWay, Members: []uint64{e.Primary}}
	}
	return true
}

// handedOn says that the primary has stopped in a switchover, with all of its WAL on the
// target: nobody else has anything to tell that could change what follows.
func (m *Machine) handedOn(a Around) bool {
	e, k := &a.State.Epoch, a.State.Epoch.Ask
	if k.Way == WaySwitched {
		return a.State.counted(k.Target, a.Voters)
	}
	if k.Way != WaySwitching {
		return false
	}
	t := m.toldOf(k.Target, a)
	return t != nil && t.Ended == e.Number
}

// toldOf is what a member tells, this node too; nil if it is away.
func (m *Machine) toldOf(id uint64, a Around) *Told {
	if id != m.cfg.Self {
		return m.fresh(id, a)
	}
	t := m.Tells(a)
	return &t
}
