//go:build integration

package facts

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/pgraft/pgraft/tools/internal/wait"
)

// bigRecord is SQL that writes one record over several segments.
const bigRecord = "SELECT pg_logical_emit_message(true, 'big', repeat('z', 3000000))"

// Second attack, "sound": half a record at the end of WAL is nobody's: a promotion begins
// at the end of the last complete one, which is the position that was reported, and
// writes no OVERWRITE_CONTRECORD. A standby with the whole record has diverged.
func halfRecord(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	b.catchUp(a)
	from := a.inserted()
	b.die()
	a.sql(bigRecord)
	d.catchUp(a)
	a.die()
	b.putWAL(a, 1, from, from+1300003)

	b.bootAs(nil)
	b.until(idle, "RecoveryRetrieveRetryInterval")
	records, end := b.records(1, from)
	if len(records) != 0 || end != from || b.replayed() != end {
		w.t.Errorf("B has replayed to %s, and its WAL holds %d records more, to %s; want none, and %s", b.replayed(), len(records), end, from)
	}
	if got := b.promote(); got != end {
		w.t.Errorf("B's fork begins at %s, want %s", got, end)
	}
	b.checkpointed(2)
	records, _ = b.records(2, end)
	if len(records) == 0 || !records[0].is(endOfRecovery) {
		w.t.Errorf("timeline 2 begins with %+v, want an end of recovery", records)
	}
	for _, r := range records {
		if r.is(overwriteContrecord) {
			w.t.Errorf("timeline 2 has an OVERWRITE_CONTRECORD at %s", r.at)
		}
	}
	d.follow(b)
	d.waitLog(0, "before current recovery point "+d.replayed().String(), 1)
	b.sql("INSERT INTO t VALUES (2)")
	d.want("SELECT i FROM t ORDER BY i", "1")
}

// Second attack, "sound": of two standbys that were cut within one record, one with more
// of its bytes follows the other at once: it has not diverged. So a position counts
// complete records only.
func twoHalfRecords(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	links := map[*server]*narrow{b: newNarrow(w.t, a.Port), d: newNarrow(w.t, a.Port)}
	for s, link := range links {
		s.set("primary_conninfo", s.conninfo(link.port()))
	}
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	for s := range links {
		s.catchUp(a)
	}
	end := b.replayed()
	links[b].limit(500_000)
	links[d].limit(1_500_000)
	a.sql(bigRecord)
	b.until(fmt.Sprintf("SELECT pg_last_wal_receive_lsn() > '%s'", end+300_000), "t")
	d.until(fmt.Sprintf("SELECT pg_last_wal_receive_lsn() > '%s'", end+1_300_000), "t")
	b.seal()
	d.seal()
	if b.replayed() != end || d.replayed() != end || d.received() <= b.received() {
		w.t.Fatalf("B has replayed to %s of %s, D to %s of %s; want both at %s, and D with more", b.replayed(), b.received(), d.replayed(), d.received(), end)
	}
	a.die()
	if got := b.promote(); got != end {
		w.t.Errorf("B's fork begins at %s, want %s", got, end)
	}
	b.sql("INSERT INTO t VALUES (2)")
	d.follow(b)
	d.catchUp(b)
	d.want("SELECT i FROM t ORDER BY i", "1 2")
}

// A 22, and R's position: what a standby has flushed is ordinarily past the end of valid
// WAL, since a primary sends whole pages; a restart shows less. What is replayed can be
// far before it. So a position is read from pg_wal, and no floor is noted from a flush
// position.
func endOfValidWAL(w *world) {
	a, b := w.a, w.standby("B", nil)
	w.start(a, b)
	from := a.inserted()
	// Streamed, not found in its pg_wal: a pause that is asked for while the startup process
	// waits before it looks for WAL elsewhere is confirmed with the next record only.
	a.sql("INSERT INTO t VALUES (0)")
	b.catchUp(a)

	b.sql("SELECT pg_wal_replay_pause()")
	b.until("SELECT pg_get_wal_replay_pause_state()", "paused")
	a.sql("INSERT INTO t SELECT generate_series(1, 1000)")
	committed := a.flushed()
	b.until(fmt.Sprintf("SELECT pg_last_wal_receive_lsn() >= '%s'", committed), "t")
	if _, end := b.records(1, from); end != committed || b.replayed() >= committed {
		w.t.Errorf("paused at %s, B's WAL ends at %s; want %s", b.replayed(), end, committed)
	}
	b.sql("SELECT pg_wal_replay_resume()")
	b.catchUp(a)

	// Nobody waits for this record: the WAL writer flushes the pages that are full.
	a.sql("BEGIN; SELECT pg_logical_emit_message(false, 'long', repeat('z', 20000))")
	b.until(fmt.Sprintf("SELECT pg_last_wal_receive_lsn() > '%s'", committed), "t")
	received := b.received()
	a.die()
	records, end := b.records(1, from)
	if received%pageSize != 0 || end != committed || b.replayed() != end {
		w.t.Errorf("B has flushed %s and replayed to %s, its WAL ends at %s; want the end of a page, and %s", received, b.replayed(), end, committed)
	}
	w.compareWithWaldump(b, from, records)
	b.die()
	b.bootAs(nil)
	b.until(idle, "RecoveryRetrieveRetryInterval")
	b.want("SELECT pg_last_wal_receive_lsn() IS NULL", "t")
	if got := b.replayed(); got != end || got >= received {
		w.t.Errorf("after a restart B is at %s; want %s, and before %s, which it had flushed", got, end, received)
	}
}

// compareWithWaldump compares this package's reader with PostgreSQL's, where its program
// is there.
func (w *world) compareWithWaldump(s *server, from lsn, records []record) {
	w.t.Helper()
	program := filepath.Join(w.pg.install.BinDir, "pg_waldump")
	if _, err := exec.LookPath(program); err != nil {
		w.t.Logf("%s comes without pg_waldump: not compared with it", w.pg.install.Version)
		return
	}
	// It ends with an error, at the end of valid WAL.
	out, _ := exec.Command(program, "--path="+s.File("pg_wal"), "--timeline=1", "--start="+from.String()).Output()
	var theirs, ours []string
	for _, m := range regexp.MustCompile(`(?m) lsn: 0*([0-9A-F]+/)0*([0-9A-F]+), prev `).FindAllStringSubmatch(string(out), -1) {
		theirs = append(theirs, m[1]+m[2])
	}
	for _, r := range records {
		ours = append(ours, r.at.String())
	}
	if strings.Join(ours, " ") != strings.Join(theirs, " ") {
		w.t.Errorf("pg_waldump finds %d records, this reader %d:\n%s\n%s", len(theirs), len(ours), theirs, ours)
	}
}

// R, seal: with replay paused, or blocked by a query, the startup process reads the new
// primary_conninfo and does not act on it: the walreceiver goes on. Ended directly, it
// stays away. So a seal ends the walreceiver itself.
func sealBlockedReplay(w *world) {
	a, b, d := w.a, w.standby("B", nil), w.standby("D", nil)
	must(w.t, d.Set(map[string]string{"max_standby_streaming_delay": "-1"}))
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	b.catchUp(a)
	d.catchUp(a)
	b.sql("SELECT pg_wal_replay_pause()")
	b.until("SELECT pg_get_wal_replay_pause_state()", "paused")
	reader, err := d.Conn(w.ctx)
	must(w.t, err)
	defer closeConn(reader)
	_, err = rows(w.ctx, reader, "BEGIN; SELECT count(*) FROM t")
	must(w.t, err)
	a.sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE; INSERT INTO t VALUES (2)")
	d.until("SELECT wait_event_type FROM pg_stat_activity WHERE backend_type = 'startup'", "Lock")

	for _, s := range []*server{b, d} {
		size := s.logSize()
		s.reload("primary_conninfo", "")
		if s == b { // in a conflict it does not even read its settings
			s.waitLog(size, "WAL receiver process shutdown requested", 1)
		}
		receiver := s.sql("SELECT pid FROM pg_stat_wal_receiver")
		a.sql("INSERT INTO t VALUES (3)")
		s.until(fmt.Sprintf("SELECT pg_last_wal_receive_lsn() >= '%s'", a.flushed()), "t")
		s.want("SELECT pid FROM pg_stat_wal_receiver", receiver)

		must(w.t, syscall.Kill(s.process("walreceiver"), syscall.SIGTERM))
		s.until("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walreceiver'", "0")
		received := s.received()
		a.sql("INSERT INTO t VALUES (4)")
		s.want("SELECT count(*) FROM pg_stat_wal_receiver", "0")
		if s == b {
			s.sql("SELECT pg_wal_replay_resume()")
		} else {
			_, err = rows(w.ctx, reader, "COMMIT")
			must(w.t, err)
		}
		s.until(idle, "RecoveryRetrieveRetryInterval")
		s.want("SELECT count(*) FROM pg_stat_wal_receiver", "0")
		if s.replayed() != received || received >= a.flushed() {
			w.t.Errorf("%s: sealed at %s it has replayed to %s, of A's %s", s.name, received, s.replayed(), a.flushed())
		}
	}
}

// A 38: only the checkpointer has synchronous_standby_names taken in force. Until it has
// read its settings nobody waits, though every session shows them. So the primary looks
// whether waiting is on before it relies on the names.
func checkpointerNames(w *world) {
	a := w.a
	w.start(a)
	a.freeze("checkpointer")
	a.reload("synchronous_standby_names", "nobody")
	must(w.t, <-a.background("INSERT INTO t VALUES (1)"))
	a.want("SELECT i FROM t", "1")
	a.thaw()
	// It does not say when it has read them: the first insert after that waits.
	must(w.t, wait.Until(w.ctx, "an insert to wait for a standby", a.waitsForStandby))
}

// waitsForStandby inserts a row, and says whether that waits for a standby.
func (s *server) waitsForStandby(ctx context.Context) error {
	answer := s.background("INSERT INTO t VALUES (0)")
	for {
		select {
		case err := <-answer:
			return errors.Join(errors.New("it was acknowledged"), err)
		default:
		}
		if waiting, err := s.try(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"); err != nil || waiting == "1" {
			return err
		}
	}
}
