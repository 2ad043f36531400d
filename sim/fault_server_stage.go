package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// faultPrimaryHangs: the engine of a primary stands still, and its server goes on; what
// that sends to its standbys waits in the network, until Param milliseconds after another
// epoch has begun. Or, from machineHangs on, all of it stands still, with answers of its
// standbys in its sockets.
var faultPrimaryHangs = Kind{
	Name: "primary-hangs", Group: "server", most: 4, servers: true,
	Doc: "a primary's engine, or all of it, stands still, with WAL or answers on their way",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(s.Below(500) + machineHangs*s.Below(2))
		d.For = s.Between(3*time.Second, 8*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil || !v.serves() || v.frozen || s.node.paused > 0 {
			return ""
		}
		w.stageBegins(s)
		s.epoch = v.shared.Epoch
		if s.Param >= machineHangs {
			w.holdWAL(s.node, false, 1)
			w.next(s, 0, 50*time.Millisecond, 400*time.Millisecond)
			return fmt.Sprintf("all of it, for %v", s.For)
		}
		s.node.pause()
		v.thaws()
		w.next(s, 0, 0, time.Second)
		return fmt.Sprintf("its engine, for %v", s.For)
	},
	stage: func(w *World, s *strike) {
		switch machine := s.Param >= machineHangs; {
		case s.stage == 0 && w.waited(s) && machine:
			if s.node.life == s.life && s.node.state == running {
				s.node.pause()
				s.node.server.stands()
			}
			w.holdWAL(s.node, false, -1)
			w.next(s, 3, 0, 0)
		case s.stage == 0 && w.waited(s):
			w.holdWAL(s.node, true, 1)
			w.next(s, 1, 0, 0)
		case s.stage == 1 && w.servers.reigns.epoch > s.epoch:
			w.next(s, 2, 0, time.Duration(s.Param+1)*time.Millisecond)
		case s.stage == 2 && w.waited(s):
			w.holdWAL(s.node, true, -1)
			w.next(s, 3, 0, 0)
		}
	},
	end: func(w *World, s *strike) {
		switch {
		case s.stage == 1 || s.stage == 2:
			w.holdWAL(s.node, true, -1)
		case s.stage == 0 && s.Param >= machineHangs:
			w.holdWAL(s.node, false, -1)
		}
		w.stageEnds(s)
		if s.node.life == s.life && (s.stage > 0 || s.Param < machineHangs) {
			s.node.resume()
		}
	},
}

const machineHangs = 1000

// holdWAL has what a server sends to others wait, or what they answer; or lets it go on.
func (w *World) holdWAL(n *node, sends bool, by int) {
	for _, x := range w.nodes {
		if x == n || x.server == nil {
			continue
		}
		from, to := n, x
		if !sends {
			from, to = x, n
		}
		w.holdLink(from, to, by)
	}
}

// holdLink has what one server sends to another wait, or lets it go on.
func (w *World) holdLink(from, to *node, by int) {
	l := w.link(from, to)
	if l.walHold += by; l.walHold > 0 {
		return
	}
	held := l.walWaits
	l.walWaits = nil
	for _, m := range held {
		serverEnv{from.server}.brings(l, to, m)
	}
}

// The ways of faultDiesInFailover.
const (
	inFailoverKilled = iota
	inFailoverPower
	inFailoverShort  // its standbys get a few messages of its WAL first
	inFailoverByHand // it is promoted by hand, and is another one than the grantee
	inFailoverWays
)

// faultDiesInFailover: a primary dies, and another server does, as the epoch that follows
// has reached a stage: mostly the one that was granted the epoch. By Param: the stage, and
// how.
var faultDiesInFailover = Kind{
	Name: "dies-in-failover", Group: "server", most: 4, servers: true,
	Doc: "a primary dies, and then a server that takes part in the failover",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(s.Below(4) + 4*s.Below(inFailoverWays))
		d.For = s.Between(4*time.Second, 14*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := w.stageBeginsOnPrimary(s)
		if v == nil {
			return ""
		}
		s.leader = s.node
		away := Pick(&s.draws, time.Second, s.draws.Between(0, s.For))
		if s.way() == inFailoverShort {
			away = min(away, time.Second) // it follows the next one, too
		}
		v.dies(s.draws.Below(2) == 0, away)
		return fmt.Sprintf("until the next epoch is at stage %d", s.stageWanted())
	},
	stage: diesInFailover,
	end: func(w *World, s *strike) {
		if s.stage == 1 && s.third != nil && s.way() == inFailoverShort {
			w.shortWAL(s.third, -1, 0)
		}
		w.stageEnds(s)
	},
}

func (s *strike) way() int64 { return s.Param / 4 % inFailoverWays }

func (s *strike) stageWanted() failover.Stage {
	switch s.way() {
	case inFailoverShort: // or nobody follows yet
		return failover.StageForked
	case inFailoverByHand: // its timeline has a number by then
		return failover.StageGranted
	}
	return failover.StageBegun + failover.Stage(s.Param%4)
}

// diesInFailover: the stages are 0 the next epoch is not there yet, 1 it is, 2 the other
// server is dead.
func diesInFailover(w *World, s *strike) {
	switch s.stage {
	case 0:
		l := w.leader()
		if l == nil || l.core == nil {
			return
		}
		e := l.core.FailoverState().Epoch
		if e.Number <= s.epoch || e.Stage < s.stageWanted() {
			return
		}
		if s.third = w.takesPart(s, e.Primary); s.third == nil {
			return
		}
		w.next(s, 1, 0, 60*time.Millisecond)
		if s.way() == inFailoverShort {
			w.shortWAL(s.third, 1, 2+s.draws.Below(14))
			w.next(s, 1, 500*time.Millisecond, 2*time.Second)
		}
	case 1:
		if !w.waited(s) {
			return
		}
		w.next(s, 2, 0, 0)
		v := s.third.server
		switch {
		case s.way() == inFailoverByHand && v.pg.InRecovery() && v.pg.Reads() && !v.rejoining && !v.out:
			w.say(s.third, "is promoted by hand in the failover")
			v.byHand, w.servers.handled = true, true
			v.pg.Promote()
		case s.way() != inFailoverByHand && v.pg.Phase() != postgres.Down && s.third.state == running:
			w.say(s.third, "dies in the failover")
			least := time.Millisecond
			if s.way() == inFailoverShort {
				least = 3 * time.Second // the others go on without it
			}
			v.dies(s.way() == inFailoverPower, s.draws.Between(least, 6*time.Second))
		}
		if s.way() == inFailoverShort {
			w.shortWAL(s.third, -1, 0)
			for _, x := range w.servers.data() { // half a segment is what recovery finds first
				if x != v && x.pg.InRecovery() && s.draws.Below(4) > 0 {
					x.pg.CrashRestart()
				}
			}
		}
	}
}

// takesPart is who is to die: mostly the grantee, else any whose server is up.
func (w *World) takesPart(s *strike, grantee uint64) *node {
	x, hand := w.servers.of(grantee), s.way() == inFailoverByHand
	if x != nil && !hand && s.draws.Below(4) > 0 {
		return x.n
	}
	var l []*node
	for _, v := range w.servers.data() {
		if v.n != s.leader && v.pg.Phase() != postgres.Down && !(hand && v == x) {
			l = append(l, v.n)
		}
	}
	if len(l) == 0 {
		return nil
	}
	return l[s.draws.Below(len(l))]
}

// shortWAL lets only so many more messages of a server's WAL through, to each standby.
func (w *World) shortWAL(n *node, by, lets int) {
	for _, x := range w.nodes {
		if x != n {
			l := w.link(n, x)
			l.walCut += by
			l.walLets = lets
		}
	}
}
