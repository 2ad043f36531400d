package sim

import "time"

// faultCorrupt: the process ends, and its next start finds a damaged record. The
// node refuses; the operator removes it, empties it and adds it again.
var faultCorrupt = Kind{
	Name: "corrupt", Group: "disk", most: 2, alone: true,
	Doc:  "a restart finds a damaged record",
	draw: func(s *Stream, o *Options, d *Decision) { d.anyone(s, o) },
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running || !w.mayLose(n) {
			return ""
		}
		w.checks.lost(n)
		n.crash(surviveAll)
		n.disk.dir.corrupt = "a record fails its checksum"
		w.checks.damaged = append(w.checks.damaged, n.disk.dir)
		w.restartLater(n, time.Second)
		return "a record is damaged"
	},
}
