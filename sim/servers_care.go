package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// What the people who run the servers do: they have failover enabled, make anew the
// data of a server that does not start, and look after one that is quarantined.

// operate is one look at the servers.
func (x *servers) operate() {
	w := x.w
	w.checks.watchServers()
	l := w.leader()
	if l == nil || l.paused > 0 || l.server == nil {
		return
	}
	s := l.core.FailoverState()
	if s.Mode == failover.ModeOff && !x.enabled {
		x.found(l, &s)
		return
	}
	x.enabled = true
	x.lowers(l, &s)
	for _, v := range x.data() {
		x.care(l, v, &s)
	}
}

// found is pgraft_enable_failover() on the first node's server.
func (x *servers) found(l *node, s *failover.State) {
	w, p := x.w, x.all[0]
	if p.pg.InRecovery() && p.n.state == running && p.n.paused == 0 && p.pg.Reads() && p.data.joined {
		// It has booted as a standby, and nothing is there that promotes it.
		w.say(p.n, "its server is started as a plain primary by the operator")
		p.n.dies(surviveAll)
		p.pg.Kill(false)
		p.data.joined, p.store.joined = false, false
		p.pg.RemoveStandbySignal()
		w.restartLater(p.n, time.Millisecond)
		return
	}
	if x.asks || l.members.Version < core.FailoverVersion || p.pg.Phase() != postgres.Production {
		return
	}
	e := failover.Enable{Epoch: s.Epoch.Number + 1, System: 1, Highest: 1, Settings: x.settings, Set: failover.Set{W: x.settings.SyncCount}}
	for _, v := range x.data() {
		id := v.n.identity.RaftID
		m := s.Member(id)
		if m == nil || !m.Joined || l.members.Get(id).GetRole() != corepb.Role_VOTER || v.n.state != running || v.pg.Phase() == postgres.Down {
			return
		}
		if v == p {
			e.Primary, e.Boot = id, v.boot
			continue
		}
		if !v.pg.InRecovery() || !v.pg.Receives() {
			if v.pg.InRecovery() && v.pg.Conninfo() == (postgres.Conninfo{}) { // its last boot has taken that away
				v.streamsPlainly(p.n.id)
			}
			return
		}
		e.Set.Members = append(e.Set.Members, id)
	}
	slices.Sort(e.Set.Members)
	t := p.pg.Timeline()
	e.LSN, e.History = uint64(p.pg.Flushed()), p.history(t)
	x.reigns.timelines[t] = p
	x.propose(l, e)
}

// propose asks a leader for what the operator wants.
func (x *servers) propose(l *node, e failover.Entry) {
	w := x.w
	w.nextID++
	a := &adminRequest{kind: adminFailover, target: l}
	a.request = request{id: w.nextID, node: l}
	a.request.admin = a
	x.asks = true
	w.ask(l, a, core.ProposeFailover{ID: a.id, Entry: e})
}

// lowers is what the operator does where commits would wait for ever: nobody serves, as
// somebody is quarantined that the set needs, or has a rewind behind it that was cut short:
// it has no engine until there is a primary to clone.
func (x *servers) lowers(l *node, s *failover.State) {
	if x.serving() != nil || x.asks || l.server.nobody.Reason != failover.NotEnoughForSet || s.Settings.Durability == failover.Preferred {
		return
	}
	out := slices.ContainsFunc(s.Members, func(m failover.Member) bool { return m.Quarantined != failover.NotQuarantined })
	if !out && !slices.ContainsFunc(x.data(), func(v *server) bool { return v.cutShort }) {
		return
	}
	lower := s.Settings
	lower.Durability = failover.Preferred
	x.w.say(l, "durability is set to preferred by the operator")
	x.propose(l, failover.Adjust{Mode: s.Mode, Settings: lower})
}

// care looks after one server.
func (x *servers) care(l *node, v *server, s *failover.State) {
	w, id := x.w, v.n.identity.RaftID
	m := s.Member(id)
	p := x.serving()
	switch {
	case v.rejoining || p == nil || p == v || m == nil:
	case v.fatals >= 3:
		w.say(v.n, "its data is made anew by the operator: %s", v.pg.Fatal())
		w.marks.add(markServerRemade)
		v.cutShort = true
		v.leaves(nil, v.anySource)
	case m.Quarantined == failover.NotQuarantined:
		v.remade = false
	case !v.remade:
		w.say(v.n, "is quarantined (%v), and its data is made anew by the operator", m.Quarantined)
		w.marks.add(markServerRemade)
		v.cutShort, v.remade = true, true
		v.leaves(nil, v.anySource)
	case !x.asks:
		x.propose(l, failover.Clear{Member: id})
	}
}

// allSound says that a server serves, and that nobody is quarantined or left out.
func (x *servers) allSound() bool {
	p := x.serving()
	if p == nil || p.n.core == nil {
		return false
	}
	s := p.n.core.FailoverState()
	return !slices.ContainsFunc(s.Members, func(m failover.Member) bool { return m.Quarantined != failover.NotQuarantined }) &&
		!slices.ContainsFunc(x.data(), func(v *server) bool { return v.edited || v.rejoining })
}
