//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// waitEvents are what a session of the extension's can be seen waiting for.
var waitEvents = []string{"PgraftEngineStart", "PgraftRequestSlot", "PgraftReply", "PgraftApplied"}

// wantWaitEvent is the event that a session waits for: by its name from
// PostgreSQL 17 on, under the one name that there was for all before.
func wantWaitEvent(ctx context.Context, t *testing.T, conn *pgx.Conn, event string, want ...string) {
	t.Helper()
	version, err := strconv.Atoi(text(ctx, t, conn, "SHOW server_version_num"))
	must(t, err)
	if version < 170000 {
		want = []string{"Extension"}
	}
	if !slices.Contains(want, event) {
		t.Errorf("on version %d the session waits for %s, want %v", version, event, want)
	}
}

// On the leader and on a follower alike, a wait has a name, and ends when its
// own time is up, at statement_timeout, at pg_cancel_backend and at
// pg_terminate_backend; the apply worker waits under a name, too.
func waitsOnEveryNode(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	const sql = "SELECT pgraft_wait_applied(1::bigint << 40, '1h')"
	for _, server := range []*pgcluster.Server{leader, s.others(leader)[0]} {
		conn, control := connect(ctx, t, server), connect(ctx, t, server)
		if ok, err := sqlapi.WaitApplied(ctx, conn, 1<<40, "100ms"); err != nil || ok {
			t.Errorf("node %d: a wait that ends by itself = %v, %v; want false", server.NodeID, ok, err)
		}
		set(ctx, t, conn, "statement_timeout", "200ms")
		_, err := conn.Exec(ctx, sql)
		wantState(t, "57014", err, "statement_timeout")
		set(ctx, t, conn, "statement_timeout", "0")
		for _, end := range []struct{ call, state string }{{"pg_cancel_backend", "57014"}, {"pg_terminate_backend", "57P01"}} {
			ended := make(chan error, 1)
			go func() {
				_, err := conn.Exec(ctx, sql)
				ended <- err
			}()
			waitsFor(ctx, t, control, conn.PgConn().PID())
			event := text(ctx, t, control, "SELECT wait_event FROM pg_stat_activity WHERE pid = $1", conn.PgConn().PID())
			wantWaitEvent(ctx, t, control, event, waitEvents...)
			exec(ctx, t, control, "SELECT "+end.call+"($1)", conn.PgConn().PID())
			wantState(t, end.state, <-ended, end.call)
		}
		must(t, wait.For(ctx, settleLimit, "the apply worker to wait", func(ctx context.Context) error {
			var got *string
			err := control.QueryRow(ctx, "SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'pgraft apply' AND wait_event_type = 'Extension'").Scan(&got)
			if err == nil {
				wantWaitEvent(ctx, t, control, *got, append(waitEvents, "PgraftApplyMain")...)
			}
			return err
		}))
	}
}

// A new member that goes away between the look at it and its first entry is
// added all the same: true, with a NOTICE. It costs the cluster nothing, and
// votes once it has caught up.
func addsANodeThatIsSlow(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 2, nil)
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	first, second := c.Servers[0], c.Servers[1]
	s.leader(ctx, t, first)
	between := newProxy(t, second.RaftPort)
	between.cutAfter(1)

	config, err := pgx.ParseConfig(first.URL())
	must(t, err)
	var notices []string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
	conn, err := pgx.ConnectConfig(ctx, config)
	must(t, err)
	defer conn.Close(context.WithoutCancel(ctx))
	added, err := sqlapi.AddNode(ctx, conn, second.NodeID, "127.0.0.1", between.port())
	if err != nil || !added {
		t.Fatalf("pgraft_add_node() of a node that is slow = %v, %v; want true", added, err)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "still catching up") {
		t.Errorf("the notices are %q, want that it is still catching up", notices)
	}
	for i := range 5 { // with a voter that is away this would wait for it
		must(t, sqlapi.Replicate(ctx, conn, fmt.Sprintf("without it %d", i)))
	}
	rows, err := sqlapi.ClusterStatus(ctx, conn)
	must(t, err)
	if len(rows) != 2 || rows[1].State != "Unreachable" && rows[1].State != "Learner" {
		t.Errorf("the members are %+v", rows)
	}
	if leads, err := sqlapi.IsLeader(ctx, conn); err != nil || !leads {
		t.Errorf("pgraft_is_leader() = %v, %v", leads, err)
	}
	between.heal()
	must(t, wait.For(ctx, settleLimit, "the node to vote", func(ctx context.Context) error {
		rows, err := sqlapi.ClusterStatus(ctx, conn)
		if err == nil && (len(rows) != 2 || rows[1].State != "Follower") {
			err = fmt.Errorf("the members are %+v", rows)
		}
		return err
	}))
}

// DDL on the tables that are applied to, on every node in its own way and at the
// same time: applying waits for locks, goes on after errors, and misses nothing.
func appliesBesideDDL(ctx context.Context, t *testing.T, s *suite) {
	c := s.applyCluster(ctx, t, nodes, nil)
	ledger := newLedger()
	load := startLoad(ctx, "ddl", ledger, c.Servers)
	var group errgroup.Group
	for _, server := range c.Servers {
		conn := connect(ctx, t, server)
		group.Go(func() error {
			for i := range 5 {
				for _, sql := range []string{
					fmt.Sprintf("ALTER TABLE applied ADD COLUMN extra%d int DEFAULT %d", i, i),
					fmt.Sprintf("CREATE INDEX CONCURRENTLY by_data%d ON applied (data)", i),
					"BEGIN; LOCK TABLE applied; SELECT count(*) FROM applied; COMMIT",
					"CREATE OR REPLACE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE sql AS 'INSERT INTO applied (index, term, data) VALUES ($1, $2, $3)'",
					"BEGIN; DROP FUNCTION apply_entry; CREATE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO applied (index, term, data) VALUES (index, term, data); END $$; COMMIT",
					fmt.Sprintf("ALTER TABLE applied DROP COLUMN extra%d", i),
					"ALTER TABLE applied RENAME TO moved",
					"ALTER TABLE moved RENAME TO applied",
					"VACUUM FULL applied",
				} {
					if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
						return fmt.Errorf("node %d: %s: %w", server.NodeID, shorten(sql), err)
					}
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	load.stop(t)
	for _, server := range c.Servers { // not to wait for a retry that was put off
		exec(ctx, t, connect(ctx, t, server), "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	}
	checkApplied(ctx, t, c.Servers...)
	ledger.check(ctx, t, c.Servers...)
}

// What goes to the server log follows pgraft.log_level, at a reload, and
// pgraft_set_debug(), at once, for both directions.
func logsWhatItIsTold(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 1, nil)
	server := c.Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	conn := connect(ctx, t, server)
	// lines counts the engine's lines that an action leads to; the core starts
	// anew with it, which it has something to say about at every level.
	lines := func(word string, action func()) int {
		t.Helper()
		before, err := server.LogSize()
		must(t, err)
		action()
		s.leader(ctx, t, server)
		b, err := os.ReadFile(server.LogPath)
		must(t, err)
		n := 0
		for line := range strings.Lines(string(b[before:])) {
			if strings.Contains(line, "pgraft engine ") && strings.Contains(line, word) {
				n++
			}
		}
		return n
	}
	entries := 100
	reload := func(level string) func() {
		return func() {
			t.Helper()
			entries++ // a change of it starts the core anew, in a newer term
			term, err := sqlapi.Term(ctx, conn)
			must(t, err)
			must(t, server.Set(map[string]string{"pgraft.log_level": level, "pgraft.snapshot_entries": strconv.Itoa(entries)}))
			exec(ctx, t, conn, "SELECT pg_reload_conf()")
			must(t, wait.For(ctx, settleLimit, "the core to start anew", func(ctx context.Context) error {
				now, err := sqlapi.Term(ctx, conn)
				if err == nil && now == term {
					err = fmt.Errorf("it is still in term %d", now)
				}
				return err
			}))
		}
	}
	if n := lines("LOG:", reload("info")); n == 0 {
		t.Error("at info, the engine says nothing of a new term")
	}
	if n := lines("", reload("error")); n > 1 { // the line that ends the old level
		t.Errorf("at error, the engine says %d things of a healthy restart of its core", n)
	}
	on := func(debug bool) func() {
		return func() {
			t.Helper()
			if ok, err := sqlapi.SetDebug(ctx, conn, debug); err != nil || !ok {
				t.Errorf("pgraft_set_debug(%v) = %v, %v", debug, ok, err)
			}
			reload("error")()
		}
	}
	if n := lines("", on(true)); n < 2 {
		t.Errorf("with pgraft_set_debug(true) the engine says %d things", n)
	}
	if n := lines("", on(false)); n > 1 {
		t.Errorf("with pgraft_set_debug(false) again the engine says %d things", n)
	}
	_, err := conn.Exec(ctx, "SELECT pgraft_set_debug(NULL)")
	wantState(t, "22004", err, "pgraft_set_debug(NULL)")
}

// The functions go to the schema that CREATE EXTENSION picks, which may be pgraft;
// the tables are in schema pgraft in any case.
func installsInASchema(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	conn := connect(ctx, t, s.cluster.Servers[0])
	exec(ctx, t, conn, "CREATE DATABASE elsewhere TEMPLATE template0")
	defer exec(ctx, t, conn, "DROP DATABASE elsewhere WITH (FORCE)")
	other, err := pgx.Connect(ctx, strings.Replace(s.cluster.Servers[0].URL(), "/postgres?", "/elsewhere?", 1))
	must(t, err)
	defer other.Close(context.WithoutCancel(ctx))
	exec(ctx, t, other, "CREATE SCHEMA raft")
	exec(ctx, t, other, "CREATE EXTENSION pgraft SCHEMA raft")
	if got := text(ctx, t, other, "SELECT string_agg(DISTINCT nspname, ' ') FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE proname LIKE 'pgraft\\_%'"); got != "raft" {
		t.Errorf("the functions are in %s, want raft", got)
	}
	for _, sql := range []string{"SELECT count(*) FROM raft.pgraft_get_nodes", "SELECT count(*) FROM raft.pgraft_stat_node", "SELECT count(*) FROM raft.pgraft_stat_apply"} {
		if got := text(ctx, t, other, sql+" WHERE true"); got == "0" {
			t.Errorf("%s: no rows", sql)
		}
	}
	_, err = other.Exec(ctx, "ALTER EXTENSION pgraft SET SCHEMA public")
	wantState(t, "0A000", err, "a move to another schema")
	exec(ctx, t, other, "DROP EXTENSION pgraft")
	if got := text(ctx, t, other, "SELECT count(*)::text FROM pg_namespace WHERE nspname = 'pgraft'"); got != "0" {
		t.Error("DROP EXTENSION leaves schema pgraft behind")
	}
	exec(ctx, t, other, "CREATE SCHEMA pgraft")
	exec(ctx, t, other, "CREATE EXTENSION pgraft SCHEMA pgraft")
	if got := text(ctx, t, other, "SELECT state || ' ' || (SELECT count(*) FROM pgraft.apply_progress) FROM pgraft.pgraft_stat_apply"); got != "idle 0" {
		t.Errorf("all in schema pgraft, applying is %s", got)
	}
	exec(ctx, t, other, "DROP EXTENSION pgraft")
}
