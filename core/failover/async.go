package failover

import "slices"

// progress has the primary log how far its WAL reaches, where durability is async: before
// half of what it may acknowledge is used up.
func (m *Machine) progress(a Around, out *Output) {
	s, v := a.State, &m.server
	if s.Settings.Durability != Async || s.Epoch.Set.W > 0 {
		return
	}
	r := &s.Last
	if r.Since != m.since {
		m.decisions++
		m.since, m.limited = r.Since, m.decisions
		m.sent = slices.DeleteFunc(m.sent, func(x sent) bool { return x.kind == kindProgress })
	}
	// Until each commit sees the limit, it may be acknowledged by the rule before, wherever it
	// is.
	if !a.Leads || !a.Lease || r.Progress == 0 && v.Decision < m.limited {
		return
	}
	if r.Progress >= m.logged {
		m.sent = slices.DeleteFunc(m.sent, func(x sent) bool { return x.kind == kindProgress })
	}
	if at := max(v.Flushed, v.Fork); (r.Progress == 0 || at > r.Progress+r.Lag/4) && m.due(kindProgress, a) {
		m.logged = at
		out.Propose = append(out.Propose, Progress{s.Epoch.Number, m.cfg.Self, m.boot, at, s.Settings.MaximumLag, r.Since})
	}
}

// nearEnough says whether one of those whom usable has could go on with async.
func (m *Machine) nearEnough(a Around, usable func(uint64) bool) bool {
	s := a.State
	return s.Settings.Durability == Async && m.someoneHas(a, usable, func(timeline uint32, end uint64) bool {
		f := s.fork(timeline)
		return f != nil && s.near(Position{f.Epoch, end})
	})
}

// someoneHas says whether one of those whom usable has is there with such WAL: its last
// timeline, and where it ends.
func (m *Machine) someoneHas(a Around, usable func(uint64) bool, such func(timeline uint32, end uint64) bool) bool {
	return slices.ContainsFunc(a.State.Members, func(x Member) bool {
		timeline, end := m.server.timeline(), m.server.End
		if x.ID != m.cfg.Self {
			t := m.fresh(x.ID, a)
			if t == nil {
				return false
			}
			timeline, end = t.Timeline, t.End
		}
		return usable(x.ID) && such(timeline, end)
	})
}
