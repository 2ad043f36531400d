package sim

import (
	"fmt"
	"time"
)

// faultPause: the process is stopped, and goes on later as if nothing had been.
var faultPause = Kind{
	Name: "pause", Group: "process", most: 6,
	Doc: "a process stands still for a while",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(10*time.Millisecond, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.state == down {
			return ""
		}
		s.node.pause()
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		if s.node.life == s.life {
			s.node.resume()
		}
	},
}
