package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// faultFailoverOff: failover is disabled, and enabled again. By Param at once, or after the
// primary has died, or is cut off and writes on, and the next epoch has reached a stage. Node
// may die in the middle of being told.
var faultFailoverOff = Kind{
	Name: "failover-off", Group: "server", most: 2, servers: true,
	Doc: "failover is disabled at any stage, and enabled again later",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Below(4) + offCuts*s.Below(4))
		d.For = s.Between(2*time.Second, 9*time.Second)
	},
	begin: func(w *World, s *strike) string {
		p := w.servers.serving()
		if p == nil || w.leader() == nil {
			return ""
		}
		w.stageBegins(s)
		s.epoch = p.shared.Epoch
		w.servers.keepsOff++
		switch {
		case s.Param&offCuts != 0:
			w.part(s, p.n)
		case s.Param%offCuts > 0 && p.n.state == running:
			p.dies(s.draws.Below(2) == 0, s.draws.Between(0, s.For))
		}
		how := ""
		if s.Param&offCuts != 0 {
			how = ", the primary is cut off"
		}
		if v := s.node.withServer(); v != nil && s.Param&offDies != 0 {
			v.diesReleased = true
			how += ", this one dies as it is told"
		}
		return fmt.Sprintf("at stage %d, for %v%s", s.Param%offCuts, s.For, how)
	},
	stage: func(w *World, s *strike) {
		l := w.leader()
		if s.stage > 0 && w.waited(s) && len(s.apart) > 0 {
			w.rejoin(s) // who was the primary hears of it all at once
		}
		if s.stage > 0 || l == nil || l.paused > 0 || l.server == nil || w.servers.asks || w.servers.isShort() {
			return
		}
		st := l.core.FailoverState()
		e := &st.Epoch
		wanted := failover.Stage(s.Param % 4)
		if s.Param%offDies == 0 || e.Number > s.epoch && (e.Stage >= wanted && wanted > 0 || e.Stage == failover.StageOpen) {
			w.servers.propose(l, failover.Disable{Epoch: e.Number})
			w.next(s, 1, 500*time.Millisecond, 3*time.Second)
		}
	},
	end: func(w *World, s *strike) {
		if v := s.node.withServer(); v != nil {
			v.diesReleased = false
		}
		w.servers.keepsOff--
		w.stageEnds(s)
	},
}

// Added to Param: the primary is cut off; Node dies as it is told.
const (
	offCuts = 4
	offDies = 8
)
