package sim

import (
	"fmt"
	"time"
)

// faultCompact: a node is started anew so that it takes a snapshot after every
// Param entries and keeps next to no log: others have to catch up by snapshot.
var faultCompact = Kind{
	Name: "compact", Group: "people", most: 3,
	Doc: "snapshots and compaction at bad moments",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Int(1, 10))
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running {
			return ""
		}
		n.timing.SnapshotEntries, n.timing.MaxTailBytes = uint64(max(1, s.Param)), 256
		n.crash(surviveAll)
		w.restartLater(n, 10*time.Millisecond)
		return fmt.Sprintf("a snapshot every %d entries", n.timing.SnapshotEntries)
	},
}
