package failover

import "slices"

// The end of failover on a cluster that runs, and what is left for the next time: the
// numbers, so that none is given twice, and whose server goes on as a plain primary.

// disable is taken at any stage: where nobody can become the primary any more, an operator
// has to be able to go on by hand.
func (s *State) disable(e Disable) Void {
	switch {
	case s.Mode == ModeOff:
		return VoidOff
	case e.Epoch != s.Epoch.Number:
		return VoidEpoch
	}
	s.off()
	return NotVoid
}

// off keeps the timelines, and whose server goes on, with its timeline: the primary or grantee of the newest
// epoch. While that has none it is the last open one's, as nobody was granted more.
func (s *State) off() {
	e := Epoch{Number: s.Epoch.Number, Primary: s.Epoch.Primary, Timeline: s.Epoch.Timeline}
	if f := s.forkOf(s.Last.Number); s.Epoch.Stage == StageBegun && f != nil {
		e.Primary, e.Timeline = s.Last.Primary, f.Timeline
	}
	s.Mode, s.Reports, s.Last, s.Epoch = ModeOff, nil, Reign{}, e
}

// owns says that failover may begin on a server's history: its last number is new, or an
// epoch of that server's was on it; and the others are new, or what the log had given.
// Else two servers may have written under a number.
func (s *State) owns(id uint64, h []Branch) bool {
	last := h[len(h)-1].Timeline
	if last <= s.Timelines && s.Epoch.Number > 0 && !slices.ContainsFunc(s.Past, func(p Past) bool { return p.Primary == id && p.Timeline == last }) {
		return false
	}
	for _, b := range h {
		forgotten := len(s.Forks) == 0 || b.Timeline < s.Forks[0].Timeline
		if f := s.fork(b.Timeline); b.Timeline <= s.Timelines && !forgotten && (f == nil || f.Switch != b.Begin) {
			return false
		}
	}
	return true
}

// noted says that WAL which was noted for an epoch is of a fork: that epoch's own, or one
// that was on the same timeline, before failover was disabled and enabled again.
func (s *State) noted(epoch uint64, f *Fork) bool {
	return epoch == f.Epoch || f.Epoch > 0 && slices.ContainsFunc(s.Past, func(p Past) bool { return p.Epoch == epoch && p.Timeline == f.Timeline })
}

// untold says that failover is off, and that this node's server has not been told: it
// takes part as its notes have it, one of them where it was told and that was cut short, and
// as what it was when its node last was there.
func (m *Machine) untold(s *State) bool {
	return s.Mode == ModeOff && m.has && (m.server.Joined || m.server.OneNote) && m.server.Sealed < s.Epoch.Number
}

// fenced is a server that has not been told yet, and is not the one that goes on: without
// the fence there would be two that take writes. A standby is, too: somebody may have
// promoted it since it was reported.
func (m *Machine) fenced(s *State) bool {
	e, me := &s.Epoch, s.Member(m.cfg.Self)
	goesOn := e.Primary == m.cfg.Self && !m.server.Recovery && m.server.timeline() == e.Timeline && (me == nil || me.Quarantined == NotQuarantined)
	return m.untold(s) && !goesOn
}

// ended tells this node's server that failover is off.
func (m *Machine) ended(a Around, out *Output) {
	e := &a.State.Epoch
	switch {
	case !m.untold(a.State):
		m.join(a, out)
	case !a.Current:
		out.Why = Why{Reason: LogUnread, Members: []uint64{m.cfg.Self}}
	case m.fenced(a.State) && !m.server.Recovery: // it takes writes
		out.Orders = append(out.Orders, Demote{e.Number, m.boot})
	default:
		out.Orders = append(out.Orders, Release{e.Number, m.boot, m.server.Recovery})
	}
}
