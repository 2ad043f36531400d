package sim

import (
	"fmt"
	"time"
)

// faultTransferLate: the leader is asked to hand leadership to peer, and what it
// sends to peer from when it says so on arrives For later: it may have given up by
// then.
var faultTransferLate = Kind{
	Name: "transfer-late", Group: "people", most: 6,
	Doc: "leadership is handed over, and the message that says so is late",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Peer = uint32(s.Int(1, o.Nodes))
		d.For = s.Between(800*time.Millisecond, 4*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.state != running || s.node.paused > 0 || s.peer == nil {
			return ""
		}
		w.watching = append(w.watching, s)
		w.change(s.node, s.peer, adminTransfer)
		return fmt.Sprintf("node %d is to lead, and hears of it in %v", s.Peer, s.For)
	},
	handOver: func(w *World, s *strike) {
		l := w.link(s.node, s.peer)
		l.heldFrom, l.heldUntil = w.now, min(w.now+s.For, w.o.settleAt())
	},
	end: func(*World, *strike) {},
}
