package sim

import "time"

// faultDirLost: the process ends, and its data directory is gone; with Param 1
// the marker outside it too, as on a new machine.
var faultDirLost = Kind{
	Name: "dir-lost", Group: "disk", most: 2, alone: true,
	Doc: "a restart finds the data directory gone",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(2))
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running || !w.mayLose(n) {
			return ""
		}
		w.checks.lost(n)
		n.crash(surviveAll)
		n.disk.dir = &directory{}
		if s.Param == 1 {
			n.marker = nil
		}
		w.restartLater(n, time.Second)
		return "the data directory is gone"
	},
}
