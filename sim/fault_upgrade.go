package sim

import (
	"fmt"
	"time"
)

// faultUpgrade: all nodes are started anew, one every Param milliseconds, with a
// build that speaks the next protocol. Meanwhile the two refuse each other.
var faultUpgrade = Kind{
	Name: "upgrade", Group: "process", most: 1, alone: true,
	Doc: "a rolling upgrade to the next protocol version",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Int(0, 3000))
	},
	begin: func(w *World, s *strike) string {
		for i := range w.nodes {
			n := w.nodes[(int(s.Node)+i-1)%len(w.nodes)]
			w.arrange(event{at: w.now + time.Duration(i)*time.Duration(s.Param)*time.Millisecond, kind: evUpgrade, ref: n})
		}
		return fmt.Sprintf("one node every %d ms", s.Param)
	},
}

// upgrade installs the next build on a server and starts it.
func (w *World) upgrade(n *node) {
	if w.settled {
		return
	}
	n.protocol++
	n.startAnew()
}

func (n *node) startAnew() {
	if n.state != down {
		n.crash(surviveAll)
		n.w.restartLater(n, 50*time.Millisecond)
	}
}

// finishUpgrades brings all servers to the newest build.
func (w *World) finishUpgrades() {
	newest := uint32(0)
	for _, n := range w.nodes {
		newest = max(newest, n.protocol)
	}
	for _, n := range w.nodes {
		if n.protocol < newest {
			n.protocol = newest
			n.startAnew()
		}
	}
}
