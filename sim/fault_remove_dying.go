package sim

import (
	"fmt"
	"time"
)

// faultRemoveDying: a voter's process dies, and at once another member is to be
// removed: the leader has not missed the first yet. The one that died comes back
// after For.
var faultRemoveDying = Kind{
	Name: "remove-dying", Group: "people", most: 4,
	Doc: "a voter dies, and another is to be removed before anybody has missed it",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node, d.Peer = uint32(s.Int(1, o.Nodes)), uint32(s.Int(1, o.Nodes))
		d.For = s.Between(500*time.Millisecond, 5*time.Second)
	},
	begin: func(w *World, s *strike) string {
		l := w.leader()
		if l == nil || l.paused > 0 || s.peer == nil || s.peer == l || s.peer.state != running || w.busyWith(s.node) || !w.soundWithout(s.node) {
			return ""
		}
		s.peer.crash(surviveAll)
		w.restartLater(s.peer, s.For)
		w.change(l, s.node, adminRemove)
		return fmt.Sprintf("it is to be removed, just after node %d died for %v", s.Peer, s.For)
	},
}
