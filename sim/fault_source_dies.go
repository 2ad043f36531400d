package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/sim/postgres"
)

// faultSourceDies: a primary dies with WAL that no standby has, so that its data is made anew
// from the next one. That one dies as soon as the data is there, and before the WAL is that it
// needs: nothing is streamed meanwhile. For is for how long the source stays away.
var faultSourceDies = Kind{
	Name: "source-dies", Group: "server", most: 4, servers: true, patient: true,
	Doc: "a primary's data is made anew from the next one, which dies before the WAL for that has come",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(s.Int(1, 600))
		d.For = s.Between(8*time.Second, 16*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := w.stageBeginsOnPrimary(s)
		if v == nil {
			return ""
		}
		w.diverges(v, s)
		w.next(s, 0, time.Duration(s.Param)*time.Millisecond, time.Duration(s.Param)*time.Millisecond)
		return fmt.Sprintf("with a tail, in %v", s.wait)
	},
	stage: func(w *World, s *strike) {
		v := s.node.server
		switch p := w.servers.serving(); s.stage {
		case 0:
			if w.waited(s) {
				w.tailEnds(s)
				v.dies(false, s.draws.Between(10*time.Millisecond, time.Second))
				w.next(s, 1, 0, 0)
			}
		case 1: // the next one serves, and the data is about to be made anew
			if v.rejoining && p != nil && p != v {
				s.third = p.n
				w.holdLink(p.n, s.node, 1)
				w.next(s, 2, 0, 0)
			}
		case 2:
			x := s.third.server
			x.pg.Internal(postgres.Prune, 1+s.draws.Below(postgres.PageBytes)) // not flushed
			if !v.rejoining && x.serves() {                                    // it dies with what it holds
				x.dies(s.draws.Below(2) == 0, s.draws.Between(3*time.Second, 8*time.Second))
				w.next(s, 3, time.Second, 4*time.Second)
			}
		case 3:
			if w.waited(s) {
				w.holdLink(s.third, s.node, -1)
				w.next(s, 4, 0, 0)
			}
		}
	},
	end: func(w *World, s *strike) {
		if s.stage == 0 {
			w.tailEnds(s)
		}
		if s.stage == 2 || s.stage == 3 {
			w.holdLink(s.third, s.node, -1)
		}
		w.stageEnds(s)
	},
}

// diverges has a primary write WAL that no standby gets, until tailEnds.
func (w *World) diverges(v *server, s *strike) {
	w.strikeLinks(s, func(l *link) { l.walCut++ })
	v.pg.Internal(postgres.Logical, 1+s.draws.Below(2*postgres.SegmentBytes))
	v.pg.Flush()
}

func (w *World) tailEnds(s *strike) { w.strikeLinks(s, func(l *link) { l.walCut-- }) }
