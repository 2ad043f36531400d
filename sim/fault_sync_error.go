package sim

// faultSyncError: the next sync fails. What it was about is on the disk or not.
var faultSyncError = Kind{
	Name: "sync-error", Group: "disk", most: 4,
	Doc:  "a sync fails",
	draw: func(s *Stream, o *Options, d *Decision) { d.anyone(s, o) },
	begin: func(w *World, s *strike) string {
		if s.node.state != running {
			return ""
		}
		s.node.disk.syncErr = true
		return "the next one"
	},
}
