package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// faultPromotionHeld: queries block the replay of all standbys, and the primary dies. Who is
// promoted hangs, so that another epoch begins, and the queries end a while after that: in
// Param milliseconds.
var faultPromotionHeld = Kind{
	Name: "promotion-held", Group: "server", most: 4, servers: true, patient: true,
	Doc: "a promotion hangs until another epoch has begun, and goes on",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(s.Int(1, 2500))
		d.For = s.Between(6*time.Second, 15*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if w.stageBeginsOnPrimary(s) == nil {
			return ""
		}
		w.blockReplay(s, true)
		w.next(s, 0, 0, 300*time.Millisecond)
		return fmt.Sprintf("for %v", s.For)
	},
	stage: func(w *World, s *strike) {
		switch s.stage {
		case 0:
			if w.waited(s) {
				s.node.server.dies(s.draws.Below(2) == 0, s.draws.Between(2*time.Second, 5*time.Second))
				w.next(s, 1, 0, 0)
			}
		case 1:
			l := w.leader()
			if l == nil {
				return
			}
			if e := l.core.FailoverState().Epoch; e.Number > s.epoch+1 && e.Stage >= failover.StageBegun {
				w.next(s, 2, 0, time.Duration(s.Param)*time.Millisecond)
			}
		case 2:
			if w.waited(s) {
				w.blockReplay(s, false)
				w.next(s, 3, 0, 0)
			}
		}
	},
	end: func(w *World, s *strike) {
		if s.stage < 3 {
			w.blockReplay(s, false)
		}
		w.stageEnds(s)
	},
}

// blockReplay has a query block the replay of each server but one's, or ends that.
func (w *World) blockReplay(s *strike, on bool) {
	for _, v := range w.servers.all[:w.o.Nodes] {
		if v.n != s.node && v.pg != nil {
			v.pg.BlockReplay(on)
		}
	}
}
