package failover

import "slices"

// Step 0: is it time for another epoch? It is asked of a leader, while an epoch has a
// primary or a grantee.

// look is how the primary's server looks to the leader.
type look uint8

const (
	away      look = iota // it is not heard
	unclear               // its node has not said what its server is, or has closed its connections since
	promoting             // it is on its way, and may take a while
	crashed               // it is in recovery though it has forked
	inRole                // it is what it should be
)

func (m *Machine) look(a Around) look {
	e := &a.State.Epoch
	recovery, timeline, knows := m.server.Recovery, m.server.timeline(), true
	if e.Primary == m.cfg.Self {
		if !m.has {
			return unclear
		}
	} else {
		if !m.reachable(e.Primary, a) {
			return away
		}
		t := m.fresh(e.Primary, a)
		if t == nil || !t.Server {
			return unclear
		}
		// What it said before it had applied the entry that brought the epoch here
		// says nothing of how it is there.
		recovery, timeline, knows = t.Recovery, t.Timeline, t.Applied >= e.Changed
	}
	switch {
	case e.Stage == StageGranted && recovery && timeline >= e.Timeline && knows:
		return crashed // what is on the timeline already cannot be promoted to again
	case e.Stage == StageGranted:
		return promoting
	case !knows:
		return unclear
	case recovery:
		return crashed
	}
	return inRole
}

// time begins an epoch if it is time for it, or hands leadership to who should have it.
func (m *Machine) time(a Around, out *Output) {
	s, r := a.State, &m.reign
	p := s.Epoch.Primary
	delay := m.cfg.ticks(s.Settings.DelayMillis)
	x := s.Member(p)
	if m.asked(a, out) {
		return
	}
	if x.Quarantined != NotQuarantined || m.gone(a) {
		m.begin(a, out)
		return
	}
	m.noteSet(a)
	since := uint64(0) // when what is wrong began
	wait := WhyNot(Nothing)
	switch m.look(a) {
	case crashed:
		m.begin(a, out)
		return
	case away:
		since, wait = m.lastHeard(p, a), PrimaryAway
		m.give(m.hears(p, a), a, delay, out)
	case unclear:
		// A new leader has not looked before.
		since, wait = max(r.good, m.ledSince), PrimaryAway
	case promoting:
		since, wait = m.movedAt(a), PrimaryPromotes
		delay *= 1 + uint64(x.Failed)
		m.give(p, a, m.cfg.ticks(s.Settings.DelayMillis), out)
	case inRole:
		r.good = a.Now
		since = m.inRole(a, delay, out)
		if since == a.Now {
			return
		}
	}
	if a.Now-since >= delay {
		m.begin(a, out)
		return
	}
	if wait != Nothing {
		out.Nobody = Why{Reason: wait, Members: []uint64{p}, Millis: (since + delay - a.Now) * m.cfg.TickMillis}
	}
}

// inRole hands leadership to a primary that is up. It returns since when that one
// does not keep it, or has no set to open with; now, if nothing is wrong. It may have had
// the lease since without this node, which followed nobody then: the primary says that. Its
// set is waited for longer with each grant that came to nothing: who makes its data anew is
// away as long as that takes.
func (m *Machine) inRole(a Around, delay uint64, out *Output) uint64 {
	r, p := &m.reign, a.State.Epoch.Primary
	since := a.Now
	if p != m.cfg.Self && m.give(p, a, delay, out) && !r.handed {
		r.handed, r.handedAt = true, a.Now
	}
	if p != m.cfg.Self && r.handed {
		since = max(r.handedAt, m.leasedAt(p))
	}
	if a.State.Epoch.Stage == StageForked {
		failed := uint64(a.State.Member(p).Failed)
		since = min(since, max(r.setSeen, m.ledSince)+failed*delay)
	}
	return since
}

// noteSet notes when enough of the newest epoch's set were there, to flush its fork. Who
// is quarantined does not follow.
func (m *Machine) noteSet(a Around) {
	n := uint32(0)
	for _, id := range a.State.Epoch.Set.Members {
		if m.reachable(id, a) && a.State.Electable(id, a.Voters) {
			n++
		}
	}
	if n >= a.State.Epoch.Set.W {
		m.reign.setSeen = a.Now
	}
}

// movedAt is the tick from which on the primary has shown no progress.
func (m *Machine) movedAt(a Around) uint64 {
	p := a.State.Epoch.Primary
	at := max(m.reign.since, m.ledSince)
	if p == m.cfg.Self {
		return max(at, m.moved)
	}
	if q := m.peer(p); q != nil {
		at = max(at, q.moved)
	}
	return at
}

// gone says that the primary's server has ended for sure: its connections to this node
// were reset, and its port, which has answered in this epoch, refuses. Its lease is
// over, as this node leads. One that said that it stops is waited for.
func (m *Machine) gone(a Around) bool {
	e := &a.State.Epoch
	if q := m.peer(e.Primary); q != nil && (q.told.Stopping || q.at > m.resetAt) {
		return false // or it was heard since
	}
	return m.port.Member == e.Primary && m.port.Epoch == e.Number && m.answered && m.port.Refuses && m.port.Reset
}

// give hands leadership on, at most once in a delay; false if not now.
func (m *Machine) give(to uint64, a Around, delay uint64, out *Output) bool {
	r := &m.reign
	if to == 0 || to == m.cfg.Self || !slices.Contains(a.Voters, to) || r.gave && a.Now-r.gaveAt < delay {
		return false
	}
	r.gave, r.gaveAt = true, a.Now
	out.Transfer = to
	return true
}

// Kept says that leadership was not handed on, as it could not be now: that was no try, so the
// next one need not wait for a delay.
func (m *Machine) Kept() { m.reign.gave = false }

// begin begins an epoch, if those who are there could pass a grant: else nothing is
// won by it, and readers are sent away.
func (m *Machine) begin(a Around, out *Output) {
	if w := m.passable(a); w.Reason != Nothing {
		out.Nobody = w
		return
	}
	m.begins(a, out)
}

func (m *Machine) begins(a Around, out *Output) {
	out.Nobody = Why{Reason: EntryUnderWay}
	if m.due(kindBegin, a) {
		out.Append, out.Transfer = Begin{a.State.Epoch.Number + 1}, 0
	}
}

// passable says what would keep those who are there from a grant, with the least W
// that the settings allow.
func (m *Machine) passable(a Around) Why { return m.passableWithout(0, a) }

// passableWithout is that where one of them takes no part.
func (m *Machine) passableWithout(who uint64, a Around) Why {
	s := a.State
	there := 0
	for _, x := range s.Members {
		if yes, _ := m.there(x.ID, a); yes && x.ID != who {
			there++
		}
	}
	usable := func(id uint64) bool { return id != who && m.usable(id, a) }
	switch {
	case s.Mode != ModeOn && !usable(s.Last.Primary) && !(s.Mode == ModeManual && s.Epoch.Ask.Way != WaySwitchover && usable(s.Epoch.Ask.Target)):
		return Why{Reason: NotThePrimary, Members: []uint64{s.Last.Primary}}
	case !s.Last.Met(usable) && !m.nearEnough(a, usable) && !m.someoneProves(a, usable):
		return Why{Reason: NobodyCouldPass, Members: m.missing(a, usable)}
	case s.Settings.Durability == Required && there < 1+int(s.Settings.SyncCount):
		return Why{Reason: NotEnoughForSet}
	}
	return Why{}
}

// missing are those of the last open epoch whom has does not have.
func (m *Machine) missing(a Around, has func(uint64) bool) []uint64 {
	var ids []uint64
	for _, id := range append([]uint64{a.State.Last.Primary}, a.State.Last.Set.Members...) {
		if !has(id) {
			ids = append(ids, id)
		}
	}
	return ids
}
