package sim

import (
	"fmt"
	"time"
)

// faultTransferLost: the leader is asked to hand leadership to peer. The message that
// does so is lost, and the leader's process stands still from then on, until For is over:
// it goes on when the others have long elected somebody.
var faultTransferLost = Kind{
	Name: "transfer-lost", Group: "people", most: 4,
	Doc: "leadership is handed over, the message that says so is lost, and another leads",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Peer = uint32(s.Int(1, o.Nodes))
		d.For = s.Between(1500*time.Millisecond, 4*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.state != running || s.node.paused > 0 || s.peer == nil {
			return ""
		}
		w.watching = append(w.watching, s)
		w.change(s.node, s.peer, adminTransfer)
		return fmt.Sprintf("node %d is to lead, and does not hear of it; then the leader stands still, for %v", s.Peer, s.For)
	},
	handOver: func(w *World, s *strike) { w.link(s.node, s.peer).cut++ },
	watch: func(w *World, s *strike, n *node) {
		if s.handed && !s.cut && n == s.node {
			s.cut = true
			n.pause()
		}
	},
	end: func(w *World, s *strike) {
		if s.handed {
			w.link(s.node, s.peer).cut--
		}
		if s.cut && s.node.life == s.life {
			s.node.resume()
		}
	},
}
