//go:build integration

package facts

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// hints is what pg_rewind demands of its target, without checksums.
var hints = map[string]string{"wal_log_hints": "on"}

// nothingToDo is what pg_rewind says as it changes nothing.
const nothingToDo = "no rewind required"

// rewind runs pg_rewind on the server, which must have been stopped, and returns what it
// says. It brings the source's files along: the settings are put back.
func (s *server) rewind(source *server) (string, error) {
	s.w.t.Helper()
	out, err := s.Shell(s.w.ctx, fmt.Sprintf(`pg_rewind --no-sync --target-pgdata="$PGDATA" --source-server="host=127.0.0.1 port=%d user=postgres dbname=postgres"`, source.Port), "LC_ALL=C")
	s.w.t.Logf("pg_rewind of %s from %s: %v\n%s", s.name, source.name, err, out)
	must(s.w.t, s.Set(nil))
	return out, err
}

// rewound is rewind that has to find where the two parted.
func (s *server) rewound(source *server, fork lsn) {
	s.w.t.Helper()
	out, err := s.rewind(source)
	if want := fmt.Sprintf("servers diverged at WAL location %s on timeline 1", fork); err != nil || !strings.Contains(out, want) || !strings.Contains(out, "Done!") {
		s.w.t.Fatalf("pg_rewind of %s does not say %q: %v", s.name, want, err)
	}
}

// R: before the source's first checkpoint on its timeline its control file names the old
// one, and pg_rewind says that nothing is to do. So a rejoin waits for that checkpoint.
// PostgreSQL 16's pg_rewind also looks at the timeline of minRecoveryPoint.
func rewindNeedsCheckpoint(w *world) {
	a := w.a
	must(w.t, a.Set(hints))
	b := w.standby("B", hints)
	w.start(a, b)
	a.sql("INSERT INTO t VALUES (1)")
	b.catchUp(a)
	b.seal()
	a.sql("INSERT INTO t VALUES (-1)") // only A has it
	a.stop()
	b.freeze("checkpointer")
	fork := b.promote()
	b.sql("INSERT INTO t VALUES (2)")

	if out, err := a.rewind(b); err != nil || !strings.Contains(out, nothingToDo) {
		w.t.Fatalf("pg_rewind before the checkpoint does not say %q: %v", nothingToDo, err)
	}
	b.thaw()
	b.checkpointed(2)
	a.rewound(b, fork)
	a.bootAs(b)
	a.catchUp(b)
	a.want("SELECT i FROM t ORDER BY i", "1 2")
}

// R: of two forks with one number pg_rewind says that nothing is to do. So numbers come
// from the log, and are given once.
func rewindEqualNumbers(w *world) {
	a := w.a
	must(w.t, a.Set(hints))
	b, d := w.standby("B", hints), w.standby("D", hints)
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	for i, s := range []*server{b, d} {
		s.catchUp(a)
		s.seal()
		s.promote()
		s.checkpointed(2)
		s.sql(fmt.Sprintf("INSERT INTO t VALUES (%d)", 10*(i+1)))
	}
	b.want("SELECT i FROM t ORDER BY i", "1 10")
	d.want("SELECT i FROM t ORDER BY i", "1 20")
	d.stop()
	if out, err := d.rewind(b); err != nil || !strings.Contains(out, "on the same timeline") || !strings.Contains(out, nothingToDo) {
		w.t.Fatalf("pg_rewind does not say %q: %v", nothingToDo, err)
	}
	d.bootAs(nil)
	d.want("SELECT i FROM t ORDER BY i", "1 20")
}

// R: of a server that was a primary, crashed before its first checkpoint and booted as a
// standby, the control file names the parent's timeline: pg_rewind looks there for WAL
// that is on the fork, and fails. Once the server has recovered alone, it is right. So
// the helper recovers it in single-user mode first. PostgreSQL 16's pg_rewind also looks
// at the timeline of minRecoveryPoint.
func rewindNeedsRecovery(w *world) {
	a := w.a
	must(w.t, a.Set(hints))
	b, d := w.standby("B", hints), w.standby("D", hints)
	must(w.t, d.Set(map[string]string{"restart_after_crash": "off"}))
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	for _, s := range []*server{b, d} {
		s.catchUp(a)
		s.seal()
	}
	a.die()
	checkpointer := d.freeze("checkpointer")
	d.promote()
	d.sql("INSERT INTO t VALUES (-1)") // only D has it
	d.crash(checkpointer)
	b.put(historyFile(2), []byte(unused))
	fork := b.promote()
	b.checkpointed(3)
	b.sql("INSERT INTO t VALUES (2)")

	d.bootAs(nil)
	d.until(idle, "RecoveryRetrieveRetryInterval")
	d.want("SELECT timeline_id FROM pg_control_checkpoint()", "1")
	d.stop()
	if out, err := d.rewind(b); err == nil || !strings.Contains(out, "could not") {
		w.t.Errorf("pg_rewind of a server that has not recovered alone: %v", err)
	}

	d.remove("standby.signal")
	out, err := d.Shell(w.ctx, `postgres --single -D "$PGDATA" postgres </dev/null`)
	if err != nil {
		w.t.Fatalf("single-user mode: %v\n%s", err, out)
	}
	d.rewound(b, fork)
	d.bootAs(b)
	d.catchUp(b)
	d.want("SELECT i FROM t ORDER BY i", "1 2")
}

// R: a server whose pg_rewind was cut short starts as a primary, and serves what neither
// server had; as a standby it waits for WAL that never comes. Another pg_rewind fails: the
// first has put the source's copy of the segment with the fork in place of the server's
// own, and its WAL past the fork is gone. With that segment put back it mends. So a marker
// outside the data directory says so until the rewind is complete, and a server with one
// is never started, but cloned unless it has kept that segment.
func rewindCutShort(w *world) {
	a := w.a
	must(w.t, a.Set(hints))
	b := w.standby("B", hints)
	w.start(a, b)
	// A row a page, and every other page changed: pg_rewind fetches each by itself, a
	// thousand at a time, and removes nothing before the last thousand.
	for table, n := range map[string]int{"u0": 1000, "u1": 2100} {
		a.sql(fmt.Sprintf("CREATE TABLE %s (i int, v text) WITH (fillfactor = 10); INSERT INTO %[1]s SELECT i, rpad('both', 600) FROM generate_series(1, %d) i", table, n))
	}
	file := a.sql("SELECT pg_relation_filepath('u1')")
	a.sql("VACUUM") // with its hint bits set, a page that is only read stays as it is
	a.sql("CHECKPOINT")
	b.catchUp(a)
	b.seal()
	fork := b.promote()
	b.checkpointed(2)
	update := func(s *server) {
		s.sql(fmt.Sprintf("UPDATE u0 SET v = rpad('%[1]s', 600) WHERE i %% 2 = 0; UPDATE u1 SET v = rpad('%[1]s', 600) WHERE i %% 2 = 0", s.name))
	}
	update(a)
	a.sql("SELECT pg_switch_wal()") // its last checkpoint lies in a segment that B has not
	a.stop()
	update(b)

	own := a.get(segment(1, fork))
	must(w.t, os.Chmod(a.File(file), 0o400)) // it gets as far as this file
	if out, err := a.rewind(b); err == nil || !strings.Contains(out, "could not open target file") {
		w.t.Fatalf("pg_rewind with a file that it must not write: %v", err)
	}
	must(w.t, os.Chmod(a.File(file), 0o600))
	a.startStuck("waiting for WAL to become available") // as a standby
	a.die()
	a.remove("standby.signal")
	w.start(a)
	const look = "SELECT DISTINCT rtrim(v) FROM %s WHERE i %% 2 = 0 ORDER BY 1"
	served := a.sql(fmt.Sprintf(look, "u0")) + ", " + a.sql(fmt.Sprintf(look, "u1"))
	w.t.Logf("A serves %s", served)
	if served == "A, A" || served == "B, B" {
		w.t.Errorf("A serves %s: that is right on one of the two", served)
	}
	a.stop()

	// The segment with the fork is B's now, without A's WAL past the fork.
	if out, err := a.rewind(b); err == nil || !strings.Contains(out, "could not find previous WAL record at "+fork.String()) {
		w.t.Errorf("another pg_rewind without A's WAL: %v", err)
	}
	a.put(segment(1, fork), own)
	a.rewound(b, fork)
	a.bootAs(b)
	a.catchUp(b)
	for _, table := range []string{"u0", "u1"} {
		a.want(fmt.Sprintf(look, table), "B")
	}
}

// A server that was rewound needs WAL up to where its source was by then. Without it the
// server takes no connections, its pg_control names the start of a backup, and its promotion
// ends it, at each start. So such a server reports no position, and one that is sealed
// before it has that WAL is made anew once more.
func rewindNeedsWAL(w *world) {
	a := w.a
	must(w.t, a.Set(hints))
	b := w.standby("B", hints)
	w.start(a, b)
	a.sql("INSERT INTO t VALUES (1)")
	b.catchUp(a)
	b.seal()
	a.sql("INSERT INTO t VALUES (-1)") // only A has it
	a.stop()
	fork := b.promote()
	b.checkpointed(2)
	b.sql("INSERT INTO t VALUES (2)")
	a.rewound(b, fork)

	// Of the WAL that pg_rewind has brought along, none past the fork.
	data := a.get(segment(2, fork))
	clear(data[fork.inSegment():])
	a.put(segment(2, fork), data)
	for range 2 {
		a.startStuck("waiting for WAL to become available")
		a.put("promote", nil)
		a.signalPostmaster(syscall.SIGUSR1)
		a.ended()
		if start := a.controlData("Backup start location"); start == "0/0" {
			w.t.Error("pg_control names no start of a backup")
		}
	}
	if n := strings.Count(a.log(0), "FATAL:  WAL ends before end of online backup"); n != 2 {
		w.t.Errorf("A has ended %d times because its WAL ends too early, want 2", n)
	}
	a.bootAs(b)
	a.catchUp(b)
	a.want("SELECT i FROM t ORDER BY i", "1 2")
}
