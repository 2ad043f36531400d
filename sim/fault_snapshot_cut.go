package sim

import (
	"fmt"
	"time"
)

// faultSnapshotCut: the connection breaks in the middle of a snapshot. It is in
// force for long, as snapshots are rare.
var faultSnapshotCut = Kind{
	Name: "snapshot-cut", Group: "network", most: 4,
	Doc: "the connection breaks in the middle of a snapshot",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.pair(s, o)
		} else {
			d.anyone(s, o)
		}
		d.For = s.Between(5*time.Second, 45*time.Second)
	},
	begin: func(w *World, s *strike) string {
		w.strikeLinks(s, func(l *link) { l.snapCut++ })
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		w.strikeLinks(s, func(l *link) { l.snapCut-- })
	},
}
