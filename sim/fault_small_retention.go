package sim

import (
	"fmt"
	"time"
)

// faultSmallRetention: the settings of a node's store are made small while it runs:
// Param entries, or Param hundred bytes if it is odd.
var faultSmallRetention = Kind{
	Name: "small-retention", Group: "people", most: 6, databases: true,
	Doc: "a store is to keep next to no log from now on",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Int(1, 40))
		d.For = s.Between(time.Second, 20*time.Second)
	},
	begin: func(w *World, s *strike) string {
		r := retention{entries: uint64(max(1, s.Param))}
		if s.Param%2 == 1 {
			r = retention{bytes: 100 * uint64(s.Param)}
		}
		s.node.limitLog(r)
		return fmt.Sprintf("%d entries, %d bytes (0: no limit), for %v", r.entries, r.bytes, s.For)
	},
	end: func(w *World, s *strike) { s.node.limitLog(w.databases.limits) },
}
