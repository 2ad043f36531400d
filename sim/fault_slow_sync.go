package sim

import (
	"fmt"
	"time"
)

// faultSlowSync: each sync takes slowFactor times as long.
var faultSlowSync = Kind{
	Name: "slow-sync", Group: "disk", most: 4,
	Doc: "syncs take 40 times as long",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(500*time.Millisecond, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		s.node.disk.slow++
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) { s.node.disk.slow-- },
}
