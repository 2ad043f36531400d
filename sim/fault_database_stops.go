package sim

import (
	"fmt"
	"time"
)

// faultDatabaseStops: a database applies nothing for a while, as its apply function
// fails; with Param 1 it applies one entry at a time.
var faultDatabaseStops = Kind{
	Name: "database-stops", Group: "process", most: 6, databases: true,
	Doc: "a database falls far behind: its apply function fails, or is slow",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(2))
		d.For = s.Between(time.Second, 25*time.Second)
	},
	begin: func(w *World, s *strike) string {
		d := s.node.database
		if d == nil || !d.applies {
			return ""
		}
		if s.Param == 1 {
			d.slow++
			return fmt.Sprintf("it is slow for %v", s.For)
		}
		d.stopped++
		return fmt.Sprintf("it fails for %v", s.For)
	},
	end: func(w *World, s *strike) {
		if s.Param == 1 {
			s.node.database.slow--
		} else {
			s.node.database.stopped--
		}
	},
}
