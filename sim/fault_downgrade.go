package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultDowngrade: a server that was upgraded goes back to the build of before, for a
// while. If the cluster was raised meanwhile, or is, that build is refused. With Param,
// all servers that have the older build are upgraded first, and it goes back up to Param
// milliseconds after the cluster was raised.
var faultDowngrade = Kind{
	Name: "downgrade", Group: "process", most: 6, alone: true,
	Doc: "a server goes back to an older build, also once the cluster was raised",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(500*time.Millisecond, 10*time.Second)
		if s.Below(2) == 0 {
			d.Node, d.Param = uint32(s.Int(1, o.Nodes)), int64(s.Int(1, 8000))
			d.For = s.Between(5*time.Second, 20*time.Second)
		}
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if s.Param > 0 {
			w.stageBegins(s)
			for _, x := range w.nodes {
				w.upgradeTo(core.NewestVersion, x)
			}
			return "all have the newest build; it is to go back once the cluster is raised"
		}
		if n.state != running || n.paused > 0 || n.knows() == core.OldestVersion {
			return ""
		}
		n.install(core.OldestVersion)
		return "it is started with the build of before"
	},
	stage: func(w *World, s *strike) {
		raised := s.node.state == running && s.node.members.Version > core.OldestVersion
		switch {
		case s.stage == 0 && raised:
			w.next(s, 1, 0, time.Duration(s.Param)*time.Millisecond)
		case s.stage == 1 && raised && w.waited(s):
			w.next(s, 2, 0, 0)
			w.say(s.node, "is started with the build of before")
			s.node.install(core.OldestVersion)
		}
	},
	end: func(w *World, s *strike) {
		if s.Param > 0 {
			w.stageEnds(s)
		}
		if n := s.node; n.knows() == core.OldestVersion {
			n.install(core.NewestVersion)
		}
	},
}
