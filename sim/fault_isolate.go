package sim

import (
	"fmt"
	"time"
)

// faultIsolate: the leader, whoever it is, is cut from all others.
var faultIsolate = Kind{
	Name: "isolate", Group: "network", most: 6,
	Doc: "the leader is cut from all others",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.For = s.Between(200*time.Millisecond, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) {
			l.cut++
			w.breakLater(l)
		})
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) { w.strikeLinks(s, func(l *link) { l.cut-- }) },
}
