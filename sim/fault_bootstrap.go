package sim

// faultBootstrap: a node loses its disk, marker and all, and whoever restores
// the server founds a cluster on it instead of letting it join.
var faultBootstrap = Kind{
	Name: "bootstrap", Group: "people", most: 1, alone: true,
	Doc:  "a bootstrap is repeated on a node that lost its disk",
	draw: func(s *Stream, o *Options, d *Decision) { d.anyone(s, o) },
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running || n.paused > 0 || !w.mayLose(n) {
			return ""
		}
		w.checks.lost(n)
		n.crash(surviveAll)
		n.disk.dir, n.marker = &directory{}, nil
		n.start()
		n.init(true)
		w.marks.add(markOtherCluster)
		return "it founds a cluster of its own"
	},
}
