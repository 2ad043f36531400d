//go:build integration

package failover

import (
	"fmt"
	"testing"
)

// Every kind of statement that commits is refused while there is no quorum, and nothing is left of
// it; one that waits for standbys as its primary dies is not acknowledged.
func TestKinds(t *testing.T) {
	w := newNetWorld(t, map[string]string{"max_prepared_transactions": "10"})
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(2)
	w.acknowledged(100, a)
	w.do(a, "CREATE PROCEDURE commits(v text) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rows VALUES (v); COMMIT; END $$")
	for _, gid := range []string{"refused", "waits"} {
		s := w.session(a)
		s.run("BEGIN")
		s.run(insert("prepared, " + gid))
		s.run("PREPARE TRANSACTION '" + gid + "'")
	}
	kinds := func(what string) []string {
		return []string{
			"COMMIT PREPARED '" + what + "'",
			"CALL commits('procedure, " + what + "')",
			"COPY rows FROM PROGRAM 'echo copied, " + what + "'",
			"CREATE TABLE \"table, " + what + "\" ()",
			"CREATE DATABASE \"database, " + what + "\"",
		}
	}
	nothing := func(what string) string {
		return fmt.Sprintf("SELECT (SELECT count(*) FROM rows WHERE v LIKE '%%, %[1]s') + (SELECT count(*) FROM pg_class WHERE relname = 'table, %[1]s')"+
			" + (SELECT count(*) FROM pg_database WHERE datname = 'database, %[1]s')", what)
	}
	for _, o := range w.others(a) {
		must(t, o.PauseEngine())
	}
	w.fenced(a)
	for _, sql := range kinds("refused") {
		w.session(a).refused(sql, "25006")
	}
	w.until(a, nothing("refused"), "0")
	for _, o := range w.others(a) {
		must(t, o.ResumeEngine())
	}
	w.acknowledged(100, a)

	w.cut(a, w.streams())
	var all []*pending
	for _, sql := range kinds("waits") {
		all = append(all, w.session(a).start(sql).waits())
	}
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	for _, p := range all {
		p.fails()
	}
	w.until(next, nothing("waits"), "0")
	w.until(next, "SELECT string_agg(gid, ' ' ORDER BY gid) FROM pg_prepared_xacts", "refused waits")
	w.do(next, "COMMIT PREPARED 'waits'")
	w.until(next, count("prepared, waits"), "1")
	w.reignEnded(a, next)
	w.checks(next)
}

// A former primary has more WAL than any other server, on an older timeline: it is not the next
// primary, though its bare LSN is the greatest.
func TestOlderTimeline(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(durability => 'preferred')")
	w.writes(2)
	w.acknowledged(100, a)
	w.cut(a)
	w.do(a, "SELECT pg_logical_emit_message(false, 'pgraft', repeat('x', 1000)) FROM generate_series(1, 20000)")
	w.do(a, "SELECT pg_switch_wal()")
	next := w.acknowledged(100, w.others(a)...)
	w.reignEnded(a, next)
	w.heal(a)
	w.standsBack(a, primaryIs(next))
	w.until(next, "SELECT in_sync_set FROM pgraft_stat_failover WHERE node_id = 1", "f")
	w.until(next, "SELECT (SELECT position FROM pgraft_stat_failover WHERE node_id = 1) > pg_current_wal_flush_lsn()", "t")
	was := w.by(a).Commits
	_, err := next.Kill9(w.ctx)
	must(t, err)
	third := w.third(a, next)
	w.acknowledged(100, third)
	w.reignEnded(next, third)
	if n := w.by(a).Commits; n != was {
		t.Errorf("node 1 acknowledged %d commits", n-was)
	}
	w.checks(third)
}
