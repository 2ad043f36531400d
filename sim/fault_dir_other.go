package sim

import (
	"fmt"
	"time"
)

// faultDirOther: the process ends, and finds a copy of peer's data directory in
// place of its own; with Param 1 the marker is not there to tell.
var faultDirOther = Kind{
	Name: "dir-other", Group: "disk", most: 2, alone: true,
	Doc: "a restart finds another node's data directory",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.pair(s, o)
		d.Param = int64(s.Below(2))
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if s.peer == nil || n.state != running || !s.peer.disk.dir.hasIdentity || !w.mayLose(n) {
			return ""
		}
		if s.peer.disk.dir.identity.NodeID == n.id {
			return "" // the peer has a copy of n's: n would get its own of then, as by dir-older
		}
		w.checks.lost(n)
		n.crash(surviveAll)
		n.disk.dir = s.peer.disk.dir.clone()
		if s.Param == 1 {
			n.marker = nil
		}
		w.restartLater(n, time.Second)
		return fmt.Sprintf("it has a copy of node %d's directory", s.Peer)
	},
}
