package sim

import (
	"fmt"
	"time"
)

// faultDelay: messages take Param milliseconds more.
var faultDelay = Kind{
	Name: "delay", Group: "network", most: 4,
	Doc: "messages take longer, by up to 2 s",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.pair(s, o)
		} else {
			d.anyone(s, o)
		}
		d.For = s.Between(500*time.Millisecond, 10*time.Second)
		d.Param = int64(Pick(s, 20, 100, 500, 2000))
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) { l.extra += time.Duration(s.Param) * time.Millisecond })
		return fmt.Sprintf("%d ms more, for %v", s.Param, s.For)
	},
	end: func(w *World, s *strike) {
		w.strikeLinks(s, func(l *link) { l.extra -= time.Duration(s.Param) * time.Millisecond })
	},
}
