package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// What happens in the middle of faultSwitchover, by Param.
const (
	switchAlone   = iota // nothing
	switchLags           // the target gets no WAL for a while
	switchEngine         // the primary's engine starts again
	switchTarget         // the target's server dies
	switchPrimary        // the primary's does
	switchCut            // both hear each other no more
	switchGivenUp        // the operator ends it
	switchWays
)

// faultSwitchover: an operator has node take over from the primary, with something else in
// the middle of it.
var faultSwitchover = Kind{
	Name: "switchover", Group: "server", most: 4, servers: true,
	Doc: "an operator has the primary switch over to a server, and something happens in the middle",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Below(switchWays))
		d.For = s.Between(9*time.Second, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v, p := s.node.withServer(), w.servers.serving()
		if v == nil || p == nil || v == p || w.leader() == nil {
			return ""
		}
		w.stageBegins(s)
		s.third, s.epoch = p.n, p.shared.Epoch
		return fmt.Sprintf("with way %d in the middle", s.Param)
	},
	stage: switchesOver,
	end: func(w *World, s *strike) {
		s.unlag(w)
		w.stageEnds(s)
	},
}

// switchesOver: the stages are 0 it is not asked for yet, 1 it is, 2 something has happened.
func switchesOver(w *World, s *strike) {
	if s.watched != nil && w.now >= s.watched.asked+inTime {
		w.checks.switchedOver(s.watched)
		s.watched = nil
	}
	if s.lagging && w.waited(s) {
		s.unlag(w)
	}
	l, p := w.leader(), s.third.server
	if s.stage == 2 || l == nil || l.paused > 0 || l.server == nil {
		return
	}
	st := l.core.FailoverState()
	e := &st.Epoch
	if e.Ask.Way == failover.WaySwitchover || e.Ask.Way == failover.WaySwitching {
		w.servers.crowds(p)
	}
	switch {
	case e.Number != s.epoch:
		w.next(s, 2, 0, 0)
	case s.stage == 0 && e.Ask.Target == s.node.identity.RaftID && e.Ask.Way != failover.NotAsked:
		w.marks.add(markSwitchover)
		w.next(s, 1, 0, Pick(&s.draws, 100*time.Millisecond, 700*time.Millisecond))
	case s.stage == 0 && w.waited(s) && !w.servers.asks:
		millis := uint64(10_000)
		if s.Param == switchAlone {
			s.watched = w.checks.switchesOver(p, s.node.server)
		} else {
			millis = Pick(&s.draws, uint64(300), 2000, 10_000)
		}
		w.servers.propose(l, failover.Request{Epoch: e.Number, Target: s.node.identity.RaftID, Way: failover.WaySwitchover, Millis: millis})
		w.next(s, 0, 300*time.Millisecond, time.Second)
	case s.stage == 1 && w.waited(s):
		w.next(s, 2, 200*time.Millisecond, 4*time.Second)
		s.disturbs(w, e.Ask.Index)
	}
}

// disturbs is what happens in the middle.
func (s *strike) disturbs(w *World, request uint64) {
	p, v := s.third.server, s.node.server
	away := s.draws.Between(10*time.Millisecond, 4*time.Second)
	switch s.Param % switchWays {
	case switchLags, switchCut:
		s.lagging = true
		w.link(s.third, s.node).walCut++
		if s.Param == switchCut {
			w.part(s, s.node)
		}
	case switchEngine:
		if s.third.state == running {
			s.third.dies(surviveAll)
			w.restartLater(s.third, s.draws.Between(10*time.Millisecond, time.Second))
		}
	case switchTarget:
		if s.node.state == running {
			v.dies(s.draws.Below(2) == 0, away)
		}
	case switchPrimary:
		if s.third.state == running {
			p.dies(s.draws.Below(2) == 0, away)
		}
	case switchGivenUp:
		if l := w.leader(); !w.servers.asks {
			w.servers.propose(l, failover.Abort{Epoch: s.epoch, Request: request})
		}
	}
}

// unlag lets the target have WAL again.
func (s *strike) unlag(w *World) {
	if s.lagging {
		s.lagging = false
		w.link(s.third, s.node).walCut--
		w.rejoin(s)
	}
}

// crowds has all clients of a server commit at once.
func (x *servers) crowds(p *server) {
	for _, c := range x.sessions {
		if c.at != p || c.on == nil || c.on.Over() || c.busy || c.reader {
			continue
		}
		if c.open == 0 {
			c.begins()
		} else {
			c.ends()
		}
	}
}
