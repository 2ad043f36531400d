package sim

// faultTransfer: the leader is asked to hand leadership to peer, or to whom it
// likes.
var faultTransfer = Kind{
	Name: "transfer", Group: "people", most: 8,
	Doc: "leadership is handed over",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.Peer = uint32(s.Int(1, o.Nodes))
		}
	},
	begin: func(w *World, s *strike) string {
		if s.node.state != running || s.node.paused > 0 {
			return ""
		}
		w.change(s.node, s.peer, adminTransfer)
		return "leadership is to move"
	},
}
