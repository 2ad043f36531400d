package sim

import (
	"fmt"
	"time"
)

// faultCrashInStep: the process dies in the middle of carrying out an output:
// after Param more calls of the core's host.
var faultCrashInStep = Kind{
	Name: "crash-in-step", Group: "process", most: 10,
	Doc: "a process dies between two effects of one step",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Int(1, 100))
		d.For = s.Between(0, 3*time.Second)
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running {
			return ""
		}
		n.hostCall, n.survives, n.lateBy = int(s.Param), survival(s.Param%3), s.For
		return fmt.Sprintf("after %d more effects", s.Param)
	},
}
