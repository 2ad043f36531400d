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
	s, v, e := a.State, &m.server, &a.State.Epoch
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
	inForce := m.names(a, out)
	if e.Stage == StageOpen {
		if !a.Leads || !a.Lease {
			out.Why = Why{Reason: NoLease, Members: []uint64{m.cfg.Self}}
		}
		return
	}
	need := max(e.From.LSN, v.Fork)
	missing := m.behind(s, need)
	switch {
	case v.Flushed < need || len(e.Set.Members)-len(missing) < int(e.Set.W) || !inForce:
		out.Why = Why{Reason: SetMissing, Members: missing}
	case !a.Leads || !a.Lease:
		out.Why = Why{Reason: NoLease, Members: []uint64{m.cfg.Self}}
	default:
		out.Why = Why{Reason: EntryUnderWay}
		if m.due(kindOpen, a) {
			out.Propose = append(out.Propose, Open{e.Number, m.cfg.Self, e.SetVersion})
		}
	}
}

// behind are the members of the set of which no announced walsender has flushed need.
func (m *Machine) behind(s *State, need uint64) []uint64 {
	var ids []uint64
	for _, id := range s.Epoch.Set.Members {
		if !slices.ContainsFunc(m.server.Senders, func(x Sender) bool {
			return x.Token.Member == id && x.Flushed >= need && slices.Contains(m.announced, x.Token)
		}) {
			ids = append(ids, id)
		}
	}
	return ids
}

// names orders PostgreSQL's names of the set; true once they are in force.
func (m *Machine) names(a Around, out *Output) bool {
	e := &a.State.Epoch
	want := Names{Epoch: e.Number, Boot: m.boot, W: e.Set.W, Members: e.Set.Members, Tokens: m.tokens(e)}
	if v := &m.server.Names; v.Epoch == want.Epoch && v.Boot == want.Boot && v.W == want.W &&
		slices.Equal(v.Members, want.Members) && slices.Equal(v.Tokens, want.Tokens) {
		return true
	}
	out.Orders = append(out.Orders, SetNames{want})
	return false
}

// tokens are those of the epoch's set that are announced.
func (m *Machine) tokens(e *Epoch) []Token {
	var l []Token
	for _, t := range m.announced {
		if e.Set.Has(t.Member) {
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
		if s.Judge(c, m.server.Flushed, seen.have, seen.equal) == MayFollow {
			m.announced = put(m.announced, t, func(t Token) uint64 { return t.Member })
		}
	}
	// A boot of the follower's that is over streams no more, and is not counted.
	m.announced = slices.DeleteFunc(m.announced, func(t Token) bool {
		p := m.peer(t.Member)
		return t.Boot != m.boot || p == nil || p.told.Boot != t.Follow
	})
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
	on := s.Mode != ModeOff || !a.Current && (m.server.Joined || !m.has)
	x := Shared{Failover: on, Joined: m.server.Joined || on && !m.has, Founding: s.Mode == ModeFounding,
		Quarantined: me != nil && me.Quarantined != NotQuarantined, Epoch: e.Number, Boot: m.boot, LeaseCounts: a.Leads}
	x.Primary = e.Stage >= StageGranted && e.Primary == m.cfg.Self
	x.Open = x.Primary && e.Stage == StageOpen && e.Boot == m.boot && m.has && !m.server.Recovery && m.server.timeline() == e.Timeline
	if x.Open {
		x.Set, x.Tokens = e.Set, m.tokens(e)
	}
	x.Reads = m.reads(a, &x)
	return x
}

// reads says whether this node's server may be read. A primary may while it serves. A
// standby may unless it wrote the newest WAL that it has itself: others may have none of
// that. It may again once it streams in an open epoch, whose primary has announced it: its
// WAL is a part of that epoch's then.
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
	if w, known := s.primaryOf(p.Epoch); known && w != m.cfg.Self {
		return true
	}
	return a.Current && e.Stage == StageOpen && m.server.Streaming && m.server.Follows == m.token(a)
}
