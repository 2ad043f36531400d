//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// writeEntries replicates n entries from several sessions.
func writeEntries(ctx context.Context, t *testing.T, server *pgcluster.Server, name string, n int) {
	t.Helper()
	const sessions = 8
	var group errgroup.Group
	for session := range sessions {
		conn := connect(ctx, t, server)
		group.Go(func() error {
			for i := session; i < n; i += sessions {
				if err := sqlapi.Replicate(ctx, conn, fmt.Sprintf("%s %d", name, i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
}

// The log is cut to what the settings say, but on no node before what any
// member's database has still to apply.
func keepsWhatItHasToApply(ctx context.Context, t *testing.T, s *suite) {
	const kept, written = 100, 1000
	c := s.applyCluster(ctx, t, nodes, map[string]string{
		"pgraft.retain_entries": fmt.Sprint(kept), "pgraft.snapshot_entries": "50"})
	behind := c.Servers[1]
	conn := connect(ctx, t, behind)
	exec(ctx, t, conn, "ALTER TABLE applied ADD CONSTRAINT no_poison CHECK (data <> 'poison')")
	must(t, sqlapi.Replicate(ctx, connect(ctx, t, c.Servers[0]), "poison"))
	failing := *waitForState(ctx, t, conn, "failed", nil).Failing
	writeEntries(ctx, t, c.Servers[0], "first", written)
	waitApplied(ctx, t, c.Servers[0], c.Servers[2])

	for _, server := range c.Servers {
		must(t, server.Restart(ctx)) // the engine is up long before it hears what is needed
	}
	s.leader(ctx, t, c.Servers...)
	writeEntries(ctx, t, c.Servers[0], "second", written)
	for _, server := range c.Servers {
		if got := text(ctx, t, connect(ctx, t, server), "SELECT pgraft_log_get_entry($1)", failing); got != "poison" {
			t.Errorf("entry %d is %q on node %d, and node %d has still to apply it", failing, got, server.NodeID, behind.NodeID)
		}
	}
	conn = connect(ctx, t, behind)
	exec(ctx, t, conn, "ALTER TABLE applied DROP CONSTRAINT no_poison")
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	sameTables(ctx, t, c.Servers...)
	for _, server := range c.Servers {
		s.waitCut(ctx, t, server, failing)
	}
}

// waitCut waits until a node's log no longer holds an entry. Logs are looked at
// when they grow.
func (s *suite) waitCut(ctx context.Context, t *testing.T, server *pgcluster.Server, index int64) {
	t.Helper()
	conn := connect(ctx, t, server)
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to cut its log", server.NodeID), func(ctx context.Context) error {
		if err := sqlapi.Replicate(ctx, conn, "to have it look"); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "SELECT pgraft_log_get_entry($1)", index)
		switch {
		case err == nil:
			return fmt.Errorf("it still has entry %d", index)
		case isState(err, "22003"):
			return nil
		}
		return err
	}))
}

func isState(err error, state string) bool {
	var pgErr interface{ SQLState() string }
	return errors.As(err, &pgErr) && pgErr.SQLState() == state
}

// sameTables waits until all have applied the same, where the log is no longer
// there to compare with.
func sameTables(ctx context.Context, t *testing.T, servers ...*pgcluster.Server) {
	t.Helper()
	for _, server := range servers[1:] {
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to have the rows of node %d", server.NodeID, servers[0].NodeID), func(ctx context.Context) error {
			first, err := appliedRows(ctx, servers[0]) // which may have to catch up itself
			if err != nil {
				return err
			}
			rows, err := appliedRows(ctx, server)
			if err == nil && !slices.Equal(rows, first) {
				err = fmt.Errorf("%d rows and %d: %s", len(rows), len(first), difference(first, rows))
			}
			return err
		}))
	}
}

// The database need not be there: the worker waits for it, lets go of it when it
// is dropped or renamed, and begins where the new one stands.
func survivesItsDatabase(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 1, map[string]string{"pgraft.database": "app"})
	must(t, c.Start(ctx))
	server := c.Servers[0]
	initialise(ctx, t, server)
	conn := connect(ctx, t, server)
	inApp := func() *pgx.Conn {
		t.Helper()
		app, err := pgx.Connect(ctx, strings.Replace(server.URL(), "/postgres?", "/app?", 1))
		must(t, err)
		return app
	}
	set := func() {
		t.Helper()
		app := inApp()
		defer app.Close(ctx)
		exec(ctx, t, app, "CREATE EXTENSION pgraft")
		exec(ctx, t, app, applyTables)
		exec(ctx, t, app, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	}
	check := func(want string) {
		t.Helper()
		settleApplied(ctx, t, server)
		app := inApp()
		defer app.Close(ctx)
		if got := text(ctx, t, app, "SELECT string_agg(data, ', ' ORDER BY place) FROM applied"); got != want {
			t.Errorf("applied is %q, want %q", got, want)
		}
	}
	must(t, sqlapi.Replicate(ctx, conn, "one"))
	away := waitForState(ctx, t, conn, "connecting", func(a applyState) bool { return a.Error != nil })
	if *away.Code != "3D000" || !strings.Contains(*away.Error, `"app" does not exist`) {
		t.Errorf("the worker that cannot connect shows %s %s", *away.Code, *away.Error)
	}
	exec(ctx, t, conn, "CREATE DATABASE app")
	waitForState(ctx, t, conn, "idle", nil)
	set()
	check("one")

	// Away and back under another name; nothing is applied meanwhile, nor twice.
	exec(ctx, t, conn, "ALTER DATABASE app ALLOW_CONNECTIONS false")
	exec(ctx, t, conn, "SELECT pg_terminate_backend(pid, 10000) FROM pgraft_stat_apply")
	exec(ctx, t, conn, "ALTER DATABASE app RENAME TO elsewhere")
	must(t, sqlapi.Replicate(ctx, conn, "two"))
	waitForState(ctx, t, conn, "connecting", nil)
	exec(ctx, t, conn, "ALTER DATABASE elsewhere RENAME TO app")
	exec(ctx, t, conn, "ALTER DATABASE app ALLOW_CONNECTIONS true")
	waitForState(ctx, t, conn, "running", nil)
	check("one, two")

	exec(ctx, t, conn, "DROP DATABASE app WITH (FORCE)")
	waitForState(ctx, t, conn, "connecting", nil)
	exec(ctx, t, conn, "CREATE DATABASE app")
	waitForState(ctx, t, conn, "idle", nil)
	set()
	check("one, two")
}

// A node that was away, and one that joins late, get a snapshot of the cluster's
// own state in place of the log. What their databases have to apply they get
// from the other members.
func appliesWhatItsLogLacks(ctx context.Context, t *testing.T, s *suite) {
	c := s.applyCluster(ctx, t, nodes, map[string]string{"pgraft.snapshot_entries": "50"})
	away := c.Servers[2]
	must(t, away.Stop(ctx))
	writeEntries(ctx, t, c.Servers[0], "while it is away", 500)
	for _, server := range c.Servers[:2] {
		must(t, server.Restart(ctx)) // their cores begin at the newest snapshot
	}
	s.leader(ctx, t, c.Servers[:2]...)
	must(t, away.Start(ctx))
	writeEntries(ctx, t, c.Servers[0], "when it is back", 20)
	checkApplied(ctx, t, c.Servers...)

	late, err := c.AddServer(ctx, nil)
	must(t, err)
	must(t, late.Start(ctx))
	initialise(ctx, t, late)
	addNode(ctx, t, connect(ctx, t, s.leader(ctx, t, c.Servers[:nodes]...)), late)
	conn := connect(ctx, t, late)
	_, err = conn.Exec(ctx, "SELECT pgraft_log_get_entry(20)")
	wantState(t, "22003", err, "an entry that came as a snapshot")
	exec(ctx, t, conn, applyTables)
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	writeEntries(ctx, t, late, "from the late one", 20)
	if log := checkApplied(ctx, t, c.Servers...); len(log) != 540 {
		t.Errorf("the log has %d entries, want 540", len(log))
	}
}

// Entries that no member has any more stop a node that needs them, which says
// so; a dump of another node's database, or a skip, gets it past them.
func saysWhatIsGone(ctx context.Context, t *testing.T, s *suite) {
	c := s.applyCluster(ctx, t, 1, map[string]string{"pgraft.retain_entries": "50", "pgraft.snapshot_entries": "20"})
	server := c.Servers[0]
	conn := connect(ctx, t, server)
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function(NULL)")
	waitForState(ctx, t, conn, "idle", nil)
	exec(ctx, t, conn, "TRUNCATE applied; TRUNCATE pgraft.apply_progress")
	writeEntries(ctx, t, server, "dropped", 300)
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	failed := waitForState(ctx, t, conn, "failed", nil)
	if *failed.Code != "55000" || !strings.Contains(*failed.Error, "no longer in the log of any node") || failed.Failing == nil {
		t.Fatalf("it failed with %+v", failed)
	}
	exec(ctx, t, conn, "SELECT pgraft_apply_skip($1)", *failed.Failing)
	waitForState(ctx, t, conn, "running", nil)
	waitApplied(ctx, t, server)
	if got, want := text(ctx, t, conn, "SELECT min(index)::text FROM applied"), fmt.Sprint(*failed.Failing+1); got != want {
		t.Errorf("the first entry applied is %s, want %s", got, want)
	}

	// A progress of another cluster is no progress.
	exec(ctx, t, conn, "UPDATE pgraft.apply_progress SET cluster = gen_random_uuid()")
	exec(ctx, t, conn, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	waitForState(ctx, t, conn, "failed", func(a applyState) bool { return strings.Contains(*a.Error, "another pgraft cluster") })
}
