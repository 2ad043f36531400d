package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/sim/postgres"
)

// faultWALCut: servers replicate no more over the links of one, while consensus works on.
var faultWALCut = Kind{
	Name: "wal-cut", Group: "server", most: 6, servers: true,
	Doc: "replication of PostgreSQL is cut, and nothing else",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		if s.Below(2) == 0 {
			d.pair(s, o)
		}
		d.For = s.Between(50*time.Millisecond, 6*time.Second)
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) { l.walCut++ })
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) { w.strikeLinks(s, func(l *link) { l.walCut-- }) },
}

// faultTailAlone: a primary writes what no standby gets, and dies a little later: in Param
// milliseconds.
var faultTailAlone = Kind{
	Name: "tail-alone", Group: "server", most: 4, servers: true,
	Doc: "a primary writes WAL that no standby gets, and dies",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(s.Int(1, 800))
		d.For = s.Between(time.Second, 5*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := s.node.server
		if v == nil || v.pg == nil || !v.serves() {
			return ""
		}
		w.strikeLinks(s, func(l *link) { l.walCut++ })
		v.pg.Internal(postgres.Logical, 1+v.draws.Below(3*postgres.SegmentBytes))
		v.pg.Flush()
		life := v.n.life
		v.later(time.Duration(s.Param)*time.Millisecond, func() {
			if v.n.life == life && v.n.state != down {
				w.say(v.n, "dies with its tail")
				v.n.dies(surviveAll)
				v.pg.Kill(false)
				w.restartLater(v.n, v.draws.Between(10*time.Millisecond, 3*time.Second))
			}
		})
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) { w.strikeLinks(s, func(l *link) { l.walCut-- }) },
}
