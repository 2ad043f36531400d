package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/sim/postgres"
)

// faultOldOrder: a primary's engine stands still, and its server goes on, with commits that wait
// for WAL that is held. Another epoch begins, a standby is sealed for it and restarts, and its host
// carries the order to follow that primary out once more, before it gets any other.
var faultOldOrder = Kind{
	Name: "old-order", Group: "server", most: 4, servers: true, patient: true,
	Doc: "a standby restarts once it is sealed, and is late with an order of before, to follow a primary that stands still",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(s.Below(1000))
		d.For = s.Between(5*time.Second, 9*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil || !v.serves() || v.frozen || s.node.paused > 0 {
			return ""
		}
		w.stageBegins(s)
		s.epoch = v.shared.Epoch
		w.holdWAL(s.node, true, 1)
		s.node.pause()
		v.thaws()
		return fmt.Sprintf("%d ms after the seal", s.Param)
	},
	stage: func(w *World, s *strike) {
		switch s.stage {
		case 0:
			if w.servers.reigns.epoch > s.epoch {
				w.next(s, 1, time.Duration(s.Param)*time.Millisecond, time.Duration(s.Param)*time.Millisecond)
			}
		case 1:
			if s.third = w.sealed(s); s.third == nil || !w.waited(s) {
				return
			}
			x := s.third.server
			x.late++
			x.dies(false, 10*time.Millisecond)
			w.holdWAL(s.node, true, -1)
			w.next(s, 2, 0, 0)
		case 2:
			if x := s.third.server; s.third.state == running && x.booted && x.pg.InRecovery() && s.third.paused == 0 {
				w.say(s.third, "is late with an order of before")
				x.obey(x.follow)
				w.next(s, 3, time.Second, 2*time.Second)
			}
		case 3:
			if w.waited(s) {
				s.third.server.late--
				w.next(s, 4, 0, 0)
			}
		}
	},
	end: func(w *World, s *strike) {
		switch s.stage {
		case 0, 1:
			w.holdWAL(s.node, true, -1)
		case 2, 3:
			s.third.server.late--
		}
		w.stageEnds(s)
		if s.node.life == s.life {
			s.node.resume()
		}
	},
}

// sealed is a standby that has followed the primary of a strike, and is sealed for a later epoch.
func (w *World) sealed(s *strike) *node {
	for _, v := range w.servers.data() {
		if v.n != s.node && v.follow != nil && v.data.Sealed >= s.epoch && v.pg.Phase() == postgres.Recovery && v.mem.Promoting == 0 && v.n.state == running {
			return v.n
		}
	}
	return nil
}
