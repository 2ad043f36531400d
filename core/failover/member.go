package failover

import "slices"

// What every member with a server does: it describes itself, seals, reports, follows.
// All of it follows from the state that is there, and from what the server last
// reported; nothing rests on the entries that came in between.

// describe proposes what this node's server says of itself, if the log has it
// otherwise. What would be void waits.
func (m *Machine) describe(a Around, out *Output) {
	if !m.has {
		return
	}
	s, v := a.State, &m.server
	old := s.Member(m.cfg.Self)
	if old == nil && !v.Joined {
		return
	}
	d := Describe{Member: m.cfg.Self, Boot: m.boot, Address: v.Address, Data: true, Joined: v.Joined, Priority: v.Priority}
	if old != nil {
		now := Member{ID: d.Member, Address: d.Address, Data: true, Joined: d.Joined, Priority: d.Priority, Boot: d.Boot,
			Known: old.Known, Quarantined: old.Quarantined, Failed: old.Failed}
		if now == *old || m.boot < old.Boot || old.in() && !now.in() && s.MayLeave(m.cfg.Self) != NotVoid {
			return
		}
	}
	if d.Address != "" && len(d.Address) <= MaxAddressBytes && m.due(kindDescribe, a) {
		out.Propose = append(out.Propose, d)
	}
}

// member gives the orders to this node's server, and makes its proposals.
func (m *Machine) member(a Around, out *Output) {
	s, v, e := a.State, &m.server, &a.State.Epoch
	me := s.Member(m.cfg.Self)
	if me == nil {
		return // its description comes first
	}
	m.watch(a, out)
	if v.Damage != NotQuarantined && me.Quarantined == NotQuarantined && m.due(kindQuarantine, a) {
		out.Propose = append(out.Propose, Quarantine{Member: m.cfg.Self, Reason: v.Damage})
	}
	mine := e.Stage >= StageGranted && e.Primary == m.cfg.Self
	late := me.Boot > m.boot // its Raft store has lost data, or is a copy
	if late {
		out.Why = Why{Reason: UntrustedData, Members: []uint64{m.cfg.Self}}
	}
	barred := me.Quarantined != NotQuarantined || v.Damage != NotQuarantined || !v.Joined || late
	switch {
	case !a.Current && !v.Recovery:
		out.Why = Why{Reason: LogUnread, Members: []uint64{m.cfg.Self}}
	case !v.Recovery && (!mine || barred || v.timeline() != e.Timeline || !m.noted(a)):
		out.Orders = append(out.Orders, Demote{e.Number, m.boot})
	case !v.Recovery:
		m.primary(a, out)
	case v.Sealed+1 < e.Number || barred || v.Streaming && (v.Follows == Token{} || v.Follows != m.token(a)):
		m.seal(e.Number-1, out)
	case !a.Current:
		out.Why = Why{Reason: LogUnread, Members: []uint64{m.cfg.Self}}
	case v.Untrusted && !mine && m.mayRejoin(a):
		m.mend(a, out)
	case v.Untrusted:
		out.Why = Why{Reason: UntrustedData, Members: []uint64{m.cfg.Self}}
	case m.unnoted(a, out):
	case e.Stage == StageBegun:
		m.report(a, out)
	case mine:
		m.promote(a, out)
	case v.Streaming && v.Lacks && m.mayRejoin(a):
		m.rejoin(a, out)
	case v.Streaming && v.Lacks:
		out.Why = Why{Reason: MustRejoin, Members: []uint64{m.cfg.Self}}
	case e.Stage >= StageForked:
		m.follow(a, out)
	}
}

// seal orders to take no WAL of epochs up to n, from anybody.
func (m *Machine) seal(n uint64, out *Output) {
	if m.server.Sealed < n || m.server.Streaming {
		out.Orders = append(out.Orders, Seal{Boot: m.boot, UpTo: n})
	}
}

// watch has the primary's port looked at by all: any of them may have to decide.
func (m *Machine) watch(a Around, out *Output) {
	e := &a.State.Epoch
	p := a.State.Member(e.Primary)
	if e.Stage < StageGranted || e.Primary == m.cfg.Self || m.port.Member == e.Primary && m.port.Epoch == e.Number {
		return
	}
	out.Orders = append(out.Orders, Watch{Epoch: e.Number, Member: e.Primary, Address: p.Address})
}

// noted says whether the server's last timeline was noted before its WAL came. It was not
// where somebody promoted a grantee by hand, which takes the very number at the very place.
func (m *Machine) noted(a Around) bool {
	_, _, ok := a.State.place(&m.server)
	return ok
}

// unnoted quarantines a server whose last timeline was not noted: that is nobody's, so a
// person has to look. A rewind, which compares the numbers of timelines alone, may take it
// for the log's. Where the timeline is of an epoch that this node has not read yet, and came
// from a primary that failover is off on since, the entry is void, and the node looks again.
func (m *Machine) unnoted(a Around, out *Output) bool {
	if m.noted(a) {
		return false
	}
	if m.due(kindQuarantine, a) {
		out.Propose = append(out.Propose, Quarantine{m.cfg.Self, QuarantinedUnnoted, a.State.Epoch.Number})
	}
	return true
}

// report says how far the WAL of a sealed server reaches.
func (m *Machine) report(a Around, out *Output) {
	s := a.State
	p, forks, _ := s.place(&m.server)
	if r := s.Report(m.cfg.Self); r != nil && r.Boot >= m.boot || !s.Electable(m.cfg.Self, a.Voters) {
		return
	}
	if m.due(kindReport, a) {
		out.Propose = append(out.Propose, Report{s.Epoch.Number, m.cfg.Self, m.boot, p, forks})
	}
}

// token is what this node is announced by in the newest epoch; zero while that has no
// primary to follow.
func (m *Machine) token(a Around) Token {
	e := &a.State.Epoch
	if e.Stage < StageForked || e.Primary == m.cfg.Self {
		return Token{}
	}
	return Token{Epoch: e.Number, Boot: e.Boot, Member: m.cfg.Self, Follow: m.boot}
}

// mayRejoin says whether this node's data may be made anew now: only from the primary
// of an open epoch, as a rewind onto a fork that never opens destroys a good copy. A
// member of the set of an epoch that has been forked for sync_timeout does not wait for
// that, as the epoch may wait for it.
func (m *Machine) mayRejoin(a Around) bool {
	e := &a.State.Epoch
	waited := a.Now-m.reign.since >= m.cfg.ticks(a.State.Settings.SyncTimeoutMillis)
	return e.Stage == StageOpen || e.Stage == StageForked && e.Set.Has(m.cfg.Self) && waited
}

func (m *Machine) rejoin(a Around, out *Output) {
	s, e := a.State, &a.State.Epoch
	out.Orders = append(out.Orders, Rejoin{Epoch: e.Number, Boot: m.boot, Primary: e.Primary, Address: s.Member(e.Primary).Address,
		History: s.History(e.Timeline), Notes: s.notes(e.Timeline), Clone: m.server.OnlyClone || m.server.Streaming && m.server.Lacks || s.gaveUp(m.server.History) || !m.owned(a)})
}

// follow streams from the primary once that has announced this node. A server whose
// WAL is no prefix, or cannot be shown to be one, makes its data anew.
func (m *Machine) follow(a Around, out *Output) {
	s, e := a.State, &a.State.Epoch
	t := m.token(a)
	if m.server.Streaming {
		return
	}
	if !m.owned(a) && m.server.Record.From == 0 { // the host is asked for it
		out.Why = Why{Reason: NotAnnounced, Members: []uint64{m.cfg.Self}}
		return
	}
	h := s.History(e.Timeline)
	p, told := s.Member(e.Primary), m.fresh(e.Primary, a)
	if !m.prefix(a) || told != nil && slices.Contains(told.Unproven, t) {
		if m.mayRejoin(a) {
			m.rejoin(a, out)
			return
		}
		out.Why = Why{Reason: MustRejoin, Members: []uint64{m.cfg.Self}}
		return
	}
	if told != nil && slices.Contains(told.Denied, t) && p.Quarantined == NotQuarantined && m.due(kindQuarantine, a) {
		out.Propose = append(out.Propose, Quarantine{m.cfg.Self, QuarantinedOtherRecord, e.Number})
	}
	if told == nil || !slices.Contains(told.Announced, t) {
		out.Why = Why{Reason: NotAnnounced, Members: []uint64{m.cfg.Self}}
		return
	}
	out.Orders = append(out.Orders, Follow{Token: t, Primary: e.Primary, Address: p.Address, History: h, Notes: s.notes(e.Timeline)})
}

// prefix says whether this node's WAL is a part of the newest epoch's, as far as the
// log can tell.
func (m *Machine) prefix(a Around) bool {
	s := a.State
	c := m.evidence(a)
	v := s.Judge(&c, ^uint64(0), false, false)
	return v == MayFollow
}

func (m *Machine) evidence(a Around) Claim {
	p, _, _ := a.State.place(&m.server)
	c := Claim{Epoch: a.State.Epoch.Number, Noted: p.Epoch, History: m.server.History, End: m.server.End, Record: m.server.Record}
	if m.owned(a) {
		c.Record.From, c.Record.Sum = 0, 0
	}
	return c
}

// owned says that all of this server's WAL is of whom the log says, also that of its last
// timeline.
func (m *Machine) owned(a Around) bool {
	p, _, _ := a.State.place(&m.server)
	f := a.State.fork(m.server.timeline())
	return f == nil && p.Epoch > 0 || f != nil && f.noted(p.Epoch)
}

// claim is this node's evidence, while it has to be announced.
func (m *Machine) claim(a Around) *Claim {
	e, v := &a.State.Epoch, &m.server
	me := a.State.Member(m.cfg.Self)
	if me == nil || me.Quarantined != NotQuarantined || !v.Joined || v.Untrusted && (v.OnlyClone || !m.mayRejoin(a)) || !v.Recovery || v.Streaming ||
		v.Sealed+1 < e.Number || m.token(a) == (Token{}) || !m.prefix(a) {
		return nil
	}
	c := m.evidence(a)
	return &c
}
