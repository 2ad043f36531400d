package sim

import (
	"fmt"
	"time"
)

// faultSleep: the machine sleeps. Its process stands still and its ticker's clock
// with it; CLOCK_BOOTTIME, which a lease is counted in, goes on.
var faultSleep = Kind{
	Name: "sleep", Group: "clock", most: 3,
	Doc: "a machine sleeps, and its ticker's clock with it",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(100*time.Millisecond, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.state != running || s.node.clock.asleep != 0 {
			return ""
		}
		s.node.pause()
		s.node.fallAsleep()
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		if s.node.life == s.life && s.node.clock.asleep != 0 {
			s.node.wakeUp()
			s.node.resume()
		}
	},
}
