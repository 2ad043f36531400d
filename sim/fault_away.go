package sim

import (
	"fmt"
	"time"
)

// faultAway: a member is away for For, and meanwhile the others keep next to no log,
// neither in their cores nor in their stores: it comes back to a snapshot. Param is the
// survival of what it had written and not synced. With 3 more one of the others keeps
// its log for good, as the member does, which comes back keeperAway earlier: so long
// the two do not hear each other.
var faultAway = Kind{
	Name: "away", Group: "people", most: 3, databases: true,
	Doc: "a member is away for so long that the others' log is beyond its own",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(6))
		d.For = s.Between(3*time.Second, 15*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if !w.votes(s.node) {
			return ""
		}
		w.stageBegins(s)
		w.next(s, 0, max(0, s.For-keeperAway), max(0, s.For-keeperAway))
		if s.Param >= 3 {
			s.third = w.other(s, s.node)
		}
		if s.third != nil {
			s.third.limitLog(retention{})
			s.node.database.limits = retention{}
		}
		s.node.crash(survival(s.Param % 3))
		for _, n := range w.nodes {
			if n != s.node && w.votes(n) {
				w.setCompact(s, n)
			}
			if n != s.node && n != s.third {
				n.limitLog(retention{entries: uint64(s.draws.Int(1, 10))})
			}
		}
		return fmt.Sprintf("for %v", s.For)
	},
	stage: func(w *World, s *strike) {
		if s.third != nil && s.stage == 0 && w.waited(s) {
			w.next(s, 1, s.For, s.For)
			w.link(s.node, s.third).cut++
			w.link(s.third, s.node).cut++
			s.cut = true
			if s.node.state == down {
				s.node.start()
			}
		}
	},
	end: func(w *World, s *strike) {
		if s.cut {
			w.link(s.node, s.third).cut--
			w.link(s.third, s.node).cut--
		}
		w.stageEnds(s)
		for _, n := range w.nodes {
			if s.third == nil || n != s.third && n != s.node {
				n.limitLog(w.databases.limits)
			}
		}
		if s.node.state == down {
			s.node.start()
		}
	},
}

// keeperAway is how long a member that is back does not hear the one that keeps the log.
const keeperAway = 5 * time.Second

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
