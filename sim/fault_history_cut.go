package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// faultHistoryCut: a primary dies, and so does who is promoted next, once its timeline has a
// number and before anybody has followed it: the one after that skips the number. Its first
// messages get through to each standby, so many as Param says, and the connection ends.
var faultHistoryCut = Kind{
	Name: "history-cut", Group: "server", most: 4, servers: true, patient: true,
	Doc: "a timeline's number is skipped, and standbys are cut off as they begin to stream",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = Pick(s, int64(2), 2, 2, 1, 3, 4) // two: that it is there, and the history file of the number that is skipped
		d.For = s.Between(6*time.Second, 14*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := w.stageBeginsOnPrimary(s)
		if v == nil {
			return ""
		}
		v.dies(false, s.draws.Between(time.Second, 3*time.Second))
		return fmt.Sprintf("after %d messages", s.Param)
	},
	stage: func(w *World, s *strike) {
		l := w.leader()
		if l == nil {
			return
		}
		st := l.core.FailoverState()
		e := &st.Epoch
		switch x := w.servers.of(e.Primary); s.stage {
		case 0:
			if e.Number <= s.epoch || e.Stage < failover.StageGranted || x == nil || x.pg.Phase() == postgres.Down {
				return
			}
			s.epoch = e.Number
			w.say(x.n, "dies as it is promoted")
			x.dies(s.draws.Below(2) == 0, s.draws.Between(2*time.Second, 6*time.Second))
			w.next(s, 1, 0, 0)
		case 1:
			if e.Number <= s.epoch || e.Stage < failover.StageGranted || x == nil {
				return
			}
			s.third = x.n
			w.shortWAL(x.n, 1, int(s.Param))
			w.next(s, 2, time.Second, 3*time.Second)
		case 2:
			if w.waited(s) {
				w.shortWAL(s.third, -1, 0)
				w.next(s, 3, 0, 0)
			}
		}
	},
	end: func(w *World, s *strike) {
		if s.stage == 2 {
			w.shortWAL(s.third, -1, 0)
		}
		w.stageEnds(s)
	},
}
