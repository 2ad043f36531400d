package sim

import (
	"fmt"
	"time"
)

// faultHold: what node sends to peer, or to anyone, is held up and arrives all
// together later, in order, as TCP delivers what it had to send again. With Param
// 1 it is what node would receive, with Param 2 both. Each link is held up and free
// again at its own times, within For.
var faultHold = Kind{
	Name: "hold", Group: "network", most: 8,
	Doc: "messages are held up, and arrive all together",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		if s.Below(3) == 0 {
			d.pair(s, o)
		}
		d.Param = int64(s.Below(3))
		d.For = s.Between(100*time.Millisecond, 3*time.Second)
	},
	begin: func(w *World, s *strike) string {
		hold := func(l *link) {
			l.heldFrom = w.now + l.holds.Between(0, s.For/2)
			l.heldUntil = min(w.now+l.holds.Between(s.For/2, s.For), w.o.settleAt())
		}
		if s.Param == 2 {
			w.strikeBoth(s, hold)
		} else {
			oneWay(w, s, hold)
		}
		return fmt.Sprintf("within %v", s.For)
	},
}

// strikeBoth calls f for the links in both directions between node and peer, or
// node and all others.
func (w *World) strikeBoth(s *strike, f func(*link)) {
	for _, n := range w.nodes {
		if n != s.node && (s.peer == nil || n == s.peer) {
			f(w.link(s.node, n))
			f(w.link(n, s.node))
		}
	}
}
