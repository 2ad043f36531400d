//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// applyTables is what the tests apply to: every entry becomes a row, so that
// one that is applied twice, or in another order, shows.
const applyTables = `
CREATE TABLE applied (place bigserial, index bigint, term bigint, data text);
CREATE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO applied (index, term, data) VALUES (index, term, data);
END $$;
`

// applyCluster makes a cluster whose nodes all apply to the table applied.
func (s *suite) applyCluster(ctx context.Context, t *testing.T, n int, settings map[string]string) *pgcluster.Cluster {
	t.Helper()
	c := s.extraCluster(ctx, t, n, settings)
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	leader := connect(ctx, t, s.leader(ctx, t, c.Servers[0]))
	for _, server := range c.Servers[1:] {
		addNode(ctx, t, leader, server)
	}
	for _, server := range c.Servers {
		conn := connect(ctx, t, server)
		exec(ctx, t, conn, applyTables)
		exec(ctx, t, conn, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	}
	return c
}

func exec(ctx context.Context, t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		t.Fatalf("%s: %v", shorten(sql), err)
	}
}

func text(ctx context.Context, t *testing.T, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	var got *string
	if err := conn.QueryRow(ctx, sql, args...).Scan(&got); err != nil {
		t.Fatalf("%s: %v", shorten(sql), err)
	}
	if got == nil {
		return "NULL"
	}
	return *got
}

// appliedRows are the rows of applied in the order of their insertion. The
// sequence has gaps where an attempt was rolled back.
func appliedRows(ctx context.Context, server *pgcluster.Server) ([]sqlapi.Entry, error) {
	conn, err := dial(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "SELECT index AS i, data FROM applied ORDER BY place")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[sqlapi.Entry])
}

// settleApplied waits until every server has applied what the first one knows to
// be committed, and returns the log's user entries.
func settleApplied(ctx context.Context, t *testing.T, servers ...*pgcluster.Server) []sqlapi.Entry {
	t.Helper()
	last := waitApplied(ctx, t, servers...)
	log, err := sqlapi.Entries(ctx, connect(ctx, t, servers[0]), 1, last)
	must(t, err)
	return log
}

// waitApplied is settleApplied where the log may be cut; it returns its end. A
// node that has just started knows less than was committed, so the cluster is
// asked.
func waitApplied(ctx context.Context, t *testing.T, servers ...*pgcluster.Server) int64 {
	t.Helper()
	var last int64
	must(t, wait.For(ctx, settleLimit, "the end of the log", func(ctx context.Context) error {
		conn, err := dial(ctx, servers[0])
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		last, err = sqlapi.ReadBarrier(ctx, conn)
		return err
	}))
	for _, server := range servers {
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to apply up to %d", server.NodeID, last), func(ctx context.Context) error {
			conn, err := server.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			var state, lastError string
			var index int64
			err = conn.QueryRow(ctx, "SELECT state, coalesce(applied_index, 0), coalesce(last_error, '') FROM pgraft_stat_apply").Scan(&state, &index, &lastError)
			if err == nil && index < last {
				err = fmt.Errorf("it is %s at %d %s", state, index, lastError)
			}
			return err
		}))
	}
	return last
}

// checkApplied says that the table of each server is the log.
func checkApplied(ctx context.Context, t *testing.T, servers ...*pgcluster.Server) []sqlapi.Entry {
	t.Helper()
	log := settleApplied(ctx, t, servers...)
	for _, server := range servers {
		rows, err := appliedRows(ctx, server)
		must(t, err)
		if !slices.Equal(rows, log) {
			t.Errorf("node %d has applied %d entries, the log has %d: %s", server.NodeID, len(rows), len(log), difference(log, rows))
		}
	}
	return log
}

// Every node applies every entry once, in order: those from before the function
// was registered, and those of Raft's own move the progress only.
func appliesOnEveryNode(ctx context.Context, t *testing.T, s *suite) {
	c := s.applyCluster(ctx, t, nodes, nil)
	for i := range 100 {
		server := c.Servers[i%nodes]
		must(t, sqlapi.Replicate(ctx, connect(ctx, t, server), fmt.Sprintf("entry %d ü", i)))
	}
	must(t, sqlapi.Replicate(ctx, connect(ctx, t, c.Servers[0]), ""))
	must(t, sqlapi.Replicate(ctx, connect(ctx, t, c.Servers[0]), strings.Repeat("large", 200_000)))
	if log := checkApplied(ctx, t, c.Servers...); len(log) != 102 {
		t.Errorf("the log has %d entries, want 102", len(log))
	}
}

// applyState is a row of pgraft_stat_apply.
type applyState struct {
	State   string  `db:"state"`
	Failing *int64  `db:"failing_index"`
	Retries *int64  `db:"retries"`
	Code    *string `db:"last_error_sqlstate"`
	Error   *string `db:"last_error"`
}

func waitForState(ctx context.Context, t *testing.T, conn *pgx.Conn, want string, ok func(applyState) bool) (got applyState) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, "applying to be "+want, func(ctx context.Context) error {
		rows, err := conn.Query(ctx, "SELECT state, failing_index, retries, last_error_sqlstate, last_error FROM pgraft_stat_apply")
		if err != nil {
			return err
		}
		if got, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[applyState]); err != nil {
			return err
		}
		if got.State != want || ok != nil && !ok(got) {
			return fmt.Errorf("it is %+v", got)
		}
		return nil
	}))
	return got
}

// An entry that cannot be applied stops its node, is tried again, and is passed
// over only by an operator. The other nodes go on.
func stopsAtAPoisonedEntry(ctx context.Context, t *testing.T, s *suite) {
	c := s.applyCluster(ctx, t, nodes, nil)
	poisoned, others := c.Servers[1], []*pgcluster.Server{c.Servers[0], c.Servers[2]}
	conn := connect(ctx, t, poisoned)
	exec(ctx, t, conn, "ALTER TABLE applied ADD CONSTRAINT no_poison CHECK (data NOT LIKE 'poison%')")
	put := func(data string) {
		t.Helper()
		must(t, sqlapi.Replicate(ctx, connect(ctx, t, c.Servers[0]), data))
	}
	_, err := conn.Exec(ctx, "SELECT pgraft_apply_skip(3)")
	wantState(t, "55000", err, "a skip without need")
	put("before")
	put("poison 1")
	put("after")
	failed := waitForState(ctx, t, conn, "failed", func(a applyState) bool { return a.Retries != nil && *a.Retries >= 1 })
	if *failed.Code != "23514" || !strings.Contains(*failed.Error, "no_poison") {
		t.Errorf("the error is %s %s, want the violation of no_poison", *failed.Code, *failed.Error)
	}
	if got := text(ctx, t, conn, "SELECT string_agg(data, ', ' ORDER BY place) FROM applied"); got != "before" {
		t.Errorf("applied is %q on the node that stopped, want what comes before", got)
	}
	checkApplied(ctx, t, others...)

	// The way out that loses nothing: repair, and have it tried at once.
	exec(ctx, t, conn, "ALTER TABLE applied DROP CONSTRAINT no_poison")
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	checkApplied(ctx, t, c.Servers...)

	exec(ctx, t, conn, "ALTER TABLE applied ADD CONSTRAINT no_poison CHECK (data NOT LIKE 'poison%') NOT VALID")
	put("poison 2")
	put("later")
	failed = waitForState(ctx, t, conn, "failed", nil)
	_, err = conn.Exec(ctx, "SELECT pgraft_apply_skip($1)", *failed.Failing+1)
	wantState(t, "55000", err, "a skip of another entry")
	tx, err := conn.Begin(ctx)
	must(t, err)
	_, err = tx.Exec(ctx, "SELECT pgraft_apply_skip($1)", *failed.Failing)
	must(t, err)
	must(t, tx.Rollback(ctx))
	waitForState(ctx, t, conn, "failed", nil)
	exec(ctx, t, conn, "SELECT pgraft_apply_skip($1)", *failed.Failing)
	waitForState(ctx, t, conn, "running", nil)
	settleApplied(ctx, t, c.Servers...)
	if got, want := text(ctx, t, conn, "SELECT string_agg(data, ', ' ORDER BY place) FROM applied"), "before, poison 1, after, later"; got != want {
		t.Errorf("applied is %q after the skip, want %q", got, want)
	}
	if got, want := text(ctx, t, conn, "SELECT index || ' ' || sqlstate FROM pgraft.apply_skipped"), fmt.Sprint(*failed.Failing, " 23514"); got != want {
		t.Errorf("apply_skipped has %q, want %q", got, want)
	}
}

// What an apply function may not do, and who may register one.
func guardsTheApplyFunction(ctx context.Context, t *testing.T, s *suite) {
	c := s.applyCluster(ctx, t, 1, nil)
	server := c.Servers[0]
	conn := connect(ctx, t, server)
	define := func(body string) {
		t.Helper()
		exec(ctx, t, conn, "CREATE OR REPLACE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "+body+" END $$")
	}
	failsWith := func(state string) {
		t.Helper()
		waitForState(ctx, t, conn, "failed", func(a applyState) bool { return *a.Code == state })
	}
	refused := func(state, sql string) {
		t.Helper()
		_, err := conn.Exec(ctx, sql)
		wantState(t, state, err, sql)
	}

	// Recursion is refused; repaired, the same entry is applied.
	define("PERFORM pgraft_replicate_entry('again');")
	must(t, sqlapi.Replicate(ctx, conn, "recursive"))
	failsWith("2F003")
	define("INSERT INTO applied (index, term, data) VALUES (index, term, data);")
	checkApplied(ctx, t, server)

	// Dropped and made anew.
	exec(ctx, t, conn, "DROP FUNCTION apply_entry(bigint, bigint, text)")
	must(t, sqlapi.Replicate(ctx, conn, "dropped"))
	failsWith("42883")
	define("INSERT INTO applied (index, term, data) VALUES (index, term, data);")
	checkApplied(ctx, t, server)

	// Signatures, rights, the other database, and what does not exist yet.
	exec(ctx, t, conn, `CREATE FUNCTION wrong(bigint, bigint, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION wrong(bigint, text) RETURNS void LANGUAGE sql AS 'SELECT';
		CREATE ROLE app; CREATE ROLE app_admin; GRANT CREATE, USAGE ON SCHEMA public TO app;
		GRANT EXECUTE ON FUNCTION pgraft_set_apply_function TO app, app_admin`)
	exec(ctx, t, conn, "CREATE DATABASE other TEMPLATE template1")
	refused("42P13", "SELECT pgraft_set_apply_function('wrong(bigint,bigint,text)')")
	refused("42P13", "SELECT pgraft_set_apply_function('wrong(bigint,text)')")
	exec(ctx, t, conn, "SET ROLE app_admin")
	refused("42501", "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	refused("42501", "SELECT pgraft_apply_skip(1)")
	refused("42501", "SELECT * FROM pgraft_stat_apply")
	exec(ctx, t, conn, "RESET ROLE")
	other, err := pgx.Connect(ctx, strings.Replace(server.URL(), "/postgres?", "/other?", 1))
	must(t, err)
	defer other.Close(ctx)
	exec(ctx, t, other, "CREATE EXTENSION pgraft")
	_, err = other.Exec(ctx, "SELECT pgraft_set_apply_function(NULL)")
	wantState(t, "55000", err, "to register in another database")

	// It runs as its owner, who is no superuser and gains nothing by replacing it.
	exec(ctx, t, conn, `GRANT ALL ON applied TO app; GRANT ALL ON SEQUENCE applied_place_seq TO app; SET ROLE app;
		CREATE FUNCTION app_apply(index bigint, term bigint, data text) RETURNS void LANGUAGE sql AS
			$$ INSERT INTO applied (index, term, data) VALUES ($1, $2, $3 || ' by ' || current_user) $$;
		SELECT pgraft_set_apply_function('app_apply(bigint,bigint,text)'); RESET ROLE`)
	must(t, sqlapi.Replicate(ctx, conn, "applied"))
	settleApplied(ctx, t, server)
	if got := text(ctx, t, conn, "SELECT data FROM applied ORDER BY place DESC LIMIT 1"); got != "applied by app" {
		t.Errorf("the last row is %q, want \"applied by app\"", got)
	}
	exec(ctx, t, conn, `SET ROLE app; CREATE OR REPLACE FUNCTION app_apply(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN RESET ROLE; RESET SESSION AUTHORIZATION; ALTER ROLE app SUPERUSER; END $$; RESET ROLE`)
	must(t, sqlapi.Replicate(ctx, conn, "escalate"))
	failsWith("42501")
	if got := text(ctx, t, conn, "SELECT rolsuper::text FROM pg_roles WHERE rolname = 'app'"); got != "false" {
		t.Error("the apply function made its owner a superuser")
	}
	registersAtOnce(ctx, t, server)
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function(NULL)")
	waitForState(ctx, t, conn, "idle", nil)
	exec(ctx, t, conn, "DROP EXTENSION pgraft")
	exec(ctx, t, conn, "CREATE EXTENSION pgraft")
	waitForState(ctx, t, conn, "idle", nil)
}
