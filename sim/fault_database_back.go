package sim

import (
	"fmt"
	"time"
)

// faultDatabaseBack: a copy of a database is made, and For later put in its place; with
// Param 1 the log store is too, if the others can do without what it loses. With Param 2
// what it said meanwhile that it needs arrives once more, after what it says then; with 3
// for the first time.
var faultDatabaseBack = Kind{
	Name: "database-back", Group: "disk", most: 3, databases: true,
	Doc: "a database is restored from an older copy, with the log store or without it",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(4))
		d.For = s.Between(500*time.Millisecond, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.database == nil || !n.database.applies || n.state != running || n.foreign() || n.database.now.cluster != w.checks.cluster {
			return ""
		}
		s.content, s.copied = n.database.flushed, n.disk.dir.clone()
		w.stageBegins(s)
		return fmt.Sprintf("a copy is made as of entry %d, to be used %v later", s.content.index, s.For)
	},
	stage: func(*World, *strike) {},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		if n != s.node || p.info.body != bodyApplyNeeds || s.Param < 2 {
			return false
		}
		s.keep(p, 64)
		return s.Param == 3
	},
	end: func(w *World, s *strike) {
		n := s.node
		d, said := n.database, s.kept
		w.stageEnds(s)
		if w.settled || n.state != running || n.foreign() || d.now.cluster != s.content.cluster || d.now.index <= s.content.index {
			return
		}
		older := s.Param == 1 && n.life == s.life && w.mayForget(n, s.copied)
		if older {
			w.checks.lost(n)
		}
		n.crash(surviveAll)
		if older && n.disk.dir.last() > s.copied.last() {
			w.marks.add(markDirOlder)
			s.copied.had = n.disk.dir.last()
			n.disk.dir = s.copied
		}
		w.say(n, "its database is put back from entry %d to %d", d.now.index, s.content.index)
		w.marks.add(markDatabaseBack)
		d.becomes(s.content)
		w.restartLater(n, 100*time.Millisecond)
		for i := range said {
			w.sendKept(w.now+s.draws.Between(500*time.Millisecond, 4*time.Second), said[i])
		}
	},
}
