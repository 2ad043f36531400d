package sim

import (
	"fmt"
	"time"
)

// faultSettings: a node is started anew with other settings: an election timeout
// of Param ticks, and a tick of another length if Param is odd.
var faultSettings = Kind{
	Name: "settings", Group: "process", most: 4,
	Doc: "a node is started anew with other settings",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Int(10, 16))
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running {
			return ""
		}
		n.timing.ElectionTicks = max(int(s.Param), 3*n.timing.HeartbeatTicks)
		if s.Param%2 == 1 {
			n.timing.TickMillis = 150 - n.timing.TickMillis // 50 or 100
		}
		n.crash(surviveAll)
		w.restartLater(n, 100*time.Millisecond)
		return fmt.Sprintf("election timeout of %d ticks of %d ms", n.timing.ElectionTicks, n.timing.TickMillis)
	},
}
