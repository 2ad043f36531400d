package sim

import (
	"fmt"
	"time"
)

// faultRemoveDying: a voter's process dies, and Param milliseconds later another
// member is to be removed: the leader has not missed the first yet. The one that died
// comes back after For.
var faultRemoveDying = Kind{
	Name: "remove-dying", Group: "people", most: 4, alone: true,
	Doc: "a voter dies, and another is to be removed before anybody has missed it",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node, d.Peer = uint32(s.Int(1, o.Nodes)), uint32(s.Int(1, o.Nodes))
		d.For, d.Param = s.Between(time.Second, 5*time.Second), int64(s.Int(200, 900))
	},
	begin: func(w *World, s *strike) string {
		l := w.leader()
		if l == nil || l.paused > 0 || s.peer == nil || s.peer == l || s.peer.state != running || w.busyWith(s.node) || !w.soundWithout(s.node) {
			return ""
		}
		s.peer.crash(surviveAll)
		w.restartLater(s.peer, s.For)
		w.watching = append(w.watching, s)
		return fmt.Sprintf("it is to be removed in %d ms, node %d is down for %v", s.Param, s.Peer, s.For)
	},
	watch: func(w *World, s *strike, n *node) {
		l := w.leader()
		if s.handed || n != l || l.paused > 0 || w.now < s.At+time.Duration(s.Param)*time.Millisecond {
			return
		}
		s.handed = true
		if !w.busyWith(s.node) && w.soundWithout(s.node) {
			w.change(l, s.node, adminRemove)
		}
	},
	end: func(*World, *strike) {},
}
