package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// What the people who run the servers do: they have failover enabled, make anew the
// data of a server that does not start, and look after one that is quarantined.

// operate is one look at the servers.
func (x *servers) operate() {
	w := x.w
	w.checks.watchServers()
	for _, v := range x.data() {
		v.takesOver()
	}
	l := w.leader()
	if l == nil || l.paused > 0 || l.server == nil || l.server.apart {
		return
	}
	s := l.core.FailoverState()
	switch {
	case s.Mode == failover.ModeOff && !x.enabled:
		x.found(l, &s)
		return
	case s.Mode == failover.ModeOff && x.keepsOff == 0:
		x.enables(l, &s)
		return
	case s.Mode == failover.ModeOff:
		return
	}
	x.enabled = true
	x.getsOn(l, &s)
	if x.alone == nil {
		x.modes(l, &s)
	}
	x.disables(&s, l)
	x.lowers(l, &s)
	x.adjusts(l, &s)
	for _, v := range x.data() {
		x.care(l, v, &s)
	}
}

// found is pgraft_enable_failover() on the first node's server.
func (x *servers) found(l *node, s *failover.State) {
	w, p := x.w, x.all[0]
	if p.pg.InRecovery() && p.n.state == running && p.n.paused == 0 && p.pg.Reads() && p.data.Joined {
		// It has booted as a standby, and nothing is there that promotes it.
		w.say(p.n, "its server is started as a plain primary by the operator")
		p.n.dies(surviveAll)
		p.pg.Kill(false)
		p.data.Joined, p.store.Joined = false, false
		p.pg.RemoveStandbySignal()
		x.handled = true
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
		if m == nil || !m.Joined || !slices.Contains(l.voters(), id) || v.n.state != running || v.pg.Phase() == postgres.Down {
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

// propose asks a leader for what the operator wants; one that has just been ended for a
// clone is not asked.
func (x *servers) propose(l *node, e failover.Entry) {
	w := x.w
	if l.state != running || l.server != nil && l.server.apart {
		return
	}
	w.nextID++
	var requestID [16]byte
	requestID[0] = 'o'
	binary.BigEndian.PutUint64(requestID[8:], w.nextID)
	a := &adminRequest{kind: adminFailover, target: l}
	a.request = request{id: w.nextID, node: l}
	a.request.admin = a
	x.asks = true
	w.ask(l, a, core.ProposeFailover{ID: a.id, RequestID: requestID, Entry: e})
}

// adjusts asks for the settings that the operator wants.
func (x *servers) adjusts(l *node, s *failover.State) {
	if s.Settings != x.wanted && s.Mode != failover.ModeOff && s.Mode != failover.ModeFounding && !x.asks {
		x.propose(l, failover.Adjust{Mode: s.Mode, Settings: x.wanted})
	}
}

// lowers is what the operator does where commits would wait for ever: nobody serves, as
// somebody is quarantined that the set needs, or has a rewind behind it that was cut short:
// it has no engine until there is a primary to clone. So it is with one that does not start.
func (x *servers) lowers(l *node, s *failover.State) {
	if x.serving() != nil || x.asks || l.server.nobody.Reason != failover.NotEnoughForSet || s.Settings.Durability == failover.Preferred {
		return
	}
	out := slices.ContainsFunc(s.Members, func(m failover.Member) bool { return m.Quarantined != failover.NotQuarantined })
	if !out && !x.isShort() && !slices.ContainsFunc(x.data(), func(v *server) bool { return v.cutShort || v.fatals >= 3 }) {
		return
	}
	x.settings.Durability, x.wanted.Durability = failover.Preferred, failover.Preferred
	x.w.say(l, "durability is set to preferred by the operator")
}

// care looks after one server. Who is quarantined is cleared once its data is new, also
// where nobody serves: the next epoch may need its report.
func (x *servers) care(l *node, v *server, s *failover.State) {
	w, id := x.w, v.n.identity.RaftID
	if v.apart {
		return
	}
	m := s.Member(id)
	if (v.out || v.halfTold) && v.n.state == running && v.pg.InRecovery() {
		v.joins(0) // it was away as failover was enabled again
		return
	}
	if v.rejoining {
		return
	}
	quarantined := m != nil && m.Quarantined != failover.NotQuarantined
	v.remade = v.remade && quarantined
	switch p := x.serving(); {
	case p == v:
	case v.remade && v.fatals < 3:
		if !x.asks {
			x.propose(l, failover.Clear{Member: id})
		}
	case p == nil:
	case v.endsByItself():
		w.say(v.n, "its data is made anew by the operator: %s", v.pg.Fatal())
		w.marks.add(markServerRemade)
		v.cutShort = true
		v.leaves(cloned)
	case quarantined:
		w.say(v.n, "is quarantined (%v), and its data is made anew by the operator", m.Quarantined)
		w.marks.add(markServerRemade)
		v.cutShort, v.remade = true, true
		v.leaves(cloned)
	}
}

// endsByItself says that a server does not start any more. Its node does not, either.
func (v *server) endsByItself() bool { return v != nil && v.fatals >= 3 && !v.lowered }

// allSound says that a server serves, and that nobody is quarantined or left out, or has data
// that went back, which its next boot finds out.
func (x *servers) allSound() bool {
	p := x.serving()
	if p == nil || p.n.core == nil || p.shared.Epoch < x.reigns.epoch { // it has not heard that its epoch is over
		return false
	}
	s := p.n.core.FailoverState()
	return !slices.ContainsFunc(s.Members, func(m failover.Member) bool { return m.Quarantined != failover.NotQuarantined }) &&
		!slices.ContainsFunc(x.data(), func(v *server) bool {
			return v.isMember() && (v.apart || v.setsApart > 0 || v.edited || v.lowered || v.rejoining || v.wentBack || v.data.Doubt != failover.NoDoubt || v.byOthers())
		})
}

// byOthers says that somebody has started or promoted a server without the library, or that it
// does not start any more for that: it will be quarantined, or made anew.
func (v *server) byOthers() bool {
	n, at := v.notes(), v.seesAtBoot()
	f := host.Find(&n, &at)
	return v.fatals > 0 || v.mem.Damage != failover.NotQuarantined || f.WasPrimary && !f.Granted || n.Data.IsNobodys(at.Last) ||
		v.mem.Promoting == 0 && (v.pg.Promotes() || v.pg.WillPromote())
}
