package sim

import (
	"fmt"
	"time"
)

// faultSmallOnly: messages over smallBytes do not arrive, as with a wrong MTU.
var faultSmallOnly = Kind{
	Name: "small-only", Group: "network", most: 4,
	Doc: "only messages up to 512 bytes arrive",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.pair(s, o)
		} else {
			d.anyone(s, o)
		}
		d.For = s.Between(500*time.Millisecond, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) { l.small++ })
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		w.strikeLinks(s, func(l *link) { l.small-- })
	},
}
