package failover

import (
	"cmp"
	"slices"
)

// What the primary, or the grantee, of the newest epoch does: step 5 and 6.

// promote sets the names, then orders the promotion. A server on whose disk the
// timeline has begun cannot be promoted to it again: the leader sees that and begins.
func (m *Machine) promote(a Around, out *Output) {
	s, v, e := a.State, &m.server, &a.State.Epoch
	if e.Stage != StageGranted || v.timeline() >= e.Timeline {
		return // it crashed: another epoch comes
	}
	if !m.known(a, out) {
		return
	}
	if p, _, _ := s.place(v); p != e.From {
		out.Why = Why{Reason: UntrustedData, Members: []uint64{m.cfg.Self}}
		return
	}
	if m.names(a, out) {
		out.Orders = append(out.Orders, Promote{Epoch: e.Number, Boot: m.boot, LSN: e.From.LSN, History: s.History(e.Timeline)})
	}
}

// known says whether the log knows this boot of the primary's engine, and else tells it.
func (m *Machine) known(a Around, out *Output) bool {
	e := &a.State.Epoch
	if e.Boot == m.boot {
		return true
	}
	out.Why = Why{Reason: BootUnknown, Members: []uint64{m.cfg.Self}}
	if e.Boot < m.boot && m.due(kindReopen, a) {
		out.Propose = append(out.Propose, Reopen{e.Number, m.cfg.Self, m.boot})
	}
	return false
}

// primary is for a server that is on the newest epoch's timeline, and takes writes.
func (m *Machine) primary(a Around, out *Output) {
	v, e := &m.server, &a.State.Epoch
	if !m.known(a, out) {
		return
	}
	if e.Stage == StageGranted {
		out.Why = Why{Reason: EntryUnderWay}
		if m.due(kindForked, a) {
			out.Propose = append(out.Propose, Forked{e.Number, m.cfg.Self, v.History})
		}
		return
	}
	m.announce(a, out)
	m.seeLags(a)
	m.wishes(a)
	need := max(e.From.LSN, v.Fork, m.founds(a))
	// An epoch that can open is not kept from it by a change.
	m.decide(a, e.Stage == StageOpen || v.Flushed < need || !m.fills(e.Set, need))
	inForce := m.names(a, out)
	m.propose(a, inForce, out)
	m.switches(a, out)
	if e.Stage == StageOpen {
		m.progress(a, out)
		switch {
		case !a.Leads || !a.Lease:
			out.Why = Why{Reason: NoLease, Members: []uint64{m.cfg.Self}}
		case a.State.Settings.Durability == Required && e.Set.W < a.State.Settings.SyncCount:
			out.Why = Why{Reason: SetTooSmall, Members: m.lagging(a)}
		}
		return
	}
	missing := m.behind(e.Set, need)
	switch {
	case v.Flushed < need || len(e.Set.Members)-len(missing) < int(e.Set.W) || !inForce:
		out.Why = Why{Reason: SetMissing, Members: missing}
	case a.State.Mode == ModeFounding && m.reign.founded == 0:
		out.Why = Why{Reason: CommitsUnderWay, Members: []uint64{m.cfg.Self}}
	case m.change.proposed:
		out.Why = Why{Reason: EntryUnderWay} // behind it, Open would be void
	case !a.Leads || !a.Lease:
		out.Why = Why{Reason: NoLease, Members: []uint64{m.cfg.Self}}
	default:
		out.Why = Why{Reason: EntryUnderWay}
		if m.due(kindOpen, a) {
			out.Propose = append(out.Propose, Open{e.Number, m.cfg.Self, e.SetVersion})
		}
	}
}

// founds is up to where commits can reach that passed F1 before failover was enabled; 0 while
// some are under way, and where there were none.
func (m *Machine) founds(a Around) uint64 {
	r, v := &m.reign, &m.server
	if a.State.Mode == ModeFounding && r.founded == 0 && v.Founded == a.State.Epoch.Number {
		r.founded = v.Flushed
	}
	return r.founded
}

// behind are the members of a set of which no announced walsender has flushed need.
func (m *Machine) behind(c Set, need uint64) []uint64 {
	var ids []uint64
	for _, id := range c.Members {
		if at, ok := m.counts(id); !ok || at < need {
			ids = append(ids, id)
		}
	}
	return ids
}

// names orders PostgreSQL's names of the set that commits wait by; true once they are in
// force.
func (m *Machine) names(a Around, out *Output) bool {
	e := &a.State.Epoch
	c := m.counting(e)
	want := Names{Epoch: e.Number, Boot: m.boot, W: c.W, Members: c.Members, Tokens: m.tokens(c)}
	want.Number = m.named.Number
	if !want.equal(&m.named) {
		want.Number++
		m.named = want
		m.named.Members = slices.Clone(want.Members)
	}
	if want.equal(&m.server.Names) {
		return true
	}
	out.Orders = append(out.Orders, SetNames{want})
	return false
}

func (n *Names) equal(o *Names) bool {
	return n.Epoch == o.Epoch && n.Boot == o.Boot && n.W == o.W && n.Number == o.Number &&
		slices.Equal(n.Members, o.Members) && slices.Equal(n.Tokens, o.Tokens)
}

// tokens are those of members of a set that are announced.
func (m *Machine) tokens(c Set) []Token {
	var l []Token
	for _, t := range m.announced {
		if c.Has(t.Member) {
			l = append(l, t)
		}
	}
	return l
}

// announce takes the followers' claims, compares their last records, and announces
// those whose WAL is a part of this server's. A follower that starts again claims anew.
func (m *Machine) announce(a Around, out *Output) {
	s, e := a.State, &a.State.Epoch
	for _, p := range m.peers {
		c := p.told.Claim
		x := s.Member(p.id)
		if c == nil || x == nil || x.Quarantined != NotQuarantined {
			continue
		}
		t := Token{Epoch: e.Number, Boot: m.boot, Member: p.id, Follow: p.told.Boot}
		if slices.Contains(m.announced, t) || s.Judge(c, m.server.Flushed, false, false) != MayFollow {
			continue
		}
		seen := m.compared(p.id, t.Follow)
		if !seen.known {
			out.Orders = append(out.Orders, Compare{Epoch: e.Number, Boot: m.boot, Member: p.id, Follow: t.Follow,
				Record: c.Record, Timeline: Owner(c.History, c.Record.LSN-min(c.Record.LSN, 1))})
			continue
		}
		if s.Judge(c, m.server.Flushed, seen.have, seen.equal) == MayFollow && (seen.have || c.Record.From == 0) {
			m.announced = put(m.announced, t, func(t Token) uint64 { return t.Member })
		}
	}
	// A boot of the follower's that is over streams no more, and is not counted.
	m.announced = slices.DeleteFunc(m.announced, func(t Token) bool {
		p := m.peer(t.Member)
		return t.Boot != m.boot || p == nil || p.told.Boot != t.Follow
	})
}

// denied are the followers whose last record is another than this primary's.
func (m *Machine) denied() (l []Token) {
	for _, c := range m.compares {
		if c.known && c.have && !c.equal {
			l = append(l, Token{Epoch: m.reign.epoch, Boot: m.boot, Member: c.member, Follow: c.boot})
		}
	}
	return l
}

// unproven are those whose WAL has to be compared, and this primary has no more of it.
func (m *Machine) unproven() (l []Token) {
	for _, c := range m.compares {
		p := m.peer(c.member)
		if c.known && !c.have && p != nil && p.told.Boot == c.boot && p.told.Claim != nil && p.told.Claim.Record.From > 0 {
			l = append(l, Token{Epoch: m.reign.epoch, Boot: m.boot, Member: c.member, Follow: c.boot})
		}
	}
	return l
}

// compared is what is known of a follower's last record, of this boot of its engine.
func (m *Machine) compared(member, boot uint64) compare {
	i, ok := slices.BinarySearchFunc(m.compares, member, func(c compare, id uint64) int { return cmp.Compare(c.member, id) })
	if ok && m.compares[i].boot == boot {
		return m.compares[i]
	}
	c := compare{member: member, boot: boot}
	m.compares = put(m.compares, c, func(c compare) uint64 { return c.member })
	return c
}

// shared is what the fence of this node's server goes by.
func (m *Machine) shared(a Around) Shared {
	s, e := a.State, &a.State.Epoch
	me := s.Member(m.cfg.Self)
	// A server that has not been reported may be one that takes part, and writes.
	on := s.Mode != ModeOff || !a.Current && (m.server.Joined || m.server.OneNote || !m.has) || !m.has && e.Number > 0 || m.fenced(s)
	x := Shared{Failover: on, Joined: m.server.Joined || on && !m.has, Founding: s.Mode == ModeFounding,
		Quarantined: me != nil && me.Quarantined != NotQuarantined, Epoch: e.Number, Boot: m.boot, LeaseCounts: a.Leads}
	x.Primary = e.Stage >= StageGranted && e.Primary == m.cfg.Self
	x.Open = x.Primary && e.Stage == StageOpen && e.Boot == m.boot && m.has && !m.server.Recovery && m.server.timeline() == e.Timeline
	if x.Open {
		x.Set, x.Tokens = e.Set, m.tokens(Set{Members: union(e.Set.Members, m.change.set.Members)})
		for _, y := range s.Members {
			x.Boots = max(x.Boots, y.Known)
		}
	}
	if x.Limited = x.Open && s.Settings.Durability == Async && e.Set.W == 0; x.Limited {
		x.Limit, x.Decision = s.Last.Limit(), m.limited
	}
	if m.change.number > 0 {
		next := m.change.set
		if m.rises(a) { // also while a change of before, which may lower W, is on its way
			next.W = max(next.W, s.Settings.SyncCount)
		}
		x.Next, x.Decision = &next, m.change.number
	}
	if x.Open && e.Ask.Way == WaySwitching {
		x.Switchover = e.Ask.Index
	}
	x.Reads = m.reads(a, &x)
	x.Prove = s.Mode != ModeOff && m.has && m.server.Recovery && !m.server.Streaming && !m.owned(a)
	return x
}

// reads says whether this node's server may be read. A primary may while it serves. A
// standby may unless it wrote the newest WAL that it has itself, under whatever Raft id:
// others may have none of that. It may again once it streams in an open epoch, whose primary
// has announced it: its WAL is a part of that epoch's then.
func (m *Machine) reads(a Around, x *Shared) bool {
	s, e := a.State, &a.State.Epoch
	switch {
	case !x.Failover:
		return true
	case !m.has:
		return false
	case !m.server.Recovery:
		// While failover is being enabled nothing of its primary can go away.
		return x.Open || x.Founding && x.Primary
	}
	p, _, ok := s.place(&m.server)
	if !ok {
		return false
	}
	if !a.Current && p.Epoch == 0 && s.fork(m.server.timeline()) == nil {
		return false // the log may have an epoch for it, and not be known that far yet
	}
	if w, known := s.primaryOf(p.Epoch); known && w != m.cfg.Self && !m.server.Wrote {
		return true
	}
	return a.Current && e.Stage == StageOpen && m.server.Streaming && m.server.Follows == m.token(a)
}
