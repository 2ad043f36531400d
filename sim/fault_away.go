package sim

import (
	"fmt"
	"time"
)

// faultAway: a member is away for For, and meanwhile the others keep next to no log,
// neither in their cores nor in their stores: it comes back to a snapshot. Param is the
// survival of what it had written and not synced.
var faultAway = Kind{
	Name: "away", Group: "people", most: 3, databases: true,
	Doc: "a member is away for so long that the others' log is beyond its own",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(3))
		d.For = s.Between(3*time.Second, 15*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if !w.votes(s.node) {
			return ""
		}
		w.stageBegins(s)
		w.next(s, 0, 0, time.Second)
		s.node.crash(survival(s.Param))
		for _, n := range w.nodes {
			if n != s.node && w.votes(n) {
				w.setCompact(s, n)
			}
			if n != s.node {
				n.limitLog(retention{entries: uint64(s.draws.Int(1, 10))})
			}
		}
		return fmt.Sprintf("for %v", s.For)
	},
	stage: func(*World, *strike) {},
	end: func(w *World, s *strike) {
		w.stageEnds(s)
		for _, n := range w.nodes {
			n.limitLog(w.databases.limits)
		}
		if s.node.state == down {
			s.node.start()
		}
	},
}

// limitLog sets the limits of a node's store, as a reload of the settings does.
func (n *node) limitLog(r retention) {
	if n.database == nil {
		return
	}
	n.database.limits = r
	if d := n.disk.dir; n.state == running && d.retention != nil {
		first := d.first
		d.retention.entries, d.retention.bytes = r.entries, r.bytes
		if d.trim(); d.first > first {
			n.w.checks.trims(n, first, d.first)
		}
	}
}
