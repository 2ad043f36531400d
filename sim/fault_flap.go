package sim

import (
	"fmt"
	"time"
)

// faultFlap: a link goes away and comes back every Param milliseconds.
var faultFlap = Kind{
	Name: "flap", Group: "network", most: 3,
	Doc: "a link goes away and comes back, again and again",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.pair(s, o)
		d.For = s.Between(2*time.Second, 15*time.Second)
		d.Param = int64(s.Int(50, 1500))
	},
	begin: func(w *World, s *strike) string {
		if s.peer == nil {
			return ""
		}
		flap(w, s, 1)
		return fmt.Sprintf("every %d ms, for %v", s.Param, s.For)
	},
	end: func(w *World, s *strike) {
		if s.cut {
			flap(w, s, -1)
		}
	},
}

// flap cuts both directions, or opens them, and arranges the opposite.
func flap(w *World, s *strike, by int) {
	w.link(s.node, s.peer).cut += by
	w.link(s.peer, s.node).cut += by
	s.cut = by > 0
	w.arrange(event{at: w.now + time.Duration(s.Param)*time.Millisecond, kind: evFlap, ref: s})
}
