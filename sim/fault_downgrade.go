package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultDowngrade: a server that was upgraded goes back to the build of before, for a
// while. If the cluster was raised meanwhile, or is, that build is refused.
var faultDowngrade = Kind{
	Name: "downgrade", Group: "process", most: 6,
	Doc: "a server goes back to an older build",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(500*time.Millisecond, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running || n.paused > 0 || n.knows() == core.OldestVersion {
			return ""
		}
		n.install(core.OldestVersion)
		return "it is started with the build of before"
	},
	end: func(w *World, s *strike) {
		if n := s.node; n.knows() == core.OldestVersion {
			n.install(core.NewestVersion)
		}
	},
}
