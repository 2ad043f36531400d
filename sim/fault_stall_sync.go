package sim

import (
	"fmt"
	"time"
)

// faultStallSync: the next sync takes Param milliseconds more.
var faultStallSync = Kind{
	Name: "stall-sync", Group: "disk", most: 4,
	Doc: "one sync takes seconds",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Int(100, 6000))
	},
	begin: func(w *World, s *strike) string {
		s.node.disk.stall = time.Duration(s.Param) * time.Millisecond
		return fmt.Sprintf("the next sync takes %d ms more", s.Param)
	},
}
