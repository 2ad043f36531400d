package sim

import (
	"fmt"
	"time"
)

// faultBandwidth: a link carries narrowBytes a second.
var faultBandwidth = Kind{
	Name: "bandwidth", Group: "network", most: 4,
	Doc: "a link carries 2 kB a second",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.pair(s, o)
		} else {
			d.anyone(s, o)
		}
		d.For = s.Between(500*time.Millisecond, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) { l.narrow++ })
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		w.strikeLinks(s, func(l *link) { l.narrow-- })
	},
}
