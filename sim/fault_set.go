package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// faultSyncSettings: the operator asks for another sync_count and durability, by Param, and
// later for what was there before.
var faultSyncSettings = Kind{
	Name: "sync-settings", Group: "server", most: 6, servers: true,
	Doc: "the operator asks for another sync_count and another durability",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Below(4) + 4*s.Below(3))
		d.For = s.Between(500*time.Millisecond, 15*time.Second)
	},
	begin: func(w *World, s *strike) string {
		x := w.servers
		if x == nil {
			return ""
		}
		x.wanted.SyncCount, x.wanted.Durability = uint32(s.Param%4), failover.Durability(s.Param/4%3)
		return fmt.Sprintf("%+v for %v", x.wanted, s.For)
	},
	end: func(w *World, _ *strike) { w.servers.wanted = w.servers.settings },
}

// faultPriority: a server is given failover_priority 0, or, by Param, another one.
var faultPriority = Kind{
	Name: "priority", Group: "server", most: 6, servers: true,
	Doc: "a PostgreSQL server is given failover_priority 0, or another one",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(Pick(s, 0, 0, 0, 50, 200))
		d.For = Pick(s, s.Between(100*time.Millisecond, 10*time.Second), s.Between(10*time.Second, 20*time.Second))
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil {
			return ""
		}
		v.priority = uint32(s.Param)
		return fmt.Sprintf("%d for %v", s.Param, s.For)
	},
	end: func(w *World, s *strike) { s.node.server.priority = priority },
}

// faultStandbyFrozen: a standby's server stands still, and its engine goes on. It keeps its
// connection to the primary for a while.
var faultStandbyFrozen = Kind{
	Name: "standby-frozen", Group: "server", most: 6, servers: true,
	Doc: "a standby's server stands still, and its engine goes on",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.For = s.Between(100*time.Millisecond, 8*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil || !v.pg.InRecovery() || v.frozen {
			return ""
		}
		v.stands()
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		if s.node.paused == 0 {
			s.node.server.thaws()
		}
	},
}

// What makes the primary change the set, and what goes wrong as it does: the ways of
// faultSetChanges.
const (
	setFrozen = iota
	setLeaves
	setCut
	setCounts
	setCauses
)

const (
	setEngine  = iota // the primary's engine ends, and starts again alone
	setDies           // the primary's server dies
	setHangs          // its engine stands still
	setAlone          // it is cut off from all others
	setHanded         // leadership is to be another's
	setUndone         // what made it change the set is over
	setStandby        // the other standby dies: with it goes who keeps up
	setHappens
)

// faultSetChanges: a primary changes its sync set, and something happens in the middle of
// it: what is decided is published, or proposed, or in the log.
var faultSetChanges = Kind{
	Name: "set-changes", Group: "server", most: 24, servers: true,
	Doc: "the sync set has to change, and something happens in the middle of that",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(Pick(s, setFrozen, setLeaves, setCut, setCounts, setCounts, setCounts) + setCauses*s.Below(setHappens))
		d.For = s.Between(3*time.Second, 9*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil || !v.serves() || v.frozen || s.node.paused > 0 {
			return ""
		}
		w.stageBegins(s)
		if s.third = w.oneStreams(s); s.third == nil || s.third.server.frozen {
			w.stageEnds(s)
			s.over = true
			return ""
		}
		s.slow = w.staysIn(s)
		w.slows(s, true)
		s.turns = w.now + s.draws.Between(20*time.Millisecond, 300*time.Millisecond)
		if s.unruly = s.draws.Below(3) == 0; s.unruly {
			v.late++
		}
		w.causes(s, true)
		return fmt.Sprintf("%v %s", s.third, [...]string{"stands still", "is given priority 0", "is cut off", "has to flush, or not"}[s.Param%setCauses])
	},
	stage: setChanges,
	end: func(w *World, s *strike) {
		w.causes(s, false)
		w.slows(s, false)
		if s.unruly {
			s.node.server.late--
		}
		if s.handed && s.happens() == setHangs && s.node.life == s.life {
			s.node.resume()
		}
		w.stageEnds(s)
	},
}

func (s *strike) happens() int64 { return s.Param / setCauses % setHappens }

// causes makes the primary change its set, or takes that back, once.
func (w *World) causes(s *strike, on bool) {
	if s.undone {
		return
	}
	v := s.third.server
	s.undone = !on
	switch s.Param % setCauses {
	case setFrozen:
		if on {
			v.stands()
		} else if s.third.paused == 0 {
			v.thaws()
		}
	case setLeaves:
		v.priority = 0
		if !on {
			v.priority = priority
		}
	case setCut:
		by := 1
		if !on {
			by = -1
		}
		w.link(s.node, s.third).walCut += by
	default:
		x := w.servers
		x.wanted = x.settings
		if !on {
			return
		}
		x.wanted.SyncCount = Pick(&s.draws, uint32(0), 1, 2, 2, 2, 2)
		if x.wanted == x.settings {
			x.wanted.SyncCount = 2 - min(2, x.wanted.SyncCount)
		}
		if l := w.leader(); l != nil && l.paused == 0 && !x.asks && x.enabled {
			st := l.core.FailoverState()
			x.adjusts(l, &st) // at once
		}
	}
}

// staysIn is a standby that is to be in the set that follows.
func (w *World) staysIn(s *strike) *node {
	if s.Param%setCauses == setCounts {
		return s.third
	}
	for _, v := range w.servers.data() {
		if id, _ := v.pg.Receiving(); id == int(s.node.id) && v.n != s.third {
			return v.n
		}
	}
	return nil
}

// slows has the WAL for that standby wait, or come.
func (w *World) slows(s *strike, on bool) {
	if s.slow == nil || s.slowed == on {
		return
	}
	s.slowed = on
	w.holdLink(s.node, s.slow, map[bool]int{true: 1, false: -1}[on])
}

// setChanges: the stages are 0 nothing is decided yet, 1 a decision is published, 2 something
// has happened.
func setChanges(w *World, s *strike) {
	v := s.node.server
	if w.now >= s.turns {
		w.slows(s, !s.slowed)
		s.turns = w.now + Pick(&s.draws, 20*time.Millisecond, 100*time.Millisecond, 300*time.Millisecond)
	}
	switch s.stage {
	case 0:
		if v.shared.Next != nil {
			w.next(s, 1, 0, Pick(&s.draws, 10*time.Millisecond, 60*time.Millisecond, 200*time.Millisecond))
		}
	case 1:
		if !w.waited(s) {
			return
		}
		w.next(s, 2, 0, 0)
		if s.node.life == s.life && s.node.state == running && s.node.paused == 0 {
			w.setHappens(s)
		}
	case 2:
		if s.happens() == setHanded && !s.handed {
			s.handed = w.hand(s, nil)
		}
	}
}

// setHappens is what goes wrong in the middle of a change.
func (w *World) setHappens(s *strike) {
	v := s.node.server
	switch s.happens() {
	case setEngine:
		w.say(s.node, "its engine ends in the middle of a change of the sync set")
		s.node.dies(surviveAll)
		w.restartLater(s.node, s.draws.Between(10*time.Millisecond, 500*time.Millisecond))
	case setDies:
		v.dies(s.draws.Below(2) == 0, s.draws.Between(time.Millisecond, 3*time.Second))
	case setHangs:
		s.handed = true
		s.node.pause()
		v.thaws()
	case setAlone:
		w.part(s, s.node)
	case setHanded:
		s.term = s.node.status.Term
	case setUndone:
		w.causes(s, false)
	case setStandby:
		for _, x := range w.servers.data() {
			if x != v && x.n != s.third && x.pg.Phase() != postgres.Down && x.n.state == running {
				x.dies(false, s.draws.Between(time.Millisecond, 4*time.Second))
				return
			}
		}
	}
}
