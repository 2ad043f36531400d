package sim

// faultWriteError: the next write fails.
var faultWriteError = Kind{
	Name: "write-error", Group: "disk", most: 4,
	Doc:  "a write fails",
	draw: func(s *Stream, o *Options, d *Decision) { d.anyone(s, o) },
	begin: func(w *World, s *strike) string {
		if s.node.state != running {
			return ""
		}
		s.node.disk.writeErr = true
		return "the next one"
	},
}
