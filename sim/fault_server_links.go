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

// faultTailAlone: a primary writes what no standby gets, or one alone, and dies a little
// later: in Param milliseconds. From tailSilent on that one stands still then, so that its
// report is missing.
var faultTailAlone = Kind{
	Name: "tail-alone", Group: "server", most: 8, servers: true, patient: true,
	Doc: "a primary writes WAL that no standby gets, and dies",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Param = int64(s.Int(1, 800) + tailSilent*s.Below(2))
		if d.For = s.Between(time.Second, 5*time.Second); d.Param >= tailSilent { // for longer than others wait
			d.For += s.Between(6*time.Second, 9*time.Second)
		}
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil || !v.serves() {
			return ""
		}
		s.staged = &staged{draws: For(w.o.Seed, s.Kind, uint64(s.At))}
		if s.draws.Below(2) == 0 || s.Param >= tailSilent {
			s.third = w.oneStreams(s)
		}
		if s.third != nil {
			w.tailTo(s, s.third, 1)
		} else {
			lets, fills := max(0, s.draws.Int(-3, 4)), s.draws.Below(2) == 0 // the first of it gets through, half a record maybe
			w.strikeLinks(s, func(l *link) {
				l.walCut++
				l.walLets, l.walFills = lets, fills
			})
		}
		v.pg.Internal(postgres.Logical, 1+v.draws.Below(3*postgres.SegmentBytes))
		v.pg.Flush()
		life := v.n.life
		v.later(time.Duration(s.Param%tailSilent)*time.Millisecond, func() {
			if v.n.life != life || v.n.state == down {
				return
			}
			w.say(v.n, "dies with its tail")
			away := v.draws.Between(10*time.Millisecond, 3*time.Second)
			if x := s.third; s.Param >= tailSilent && !s.over && x.withServer() != nil && x.state == running {
				w.say(x, "its server stands still, with that")
				x.server.stands()
				away = max(away, s.At+s.For-w.now)
			}
			v.dies(false, away)
		})
		if s.third != nil {
			return fmt.Sprintf("only %v gets it, for %v", s.third, s.For)
		}
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		if s.third != nil {
			w.tailTo(s, s.third, -1)
			if s.Param >= tailSilent && s.third.paused == 0 {
				s.third.server.thaws()
			}
			return
		}
		w.strikeLinks(s, func(l *link) {
			l.walCut--
			l.walLets, l.walFills = 0, false
		})
	},
}

const tailSilent = 1000

// oneStreams is one of the standbys that stream from a node's server; nil: none does.
func (w *World) oneStreams(s *strike) *node {
	var l []*node
	for _, v := range w.servers.data() {
		if id, _ := v.pg.Receiving(); id == int(s.node.id) {
			l = append(l, v.n)
		}
	}
	if len(l) == 0 {
		return nil
	}
	return l[s.draws.Below(len(l))]
}

// tailTo has all but one of the standbys get no WAL from a primary, and that one not
// replay what it gets; or takes that back.
func (w *World) tailTo(s *strike, to *node, by int) {
	for _, x := range w.nodes {
		if x != s.node && x != to {
			w.link(s.node, x).walCut += by
		}
	}
	to.server.pg.BlockReplay(by > 0)
}
