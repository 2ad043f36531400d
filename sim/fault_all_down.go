package sim

import (
	"fmt"
	"time"
)

// faultAllDown: the power goes for all. Param is as for crash; node comes back
// first, the others within For.
var faultAllDown = Kind{
	Name: "all-down", Group: "process", most: 2,
	Doc: "all nodes die at once",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Below(3))
		d.For = s.Between(0, 5*time.Second)
	},
	begin: func(w *World, s *strike) string {
		for i, n := range w.nodes {
			if n.state != down {
				n.crash(survival(s.Param))
				w.restartLater(n, s.For*time.Duration(i)/time.Duration(len(w.nodes)))
			}
		}
		return fmt.Sprintf("back within %v", s.For)
	},
}
