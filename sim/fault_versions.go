package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultVersions: all servers are started anew, one every Param milliseconds, with a
// build that knows the next version. The two work together, and once all members have
// it the cluster's version is raised.
var faultVersions = Kind{
	Name: "versions", Group: "process", most: 2,
	Doc: "a rolling upgrade to a build that knows the next version",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Int(0, 4000))
	},
	begin: func(w *World, s *strike) string {
		for i := range w.nodes {
			n := w.nodes[(int(s.Node)+i-1)%len(w.nodes)]
			w.arrange(event{at: w.now + time.Duration(i)*time.Duration(s.Param)*time.Millisecond, kind: evCall, ref: func() {
				if !w.settled && n.knows() < core.NewestVersion {
					n.install(core.NewestVersion)
				}
			}})
		}
		return fmt.Sprintf("one node every %d ms", s.Param)
	},
}
