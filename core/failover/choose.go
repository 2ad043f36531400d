package failover

import (
	"cmp"
	"slices"
)

// Steps 2 to 4: who gets the epoch that has begun. Apply decides again, as the entry
// is applied; here the leader looks for what will hold, and for the best.

// choose grants the epoch, or says what is missing.
func (m *Machine) choose(a Around, out *Output) {
	s, r := a.State, &m.reign
	if m.overrides(a, out) {
		return
	}
	if !s.met(a.Voters) && !s.someGivesUp(a.Voters) {
		r.met = false
		out.Nobody = Why{Reason: ReportsMissing, Members: s.missing(a.Voters)}
		return
	}
	if !r.met {
		r.met, r.metAt = true, a.Now
	}
	// Whom the primary has switched over to has all that there is.
	patient := a.Now-r.metAt < m.cfg.ticks(m.cfg.SealMillis) && !(s.Epoch.Ask.Way == WaySwitched && m.handedOn(a))
	if ids := m.unreported(a); patient && len(ids) > 0 {
		out.Nobody = Why{Reason: BetterMayCome, Members: ids, Millis: (r.metAt + m.cfg.ticks(m.cfg.SealMillis) - a.Now) * m.cfg.TickMillis}
		return
	}
	x, why := m.best(a, patient)
	if why.Reason != Nothing {
		out.Nobody = why
		return
	}
	if !m.usable(x, a) {
		out.Nobody = Why{Reason: GreatestAway, Members: []uint64{x}}
		t := m.fresh(x, a)
		// One that is heard, and of whose server nothing is, gets a delay.
		hangs := a.Now-max(r.metAt, m.ledSince) >= m.cfg.ticks(m.cfg.SealMillis)+m.cfg.ticks(s.Settings.DelayMillis)
		lost := !m.reachable(x, a) || t != nil && t.Untrusted || x == m.cfg.Self && m.has || hangs
		if lost && m.passable(a).Reason == Nothing && m.due(kindBegin, a) {
			out.Append = Begin{s.Epoch.Number + 1}
		}
		return
	}
	if to := m.withoutIt(x, a); to != 0 {
		out.Nobody = Why{Reason: GreatestAway, Members: []uint64{x}}
		m.give(to, a, m.cfg.ticks(s.Settings.DelayMillis), out)
		return
	}
	m.grants(x, a, out)
}

// grants grants the epoch, where there is a set for it.
func (m *Machine) grants(x uint64, a Around, out *Output) {
	set, ok := m.set(x, a)
	if !ok {
		out.Nobody = Why{Reason: NotEnoughForSet}
		return
	}
	out.Nobody = Why{Reason: EntryUnderWay}
	if m.due(kindGrant, a) {
		out.Append = Grant{a.State.Epoch.Number, x, set}
	}
}

// withoutIt is a voter that does not hear a member, where that cannot lead and the others
// would pass without it; 0 if there is none. What this leader hears of it is in R, and
// nobody else could be granted the epoch. As the leader that voter begins one that the
// member does not hear of.
func (m *Machine) withoutIt(id uint64, a Around) uint64 {
	if !m.isolated(id, a) || m.passableWithout(id, a).Reason != Nothing {
		return 0
	}
	for _, v := range a.Voters {
		if v != m.cfg.Self && m.deaf(v, id, a) && !m.isolated(v, a) {
			return v
		}
	}
	return 0
}

// unreported are members that are there, and whose report may still come.
func (m *Machine) unreported(a Around) []uint64 {
	var ids []uint64
	for _, x := range a.State.Members {
		if m.usable(x.ID, a) && a.State.Report(x.ID) == nil {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// best is whose WAL reaches furthest; among equals, the better one. While patient it
// waits for the last primary's replay.
func (m *Machine) best(a Around, patient bool) (uint64, Why) {
	s := a.State
	var top, x *Reported
	for i := range s.Reports {
		y := &s.Reports[i]
		if !s.counted(y.Member, a.Voters) {
			continue
		}
		if top == nil || s.worth(y.Position).Compare(s.worth(top.Position)) > 0 {
			top, x = y, nil
		}
		if s.worth(y.Position) != s.worth(top.Position) || !s.mayGet(y.Member) {
			continue
		}
		if x == nil || cmp.Or(y.Position.Compare(x.Position), m.better(y.Member, x.Member, patient, a)) > 0 {
			x = y
		}
	}
	last := s.Last.Primary
	if x == nil {
		return 0, m.nobodyMay(top.Member, a)
	}
	if patient && x.Member == last && m.usable(last, a) && !m.replayed(last, a) {
		return 0, Why{Reason: ReplayOfPrimary, Members: []uint64{last}}
	}
	return x.Member, Why{}
}

// better compares two members with the same position: above 0, y is better than x. One
// that is away since, or cannot lead, comes last, then one whose last grants did not
// open. Who has an operator's word comes first, and then the last primary if its replay ends in time: that costs its sessions
// the least. Then come those whose replay is done, then the priorities.
func (m *Machine) better(y, x uint64, patient bool, a Around) int {
	s := a.State
	rank := func(id uint64) [7]int {
		p := s.Member(id)
		done := m.replayed(id, a)
		return [7]int{b2i(m.usable(id, a) && !m.isolated(id, a)), -int(p.Failed), b2i(id == s.chosen()), b2i(id == s.Last.Primary && (patient || done)), b2i(done), int(p.Priority), -int(uint32(id))}
	}
	ry, rx := rank(y), rank(x)
	for i := range ry {
		if c := cmp.Compare(ry[i], rx[i]); c != 0 {
			return c
		}
	}
	return 0 // y is x: no two members have a node's id
}

// set is the sync set of a grant to x: the others that are there, and as many of those
// that have to make their data anew as it takes. W is lowered only as the settings allow.
func (m *Machine) set(x uint64, a Around) (Set, bool) {
	s := a.State
	if s.Settings.Durability == Async {
		return Set{}, true
	}
	c := Set{W: s.Settings.SyncCount}
	for _, y := range s.Members {
		if y.ID != x && m.usable(y.ID, a) && len(c.Members) < MaxSetMembers {
			c.Members = append(c.Members, y.ID)
		}
	}
	for _, y := range s.Members {
		there, untrusted := m.there(y.ID, a)
		if y.ID != x && there && untrusted && len(c.Members) < int(c.W) && s.Settings.Durability == Required {
			c.Members = append(c.Members, y.ID)
		}
	}
	slices.Sort(c.Members)
	if int(c.W) > len(c.Members) {
		if s.Settings.Durability == Required {
			return Set{}, false
		}
		c.W = uint32(len(c.Members))
	}
	if c.W == 0 {
		c.Members = nil // whom it names means nothing
	}
	return c, true
}
