//go:build integration

package fence

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// F1: whether a commit may begin.

// noLease publishes an open primary whose lease has run out.
const noLease = "publish lease=-1"

func waitsForTheLease(w *world) {
	w.tell(noLease)
	p := w.session().start(insert("patient")).waits(inBegin)
	w.sees("patient", 0)
	w.tell(open)
	p.succeeds()
	w.sees("patient", 1)
}

// refusals are the reasons, as they are published, with a word of what a client is told.
var refusals = []struct{ published, detail, hint string }{
	{"lease=-1", "lease", ""},
	{"lease_counts=0", "lease", ""},
	{"open=0", "does not serve yet", ""},
	{"primary=0 open=0 primary_node=2 primary_address=host=10.0.0.2", "not the primary", "The primary is node 2: host=10.0.0.2."},
	{"primary=0 open=0 primary_node=2", "not the primary", "The primary is node 2."},
	{"switchover=5", "about to change", ""},
	{"quarantined=1", "quarantined", ""},
	{"joined=0", "takes no part", ""},
}

func refusesACommit(w *world) {
	s := w.session()
	s.run("SET pgraft.fence_wait = '50ms'")
	for _, r := range refusals {
		s.run("BEGIN; " + insert("refused"))
		w.tell("publish " + r.published)
		err := s.refused("COMMIT", "25006")
		w.tell(open)
		if !strings.Contains(err.Detail, r.detail) || err.Hint != r.hint || err.Severity != "ERROR" || !strings.Contains(err.Message, "COMMIT") {
			w.t.Errorf("%s: %#v", r.published, err)
		}
	}
	w.tell(noLease)
	s.refused(insert("refused"), "25006")
	// in the extended protocol, as a transaction, and by COPY
	_, err := s.conn.Exec(w.ctx, "INSERT INTO rows VALUES ($1)", "refused")
	w.failed("extended", err, "25006")
	tx, err := s.conn.Begin(w.ctx)
	must(w.t, err)
	_, err = tx.Exec(w.ctx, "INSERT INTO rows VALUES ($1)", "refused")
	must(w.t, err)
	w.failed("Commit", tx.Commit(w.ctx), "25006")
	_, err = s.conn.CopyFrom(w.ctx, pgx.Identifier{"rows"}, []string{"v"}, pgx.CopyFromRows([][]any{{"refused"}}))
	w.failed("COPY", err, "25006")
	s.refused("BEGIN; "+insert("refused")+"; COMMIT AND CHAIN", "25006")
	s.want("SELECT 'usable'", "usable")
	w.sees("refused", 0)
	w.tell(open)
	s.run(insert("accepted"))
	w.sees("accepted", 1)
	w.sees("refused", 0)
}

func cancelsBeforeItBegins(w *world) {
	w.tell(noLease)
	s := w.session()
	p := s.start(insert("canceled")).waits(inBegin)
	w.watch.run("SELECT pg_cancel_backend(" + s.pid() + ")")
	p.refused("57014")
	s.run("SET statement_timeout = '200ms'")
	s.refused("DO $$ BEGIN INSERT INTO rows VALUES ('canceled'); COMMIT; END $$", "57014")
	s.run("SET statement_timeout = 0")
	p = s.start(insert("canceled")).waits(inBegin)
	w.watch.run("SELECT pg_terminate_backend(" + s.pid() + ")")
	p.refused("57P01")
	w.tell(open)
	w.sees("canceled", 0)
}

// While failover is being enabled a commit waits beyond fence_wait, and its client is told. It can
// be canceled, and statement_timeout ends it, in each protocol.
func waitsWhileFounding(w *world) {
	w.tell("publish open=0 founding=1")
	s, out := w.session(), w.session()
	for _, x := range []*session{s, out} {
		x.run("SET pgraft.fence_wait = '50ms'")
	}
	p := s.start(insert("as failover is enabled")).waits(inBegin)
	w.logs("COMMIT waits until failover is enabled")
	canceled := out.start(insert("canceled while founding")).waits(inBegin)
	w.watch.run("SELECT pg_cancel_backend(" + out.pid() + ")")
	canceled.refused("57014")
	out.run("SET statement_timeout = '200ms'")
	out.refused(insert("timed out while founding"), "57014")
	_, err := out.conn.Exec(w.ctx, "INSERT INTO rows VALUES ($1)", "timed out while founding")
	w.failed("extended", err, "57014")
	out.refused("BEGIN; "+insert("timed out while founding")+"; COMMIT", "57014")
	p.waits(inBegin)
	w.tell(open)
	p.succeeds()
	if len(s.said) != 1 || s.said[0].Severity != "WARNING" || !strings.Contains(s.said[0].Hint, "pgraft_stat_failover") {
		w.t.Errorf("the client is told %v", s.said)
	}
	out.run(insert("in time"))
	s.want("SELECT string_agg(v, ', ' ORDER BY v) FROM rows WHERE v LIKE '%founding' OR v IN ('in time', 'as failover is enabled')", "as failover is enabled, in time")
}

// Reads, and what writes nothing that a failover could lose, go on while commits wait.
func leavesAlone(w *world) {
	w.watch.run("CREATE TABLE analyzed AS SELECT generate_series(1, 100) n")
	s := w.session()
	s.run("SET pgraft.fence_wait = 0")
	w.tell(noLease)
	for _, sql := range []string{
		"SELECT count(*) FROM rows", "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT v FROM rows; COMMIT", "FETCH c", "CLOSE c",
		"VACUUM analyzed", "CHECKPOINT", "ALTER SYSTEM SET work_mem = '5MB'", "ALTER SYSTEM RESET work_mem", "SELECT pg_reload_conf()",
		"LISTEN x", "UNLISTEN x", "BEGIN; " + insert("rolled back") + "; ROLLBACK", "BEGIN; SAVEPOINT a; SELECT 1; RELEASE a; COMMIT",
		"SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SELECT count(*) FROM analyzed",
	} {
		s.run(sql)
	}
}

// What finishes a prepared transaction is asked before, and the transaction stays.
func keepsPrepared(w *world) {
	s := w.session()
	s.run("SET pgraft.fence_wait = '50ms'")
	s.run("BEGIN; " + insert("prepared") + "; PREPARE TRANSACTION 'first'")
	s.run("BEGIN; " + insert("given up") + "; PREPARE TRANSACTION 'second'")
	w.tell(noLease)
	s.refused("COMMIT PREPARED 'first'", "25006")
	s.refused("ROLLBACK PREPARED 'second'", "25006")
	s.refused("BEGIN; "+insert("prepared")+"; PREPARE TRANSACTION 'third'", "25006")
	s.want("SELECT count(*) FROM pg_prepared_xacts", "2")
	w.tell(open)
	s.refused("COMMIT PREPARED 'none'", "42704")
	s.run("COMMIT PREPARED 'first'")
	s.run("ROLLBACK PREPARED 'second'")
	w.sees("prepared", 1)
	w.sees("given up", 0)
	s.want("SELECT count(*) FROM pg_prepared_xacts", "0")
}

// A statement that commits in between is asked before it begins: at its end it would leave
// a database that cannot be used, or an index that is invalid.
func refusesBeyond(w *world) {
	s := w.session()
	s.run("CREATE TABLE parted (n int) PARTITION BY RANGE (n)")
	s.run("CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9)")
	s.run("CREATE INDEX rows_v ON rows (v)")
	s.run("CREATE DATABASE kept")
	s.run("SET pgraft.fence_wait = 0; SET allow_in_place_tablespaces = on")
	w.tell(noLease)
	for sql, name := range map[string]string{
		"CREATE DATABASE refused":                                       "CREATE DATABASE",
		"DROP DATABASE kept":                                            "DROP DATABASE",
		"ALTER DATABASE kept SET TABLESPACE pg_default":                 "ALTER DATABASE SET TABLESPACE",
		"CREATE TABLESPACE refused LOCATION ''":                         "CREATE TABLESPACE",
		"DROP TABLESPACE refused":                                       "DROP TABLESPACE",
		"CREATE INDEX CONCURRENTLY refused ON rows (v)":                 "CREATE INDEX CONCURRENTLY",
		"DROP INDEX CONCURRENTLY rows_v":                                "DROP INDEX CONCURRENTLY",
		"REINDEX TABLE CONCURRENTLY rows":                               "REINDEX",
		"REINDEX SCHEMA public":                                         "REINDEX",
		"ALTER TABLE parted DETACH PARTITION part CONCURRENTLY":         "ALTER TABLE ... DETACH CONCURRENTLY",
		"VACUUM FULL rows":                                              "VACUUM FULL",
		"VACUUM (FULL, VERBOSE) rows":                                   "VACUUM FULL",
		"CLUSTER":                                                       "CLUSTER",
		"CREATE SUBSCRIPTION x CONNECTION 'host=nowhere' PUBLICATION y": "CREATE SUBSCRIPTION",
		"ALTER SUBSCRIPTION x REFRESH PUBLICATION":                      "ALTER SUBSCRIPTION",
		"DROP SUBSCRIPTION x":                                           "DROP SUBSCRIPTION",
	} {
		if err := s.refused(sql, "25006"); !strings.Contains(err.Message, "cannot execute "+name+":") {
			w.t.Errorf("%s: %s", sql, err.Message)
		}
	}
	w.tell(open)
	s.want("SELECT count(*) FROM pg_database WHERE datconnlimit = -2 OR datname = 'refused'", "0")
	s.want("SELECT count(*) FROM pg_index WHERE NOT indisvalid OR indexrelid = to_regclass('refused')", "0")
	s.want("SELECT count(*) FROM pg_inherits WHERE inhdetachpending", "0")
	s.run("DROP INDEX CONCURRENTLY rows_v")
	s.run("DROP DATABASE kept")
	s.run("ALTER TABLE parted DETACH PARTITION part CONCURRENTLY")
}

func deferredFirst(w *world) {
	s := w.session()
	s.run("SET pgraft.fence_wait = 0")
	s.run("CREATE TABLE parents (id int PRIMARY KEY); CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
	w.tell(noLease)
	s.refused("INSERT INTO children VALUES (1)", "23503")
}

// From before it may begin until it is answered a commit counts, so that a switchover, and
// failover being enabled, can wait for it; and not while it waits to begin.
func countsUnderWay(w *world) {
	w.underWay(0)
	w.freeze(w.b, w.c)
	first := w.session().start(insert("first")).waits(inSync)
	w.underWay(1)
	w.tell("publish switchover=9")
	second := w.session().start(insert("second")).waits(inBegin)
	w.tell("publish switchover=9")
	w.underWay(1)
	w.thaw()
	first.succeeds()
	w.underWay(0)
	w.tell("publish switchover=0")
	second.succeeds()
	w.underWay(0)
}

// pid is that of the session's process.
func (s *session) pid() string { return fmt.Sprint(s.conn.PgConn().PID()) }
