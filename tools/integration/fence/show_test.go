//go:build integration

package fence

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// F4, and what may be read.

func showsReadOnly(w *world) {
	readWrite := func() (string, error) {
		url := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write", w.b.Port, w.primary.Port)
		conn, err := pgx.Connect(w.ctx, url)
		if err != nil {
			return "", err
		}
		defer conn.Close(context.WithoutCancel(w.ctx))
		return conn.PgConn().ParameterStatus("default_transaction_read_only"), nil
	}
	if shown, err := readWrite(); err != nil || shown != "off" {
		w.t.Errorf("an open primary shows %q, %v", shown, err)
	}
	s := w.session()
	for _, published := range []string{"lease=-1", "open=0", "primary=0 open=0", "switchover=1"} {
		w.tell("publish " + published)
		if _, err := readWrite(); err == nil {
			w.t.Errorf("%s: who wants to write is sent here", published)
		}
		s.want("SHOW transaction_read_only", "on")
		s.want("SHOW default_transaction_read_only", "on")
		fresh := w.session()
		w.tell(open)
		// it is shown, not set
		fresh.run(insert("written by who came meanwhile"))
		s.want("SHOW transaction_read_only", "off")
		s.run("BEGIN READ ONLY")
		s.want("SHOW transaction_read_only", "on")
		s.run("COMMIT; SET default_transaction_read_only = on")
		s.want("SHOW default_transaction_read_only", "on")
		s.run("SET default_transaction_read_only = off")
	}
}

// Nobody reads what may go away, and replication goes on.
func showsNothing(w *world) {
	s, old := w.session(), w.session()
	s.run("PREPARE p AS SELECT * FROM rows; SET pgraft.fence_wait = 0; CREATE TABLE IF NOT EXISTS shown (n int)")
	old.run("BEGIN; DECLARE c CURSOR FOR SELECT v FROM rows")
	begun := w.session()
	begun.run("BEGIN; SELECT * FROM rows")
	changed := w.session()
	changed.run("BEGIN; " + insert("not shown"))
	w.tell("publish reads=0 open=0 primary=0 primary_node=3 primary_address=host=c")
	for _, sql := range []string{"SELECT * FROM rows", "SELECT 1", "EXECUTE p", "COPY rows TO STDOUT", "EXPLAIN SELECT * FROM rows", "LOCK TABLE rows",
		"BEGIN; SELECT 1", "TABLE rows", "SELECT pg_logical_emit_message(false, 'a', 'b')", "DO $$ BEGIN PERFORM 1; END $$"} {
		err := s.refused(sql, "57P03")
		if err.Hint != "The primary is node 3: host=c." || err.Severity != "ERROR" {
			w.t.Errorf("%s: %#v", sql, err)
		}
		s.run("ROLLBACK")
	}
	_, err := s.conn.Exec(w.ctx, "SELECT $1::int", 1)
	w.failed("extended", err, "57P03")
	old.refused("FETCH c", "57P03")
	begun.refused("COMMIT", "57P03")
	changed.run("SET pgraft.fence_wait = 0")
	changed.refused("COMMIT", "25006")
	// what shows nothing of the data works, so that clients find out where they are
	s.want("SHOW transaction_read_only", "on")
	s.run("BEGIN; SET LOCAL work_mem = '5MB'; COMMIT")
	if _, err := w.dial(w.primary.URL()); err != nil {
		w.t.Errorf("who connects is not told: %v", err)
	}
	logical, err := pgconn.ParseConfig(w.primary.URL() + "&replication=database")
	must(w.t, err)
	_, err = pgconn.ConnectConfig(w.ctx, logical)
	w.failed("a logical walsender", err, "57P03")
	if got := w.tell("look"); strings.Count(got, ",") != 2 {
		w.t.Errorf("standbys: %s", got)
	}
	// a server not in recovery needs to be open besides; or failover is being enabled on it
	w.tell("publish reads=1")
	s.refused("SELECT 1", "57P03")
	w.tell("publish founding=1 primary=1")
	s.want("SELECT 1", "1")
	w.tell(open)
	w.sees("not shown", 0)
	s.want("SELECT 1", "1")
}

// Who asks what the server is to the cluster is told, also where no data is shown: what reads
// nothing of the database. Whatever reads is refused, wherever it hides.
func saysOfTheCluster(w *world) {
	s := w.session()
	s.run("CREATE EXTENSION pgraft; CREATE SEQUENCE ids; CREATE VIEW seen AS SELECT v FROM rows; CREATE MATERIALIZED VIEW kept AS SELECT v FROM rows; " +
		"CREATE VIEW versions AS SELECT pgraft_get_worker_state() AS version; SELECT lo_from_bytea(4711, 'large')")
	for name, body := range map[string]string{
		"reads_sql() RETURNS bigint LANGUAGE sql STABLE":              "SELECT count(*) FROM rows",
		"reads_rows() RETURNS SETOF text LANGUAGE sql STABLE":         "SELECT v FROM rows",
		"reads_plpgsql() RETURNS bigint LANGUAGE plpgsql":             "BEGIN RETURN (SELECT count(*) FROM rows); END",
		"lies() RETURNS bigint LANGUAGE plpgsql IMMUTABLE":            "BEGIN RETURN (SELECT count(*) FROM rows); END",
		"lies_of(text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE":     "BEGIN RETURN (SELECT count(*) FROM rows); END",
		"writes(text) RETURNS void LANGUAGE plpgsql":                  "BEGIN INSERT INTO rows VALUES ($1); END",
		"pgraft_get_primary_too() RETURNS text LANGUAGE sql STABLE":   "SELECT pgraft_get_worker_state() FROM rows",
		"pgraft_is_leader(text) RETURNS bigint LANGUAGE plpgsql":      "BEGIN RETURN (SELECT count(*) FROM rows); END",
		"less(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE": "BEGIN RETURN (SELECT count(*) FROM rows) > 0; END",
		"sum_up(bigint, text) RETURNS bigint LANGUAGE plpgsql":        "BEGIN RETURN (SELECT count(*) FROM rows); END",
	} {
		s.run("CREATE FUNCTION " + name + " AS $$ " + body + " $$")
	}
	s.run("CREATE OPERATOR <<< (LEFTARG = text, RIGHTARG = text, FUNCTION = less); CREATE AGGREGATE summed(text) (SFUNC = sum_up, STYPE = bigint, INITCOND = '0')")
	s.run("PREPARE p AS SELECT pgraft_get_worker_state(); PREPARE q AS SELECT pgraft_get_worker_state(), count(*) FROM rows")
	version := s.run("SELECT pgraft_get_worker_state()")
	w.tell("publish reads=0 open=0 primary=0 primary_node=3 primary_address=host=c")
	for _, sql := range []string{
		"SELECT pgraft_get_worker_state()", "SELECT * FROM versions", "SELECT version FROM versions WHERE version <> 'x' AND length(version) > 0 ORDER BY version LIMIT 1",
		"WITH v AS MATERIALIZED (SELECT * FROM versions) SELECT max(v.version) FROM v JOIN pgraft_get_worker_state() AS w ON v.version = w",
		"SELECT version FROM versions WHERE EXISTS (SELECT FROM pgraft_get_worker_state() AS x WHERE x = version)",
		"BEGIN; SELECT pgraft_get_worker_state(); COMMIT",
	} {
		s.want(sql, version)
	}
	var got string
	must(w.t, s.conn.QueryRow(w.ctx, "SELECT version FROM versions WHERE version <> $1", "x").Scan(&got)) // in the extended protocol
	for _, sql := range []string{
		"SELECT 1", "SELECT count(*) FROM rows", "SELECT pgraft_get_worker_state(), v FROM rows", "SELECT pgraft_get_worker_state(), v FROM seen", "SELECT pgraft_get_worker_state(), v FROM kept",
		"WITH r AS (SELECT v FROM rows) SELECT pgraft_get_worker_state(), v FROM r", "SELECT pgraft_get_worker_state(), (SELECT count(*) FROM rows)",
		"SELECT pgraft_get_worker_state() WHERE EXISTS (SELECT FROM rows)", "SELECT * FROM pgraft_get_worker_state(), LATERAL (SELECT v FROM rows) r",
		"SELECT pgraft_get_worker_state(), relname FROM pg_class", "SELECT pgraft_get_worker_state(), reads_sql()", "SELECT pgraft_get_worker_state(), reads_rows()",
		"SELECT * FROM pgraft_get_worker_state(), reads_rows()", "SELECT pgraft_get_worker_state(), reads_plpgsql()", "SELECT pgraft_get_worker_state(), lies()",
		"SELECT lies_of(pgraft_get_worker_state())", "SELECT pgraft_get_worker_state() ORDER BY reads_plpgsql()", "SELECT * FROM versions WHERE reads_plpgsql() > 0",
		"SELECT pgraft_get_primary_too()", "SELECT pgraft_is_leader('x')", "SELECT pgraft_get_worker_state() <<< 'x'", "SELECT summed(pgraft_get_worker_state())",
		"SELECT pgraft_get_worker_state(), nextval('ids')", "SELECT pgraft_get_worker_state(), pg_relation_size('rows')", "SELECT pgraft_get_worker_state(), lo_get(4711)",
		"SELECT pgraft_get_worker_state(), query_to_xml('SELECT * FROM rows', true, true, '')", "SELECT pgraft_get_worker_state(), 'rows'::regclass::text",
		"INSERT INTO rows SELECT pgraft_get_worker_state()", "WITH w AS (INSERT INTO rows VALUES ('w') RETURNING v) SELECT pgraft_get_worker_state(), v FROM w",
		"SELECT writes(pgraft_get_worker_state())", "SELECT pgraft_get_worker_state() INTO made", "COPY (SELECT pgraft_get_worker_state()) TO STDOUT", "EXPLAIN ANALYZE SELECT pgraft_get_worker_state()",
		"EXECUTE p", "EXECUTE q", "DO $$ BEGIN PERFORM pgraft_get_worker_state(); END $$",
	} {
		if err := s.refused(sql, "57P03"); err.Hint != "The primary is node 3: host=c." {
			w.t.Errorf("%s: %#v", sql, err)
		}
	}
	s.want("SELECT pgraft_get_worker_state()", version) // nothing stays of what was refused
	w.tell(open)
	s.want("SELECT count(*) FROM rows WHERE v IN ('w', '"+version+"')", "0")
	s.want("SELECT count(*) > 0 FROM pg_class WHERE oid = 'rows'::regclass", "t")
}

// What errors are hidden by is refused for the server: its walreceiver has to log how a stream ended.
func logsErrors(w *world) {
	for _, level := range []string{"log", "fatal", "panic"} {
		if err := w.watch.refused("ALTER SYSTEM SET log_min_messages = "+level, "22023"); !strings.Contains(err.Detail, "walreceiver") {
			w.t.Errorf("%#v", err)
		}
	}
	w.watch.run("ALTER SYSTEM SET log_min_messages = error")
	w.watch.run("ALTER SYSTEM RESET log_min_messages")
}

// From an engine's end until the next one's first word failover is on, and nothing else.
func waitsForTheNextEngine(w *world) {
	p := w.written("between two engines")
	w.tell("forget")
	s := w.session()
	s.refused("SELECT 1", "57P03")
	s.run("SET pgraft.fence_wait = 0")
	w.tell(open)
	p.succeeds() // of the same epoch: it is not over
	w.tell("forget")
	s.refused(insert("by nobody"), "57P03")
	w.tell(open)

	// an engine that was killed as it wrote: what it had written before holds
	w.tell("half open=0 lease_counts=0")
	s.run(insert("while it wrote"))
	w.tell("publish open=0")
	s.refused(insert("after it wrote"), "57P03")
}

// While the log says that failover is off, pgraft.failover changes nothing.
func isPlainWhileOff(w *world) {
	w.tell("publish failover=0 joined=0 primary=0 open=0 lease=-1 lease_counts=0 w=0 counted= reads=1")
	s := w.session()
	s.run("SET synchronous_commit = local; SET log_min_messages = panic")
	w.freeze(w.b, w.c)
	s.run(insert("as ever")) // local waits for nobody
	s.want("SHOW transaction_read_only", "off")
	s.run("SET synchronous_commit = on")
	p := s.start(insert("canceled as ever")).waits(inSync)
	w.watch.run("SELECT pg_cancel_backend(" + s.pid() + ")")
	p.succeeds()
	if len(s.said) != 1 || s.said[0].Severity != "WARNING" {
		w.t.Errorf("it is told %v", s.said)
	}
	w.sees("canceled as ever", 1)
	w.thaw()
	w.underWay(0)
}
