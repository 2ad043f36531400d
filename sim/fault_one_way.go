package sim

import (
	"fmt"
	"time"
)

// faultOneWay: what node sends to peer, or to anyone, does not arrive; the other
// direction works.
var faultOneWay = Kind{
	Name: "one-way", Group: "network", most: 6,
	Doc: "an asymmetric partition: one direction is cut",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		if s.Below(2) == 0 {
			d.pair(s, o)
		}
		d.Param = int64(s.Below(2)) // 1: what is sent to node is lost
		d.For = s.Between(200*time.Millisecond, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		oneWay(w, s, func(l *link) {
			l.cut++
			w.breakLater(l)
		})
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) { oneWay(w, s, func(l *link) { l.cut-- }) },
}

func oneWay(w *World, s *strike, f func(*link)) {
	for _, n := range w.nodes {
		switch {
		case n == s.node || s.peer != nil && n != s.peer:
		case s.Param == 1:
			f(w.link(n, s.node))
		default:
			f(w.link(s.node, n))
		}
	}
}
