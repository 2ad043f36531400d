//go:build integration

package facts

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// number runs SQL that returns one.
func (s *server) number(sql string) int {
	s.w.t.Helper()
	n, err := strconv.Atoi(s.sql(sql))
	must(s.w.t, err)
	return n
}

// A seal ends every source of WAL, also where replay is held, and is done only when the
// startup process has the setting.
func sourcesEnd(w *world) {
	a, b, d := w.a, w.standby("B", w.preloaded()), w.standby("D", w.preloaded())
	must(w.t, b.Set(map[string]string{"restore_command": "false"}))
	must(w.t, d.Set(map[string]string{"max_standby_streaming_delay": "-1"}))
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	b.catchUp(a)
	d.catchUp(a)
	b.sql("SELECT pg_wal_replay_pause()")
	b.until("SELECT pg_get_wal_replay_pause_state()", "paused")
	reader := d.reads()
	a.sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE; INSERT INTO t VALUES (2)")
	d.until("SELECT wait_event_type FROM pg_stat_activity WHERE backend_type = 'startup'", "Lock")

	b.put("promote", nil)
	for _, s := range []*server{b, d} {
		number := s.number("SELECT server_sources_end()")
		s.until("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walreceiver'", "0")
		ended := fmt.Sprintf("SELECT server_sources_ended(%d)", number)
		if s == d {
			s.until("SHOW primary_conninfo", "") // all have read it but the startup process
			s.want(ended, "f")
			_, err := rows(w.ctx, reader, "COMMIT")
			must(w.t, err)
		}
		s.until(ended, "t")
		for _, name := range []string{"primary_conninfo", "restore_command", "primary_slot_name"} {
			s.until("SHOW "+name, "")
		}
		if s.has("promote") {
			w.t.Errorf("%s: the file promote is there", s.name)
		}
		received := s.received()
		a.sql("INSERT INTO t VALUES (3)")
		if s == b {
			s.sql("SELECT pg_wal_replay_resume()")
		}
		s.until(idle, "RecoveryRetrieveRetryInterval")
		s.want("SELECT pg_is_in_recovery()", "t")
		if s.replayed() != received || received >= a.flushed() {
			w.t.Errorf("%s: sealed at %s it has replayed to %s, of A's %s", s.name, received, s.replayed(), a.flushed())
		}
	}
	// And again it follows, as another one, and its other settings are as they were.
	d.sql("ALTER SYSTEM SET work_mem = '5MB'")
	number := d.number(fmt.Sprintf("SELECT server_stream('%s', '')", strings.ReplaceAll(d.conninfo(a.Port), "=D", "=it''s")))
	d.catchUp(a)
	d.until(fmt.Sprintf("SELECT server_in_force(%d)", number), "ttt") // it has no walsender
	a.until(`SELECT count(*) FROM pg_stat_replication WHERE application_name = 'it''s'`, "1")
	d.until("SHOW work_mem", "5MB")
}

// reads has a session read t in a transaction that stays.
func (s *server) reads() *pgx.Conn {
	s.w.t.Helper()
	conn, err := s.Conn(s.w.ctx)
	must(s.w.t, err)
	s.w.t.Cleanup(func() { closeConn(conn) })
	_, err = rows(s.w.ctx, conn, "BEGIN; SELECT count(*) FROM t")
	must(s.w.t, err)
	return conn
}

// PostgreSQL's source: replay that is blocked at the last record in pg_wal starts a
// walreceiver once it goes on, with the primary_conninfo of before, and reads its settings
// only then. Nothing runs before, so that nothing runs does not say that sources have
// ended.
func sourcesEndLate(w *world) {
	a, d := w.a, w.standby("D", w.preloaded())
	must(w.t, d.Set(map[string]string{"max_standby_archive_delay": "-1"}))
	w.start(a, d)
	a.sql("INSERT INTO t VALUES (1)")
	d.catchUp(a)
	must(w.t, d.Set(map[string]string{"primary_conninfo": ""}))
	d.reload("primary_conninfo", "")
	d.until("SELECT count(*) FROM pg_stat_wal_receiver", "0")
	reader := d.reads()
	startup := d.freezeIdle()
	from := d.replayed()
	a.sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT pg_switch_wal()") // the lock is flushed, and its end is not
	records, _ := a.records(1, from)
	var lock lsn
	for _, r := range records {
		if r.rmgr == 8 && r.info&0xF0 == 0x00 { // RM_STANDBY_ID, XLOG_STANDBY_LOCK
			lock = r.end
		}
	}
	if lock == 0 {
		w.t.Fatalf("A has written no lock: %+v", records)
	}
	d.putWAL(a, 1, from, lock)
	d.set("primary_conninfo", d.conninfo(a.Port))
	d.sql("SELECT pg_reload_conf()")
	w.waitPending(startup, syscall.SIGHUP)
	d.thaw()
	d.until("SELECT wait_event_type FROM pg_stat_activity WHERE backend_type = 'startup'", "Lock")

	size := d.logSize()
	number := d.number("SELECT server_sources_end()")
	d.until("SHOW primary_conninfo", "")
	ended := fmt.Sprintf("SELECT server_sources_ended(%d)", number)
	d.want("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walreceiver'", "0")
	d.want(ended, "f")
	_, err := rows(w.ctx, reader, "COMMIT")
	must(w.t, err)
	d.waitLog(size, "WAL receiver process shutdown requested", 1) // there was one
	d.until(ended, "t")
	d.until("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walreceiver'", "0") // its last word in shared memory comes before its end
	d.until(idle, "RecoveryRetrieveRetryInterval")
	d.want("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walreceiver'", "0")
}

// A promotion takes the number that it is told, and not where that is taken.
func promoteTo(w *world) {
	b, d := w.standby("B", w.preloaded()), w.standby("D", w.preloaded())
	w.start(w.a, b, d)
	w.a.sql("INSERT INTO t VALUES (1)")
	for _, s := range []*server{b, d} {
		s.catchUp(w.a)
		s.seal()
	}
	fork := b.replayed()
	history := fmt.Sprintf("1@0/0,5@%s", fork)
	// A promotion to timeline 3 was cut short: of that its first segment is there, up to the fork.
	b.put(segment(3, fork-1), b.get(segment(1, fork-1)))
	// Recovery looks for newer timelines until it has seen the request. It aims at none of the
	// numbers that are taken: else the new timeline would be a child of one of them.
	size := b.logSize()
	b.sql("SELECT server_reserve(1, 5)")
	b.waitLog(size, "new timeline 4 is not a child of database system timeline 1", 2)
	b.sql(fmt.Sprintf("SELECT server_promote('%s')", history))
	b.until("SELECT pg_is_in_recovery()", "f")
	if got := b.timeline(); got != 5 {
		w.t.Fatalf("B is on timeline %d", got)
	}
	b.want("SELECT server_history(5)", history)
	b.want("SELECT server_history(3)", "3@0/0")
	b.sql(fmt.Sprintf("SELECT server_promotion_ended('%s')", history))
	b.want("SELECT server_history(3)", fmt.Sprintf("1@0/0,3@%s", fork))
	if _, err := b.try(w.ctx, fmt.Sprintf("SELECT server_promote('%s')", history)); err == nil || !strings.Contains(err.Error(), "recovery is not in progress") {
		w.t.Errorf("a primary is promoted: %v", err)
	}
	// D has that history, and follows.
	d.sql(fmt.Sprintf("SELECT server_history_write('%s', true)", history))
	if _, err := d.try(w.ctx, fmt.Sprintf("SELECT server_promote('%s')", history)); err == nil || !strings.Contains(err.Error(), "its history file is there") {
		w.t.Errorf("D is promoted to a timeline that there is: %v", err)
	}
	b.sql("INSERT INTO t VALUES (2)")
	d.follow(b)
	d.catchUp(b)
	d.want("SELECT i FROM t ORDER BY i", "1 2")
	d.want("SELECT server_last_timeline()", "5")
	d.want("SELECT server_highest()", "5")
}
