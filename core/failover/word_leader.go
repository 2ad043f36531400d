package failover

// What the leader makes of an operator's word.

// asked begins an epoch that an operator has asked for; true if nothing else is to be done
// now. An epoch for a member that is away would demote the primary for nothing. What cannot begin within failover_delay is given up: it would demote the primary
// long after anybody wanted that.
func (m *Machine) asked(a Around, out *Output) bool {
	e := &a.State.Epoch
	switch e.Ask.Way {
	case WaySwitching:
		return m.switchesOver(a, out)
	case WayOverride:
		m.begins(a, out)
		return true
	case WayFailover:
		if out.Nobody = (Why{Reason: ChosenAway, Members: []uint64{e.Ask.Target}}); m.usable(e.Ask.Target, a) {
			m.begin(a, out)
		}
		if out.Nobody.Reason == EntryUnderWay {
			return true
		}
		if a.Now-max(m.reign.askedAt, m.ledSince) >= m.cfg.ticks(a.State.Settings.DelayMillis) && m.due(kindAbort, a) {
			out.Append = Abort{Epoch: e.Number, Request: e.Ask.Index}
			return true
		}
	}
	return false
}

// overrides grants the epoch to whom an override names, while that gives up no more than
// it says; false: the rules are those without it.
func (m *Machine) overrides(a Around, out *Output) bool {
	s := a.State
	x := s.Epoch.Overrides
	if x == 0 || !m.usable(x, a) || s.Report(x) == nil {
		return false
	}
	lost := s.Loss(x, a.Voters)
	if !s.Epoch.Loss.Covers(&lost) {
		return false
	}
	// Who has come back since may have what would be given up.
	waited, most := a.Now-max(m.reign.askedAt, m.ledSince), m.cfg.ticks(m.cfg.SealMillis)
	if ids := m.unreported(a); len(ids) > 0 && waited < most {
		out.Nobody = Why{Reason: BetterMayCome, Members: ids, Millis: (most - waited) * m.cfg.TickMillis}
		return true
	}
	m.grants(x, a, out)
	return true
}

// nobodyMay says why who has the greatest position does not get the epoch without another
// word of an operator's.
func (m *Machine) nobodyMay(greatest uint64, a Around) Why {
	s := a.State
	switch x := s.chosen(); {
	case x == 0:
		return Why{Reason: NotThePrimary, Members: []uint64{s.Last.Primary}}
	case !s.counted(x, a.Voters):
		return Why{Reason: ChosenAway, Members: []uint64{x}}
	}
	return Why{Reason: ChosenLacks, Members: []uint64{greatest}}
}
