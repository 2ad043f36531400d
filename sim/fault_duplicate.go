package sim

import (
	"fmt"
	"time"
)

// faultDuplicate: messages arrive twice. Param is how many in a million.
var faultDuplicate = Kind{
	Name: "duplicate", Group: "network", most: 6,
	Doc: "messages arrive twice",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.pair(s, o)
		} else {
			d.anyone(s, o)
		}
		d.For = s.Between(500*time.Millisecond, 15*time.Second)
		d.Param = int64(Pick(s, 10_000, 50_000, 300_000))
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) { l.duplicate.perMillion += int(s.Param) })
		return fmt.Sprintf("%d of a million messages, for %v", s.Param, s.For)
	},
	end: func(w *World, s *strike) {
		w.strikeLinks(s, func(l *link) { l.duplicate.perMillion -= int(s.Param) })
	},
}
