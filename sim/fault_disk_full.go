package sim

import (
	"fmt"
	"time"
)

// faultDiskFull: no space is left: each write fails and stops the node, until space comes back.
var faultDiskFull = Kind{
	Name: "disk-full", Group: "disk", most: 4,
	Doc: "no space is left for a while",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(200*time.Millisecond, 5*time.Second)
	},
	begin: func(w *World, s *strike) string {
		s.node.disk.full++
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) { s.node.disk.full-- },
}
