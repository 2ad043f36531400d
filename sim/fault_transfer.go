package sim

import (
	"fmt"
	"time"
)

// faultTransfer: the leader is asked to hand leadership to peer, or to whom it
// likes. With Param 1 it hears nobody from when it says so on, with Param 2 its
// process stands still from then on, until For is over.
var faultTransfer = Kind{
	Name: "transfer", Group: "people", most: 8,
	Doc: "leadership is handed over, and the old leader may not hear of it",
	draw: func(s *Stream, o *Options, d *Decision) {
		if s.Below(2) == 0 {
			d.Peer = uint32(s.Int(1, o.Nodes))
		}
		if d.Param = int64(s.Below(3)); d.Param > 0 {
			d.For = s.Between(500*time.Millisecond, 4*time.Second)
		}
	},
	begin: func(w *World, s *strike) string {
		if s.node.state != running || s.node.paused > 0 {
			return ""
		}
		if s.Param > 0 {
			w.watching = append(w.watching, s)
		}
		w.change(s.node, s.peer, adminTransfer)
		return fmt.Sprintf("leadership is to move; then %s for %v", [...]string{"nothing,", "it is deaf", "it stands still"}[max(0, min(2, s.Param))], s.For)
	},
	handOver: func(w *World, s *strike) {
		if s.Param == 1 {
			s.cut = true
			deafen(w, s, 1)
		}
	},
	watch: func(w *World, s *strike, n *node) {
		if s.handed && s.Param == 2 && !s.cut && n == s.node {
			s.cut = true
			n.pause()
		}
	},
	end: func(w *World, s *strike) {
		switch {
		case !s.cut:
		case s.Param == 1:
			deafen(w, s, -1)
		case s.Param == 2 && s.node.life == s.life:
			s.node.resume()
		}
	},
}

func deafen(w *World, s *strike, by int) {
	for _, n := range w.nodes {
		if n != s.node {
			w.link(n, s.node).cut += by
		}
	}
}
