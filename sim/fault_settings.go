package sim

import (
	"fmt"
	"time"
)

// faultSettings: a node is started anew with other settings: an election timeout
// of Param ticks, of 100 ms, or 50 ms if Param is odd.
var faultSettings = Kind{
	Name: "settings", Group: "process", most: 4, alone: true,
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
		n.timing.TickMillis = 100 - uint64(s.Param%2)*50
		n.crash(surviveAll)
		w.restartLater(n, 100*time.Millisecond)
		return fmt.Sprintf("election timeout of %d ticks of %d ms", n.timing.ElectionTicks, n.timing.TickMillis)
	},
}
