//go:build integration

package facts

import (
	"fmt"
	"strings"
)

// lines is a history file as its timelines and LSNs, a line each.
func (s *server) lines(timeline int) string {
	s.w.t.Helper()
	var all []string
	for _, line := range strings.Split(strings.TrimSpace(string(s.get(historyFile(timeline)))), "\n") {
		if f := strings.Fields(line); len(f) >= 2 {
			all = append(all, f[0]+" "+f[1])
		}
	}
	return strings.Join(all, ", ")
}

// PostgreSQL's source: the history of a promotion is that of the timeline which recovery
// aims at, not of the one that its WAL is on. A standby that has a new timeline's history
// file, and none of its WAL, becomes that timeline's child, at an LSN before it began. Who
// has WAL that it lacks is not told so, as by that history it left timeline 1 later, and
// asks for the new one. So a seal takes such files away, and a server that aims at such a
// timeline starts anew.
func historyOfTarget(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	d.catchUp(a)
	d.seal()
	at := d.replayed()
	a.sql("INSERT INTO t VALUES (2)")
	b.catchUp(a)
	b.seal()
	a.die()
	fork := b.promote()
	d.put(historyFile(2), b.get(historyFile(2)))
	d.waitLog(0, "new target timeline is 2", 1)
	if got := d.promote(); got != at || d.timeline() != 3 {
		w.t.Errorf("D's timeline %d begins at %s, want 3 and %s", d.timeline(), got, at)
	}
	if got, want := d.lines(3), fmt.Sprintf("1 %s, 2 %s", fork, at); got != want || at >= fork {
		w.t.Errorf("the history of D's timeline is %s; want %s, the second before the first", got, want)
	}
	d.checkpointed(3)
	d.sql("INSERT INTO t VALUES (3)")
	d.sql("SELECT pg_switch_wal()") // past all that A has
	d.sql("INSERT INTO t VALUES (4)")

	a.bootAs(d)
	a.waitLog(0, "new target timeline is 3", 1)
	a.waitLog(0, fmt.Sprintf("started streaming WAL from primary at %s on timeline 3", a.replayed()-lsn(a.replayed().inSegment())), 1)
	if strings.Contains(a.log(0), "before current recovery point") {
		w.t.Error("A is told that it has diverged")
	}
	a.want("SELECT i FROM t ORDER BY i", "1 2")
}

// A standby that holds the history file of a timeline of which it has no WAL can aim at
// its own while it streams that one's end, and aims at the other once its source is taken
// away, as recovery then looks for newer timelines. If the file is gone by then, it does
// not. A source can bring the file anew until it has ended. So a seal takes such files away
// once it has, and has a server that aims at such a timeline start anew.
func historyFoundLater(w *world) {
	a, b, d, e := w.a, w.standby("B", nil), w.standby("D", nil), w.standby("E", nil)
	w.start(a, b, d, e)
	a.sql("INSERT INTO t VALUES (1)")
	for _, s := range []*server{d, e} {
		s.catchUp(a)
		s.seal()
	}
	at := d.replayed()
	a.sql("INSERT INTO t SELECT generate_series(1, 20000)")
	b.catchUp(a)
	b.seal()
	a.die()
	b.promote()
	for _, s := range []*server{d, e} {
		link := newNarrow(w.t, b.Port)
		link.limit(700_000)
		size := s.logSize()
		s.reload("primary_conninfo", s.conninfo(link.port()))
		s.until(fmt.Sprintf("SELECT pg_last_wal_receive_lsn() > '%s'", at+100_000), "t")
		if !s.has(historyFile(2)) || strings.Contains(s.log(size), "new target timeline") {
			w.t.Errorf("%s has the history of timeline 2: %v, and aims at it: %v; want the first only", s.name, s.has(historyFile(2)), strings.Contains(s.log(size), "new target timeline"))
		}
		if s == e {
			e.remove(historyFile(2))
		}
		s.seal()
	}
	for s, want := range map[*server]int{d: 3, e: 2} {
		if got := strings.Contains(s.log(0), "new target timeline is 2"); got != (s == d) {
			w.t.Errorf("%s aims at timeline 2: %v", s.name, got)
		}
		if s.promote(); s.timeline() != want {
			w.t.Errorf("%s: its timeline is %d, want %d", s.name, s.timeline(), want)
		}
		if n := len(strings.Split(s.lines(want), ", ")); n != want-1 {
			w.t.Errorf("%s: its timeline has %d parents, want %d", s.name, n, want-1)
		}
	}
}

// PostgreSQL's source: a walsender reads the segment in which a timeline ends from the
// next one's file, and no other. With archive_mode two promotions within a segment leave
// that file as .partial: a standby from before the first fork is told that its WAL is gone.
// So it is cloned.
func partialBetweenForks(w *world) {
	a, b, d, e := w.a, w.standby("B", nil), w.standby("D", nil), w.standby("E", nil)
	must(w.t, b.Set(map[string]string{"archive_mode": "on", "archive_command": "true"}))
	w.start(a, b, d, e)
	a.sql("SELECT pg_switch_wal()")
	a.sql("INSERT INTO t VALUES (1)")
	d.catchUp(a)
	d.seal()
	a.sql("INSERT INTO t VALUES (2)")
	for _, s := range []*server{b, e} {
		s.catchUp(a)
		s.seal()
	}
	a.die()
	forks := map[*server][2]lsn{}
	for _, s := range []*server{b, e} {
		first := s.promote()
		s.sql("INSERT INTO t VALUES (3)")
		s.die()
		s.bootAs(nil)
		s.until(idle, "RecoveryRetrieveRetryInterval")
		second := s.promote()
		s.sql("INSERT INTO t VALUES (4)")
		if s.timeline() != 3 || segment(1, first) != segment(1, second) || segment(1, second) != segment(1, s.inserted()) {
			w.t.Fatalf("%s is on timeline %d at %s, and forked at %s and %s: want 3, all in a segment", s.name, s.timeline(), s.inserted(), first, second)
		}
		forks[s] = [2]lsn{first, second}
	}
	gone := segment(2, forks[b][0])
	if b.has(gone) || !b.has(gone+".partial") || !e.has(segment(2, forks[e][0])) {
		w.t.Errorf("B's %s is there: %v, .partial: %v; E's is there: %v; want the second and the third only", gone, b.has(gone), b.has(gone+".partial"), e.has(segment(2, forks[e][0])))
	}
	d.follow(b)
	d.waitLog(0, fmt.Sprintf("requested WAL segment %s has already been removed", gone[len("pg_wal/"):]), 3)
	d.want("SELECT i FROM t ORDER BY i", "1")
	d.follow(e)
	d.catchUp(e)
	d.want("SELECT i FROM t ORDER BY i", "1 2 3 4")
}
