//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

const exampleDir = "../../pgext/examples/config_store"

// exampleCluster is a cluster with a file of the example run on each node, as
// it stands.
func (s *suite) exampleCluster(ctx context.Context, t *testing.T, files ...string) *pgcluster.Cluster {
	t.Helper()
	c := s.extraCluster(ctx, t, nodes, nil)
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	leader := connect(ctx, t, s.leader(ctx, t, c.Servers[0]))
	for _, server := range c.Servers[1:] {
		addNode(ctx, t, leader, server)
	}
	for _, server := range c.Servers {
		for _, file := range files {
			sql, err := os.ReadFile(filepath.Join(exampleDir, file))
			must(t, err)
			runScript(ctx, t, connect(ctx, t, server), string(sql))
		}
	}
	return c
}

func runScript(ctx context.Context, t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// insist calls config_set until it is true, as the example's page says.
func insist(ctx context.Context, t *testing.T, conn *pgx.Conn, key, value, user, request string) error {
	for {
		_, err := conn.Exec(ctx, "SELECT config_set($1, $2, $3, $4)", key, value, user, request)
		var pgErr *pgconn.PgError
		if err == nil || !errors.As(err, &pgErr) || pgErr.Code != "40003" {
			return err
		}
	}
}

// The configuration store, from its files: writers on all nodes at once, one
// history on all, a retry recorded once.
func runsTheConfigStore(ctx context.Context, t *testing.T, s *suite) {
	c := s.exampleCluster(ctx, t, "config_store.sql")
	const writes = 50
	var group errgroup.Group
	for i, server := range c.Servers {
		conn := connect(ctx, t, server)
		group.Go(func() error {
			for n := range writes {
				request := fmt.Sprintf("00000000-0000-0000-%04x-%012x", i, n)
				for range 1 + n%2 { // every second one twice
					if err := insist(ctx, t, conn, "shared", fmt.Sprint(n), fmt.Sprintf("node %d", server.NodeID), request); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	conn := connect(ctx, t, c.Servers[0])
	exec(ctx, t, conn, "SELECT config_set('gone', '{\"a\": [1, null, \"ü\"]}', 'alice'), config_set('null', 'null', 'alice')")
	exec(ctx, t, conn, "SELECT config_delete('gone', 'bob')")
	exec(ctx, t, conn, "SELECT pgraft_replicate_entry('something else'), pgraft_replicate_entry('')")

	settleApplied(ctx, t, c.Servers...)
	var first string
	for i, server := range c.Servers {
		conn := connect(ctx, t, server)
		history := text(ctx, t, conn, "SELECT string_agg(h::text, E'\\n' ORDER BY log_index) FROM config_history h") +
			text(ctx, t, conn, "SELECT string_agg(s::text, E'\\n' ORDER BY key) FROM config_store s")
		if i == 0 {
			first = history
		} else if history != first {
			t.Errorf("node %d has\n%s\nnode 1 has\n%s", server.NodeID, history, first)
		}
		for query, want := range map[string]string{
			"SELECT count(*)::text || ' ' || max(version) FROM config_history WHERE key = 'shared'":                              fmt.Sprint(nodes*writes, " ", nodes*writes),
			"SELECT (value = config_get('shared'))::text FROM config_history WHERE key = 'shared' ORDER BY version DESC LIMIT 1": "true",
			"SELECT config_get('gone')::text": "NULL",
			"SELECT config_get('null')::text": "null",
			"SELECT string_agg(version || ' ' || coalesce(value->'a'->>2, '-') || ' ' || changed_by, ', ' ORDER BY version) FROM config_history WHERE key = 'gone'": "1 ü alice, 2 - bob",
		} {
			if got := text(ctx, t, conn, query); got != want {
				t.Errorf("node %d: %s is %q, want %q", server.NodeID, query, got, want)
			}
		}
	}
	for sql, state := range map[string]string{
		"SELECT config_set(NULL, '1', 'alice')":                 "22004",
		"SELECT config_set('k', NULL, 'alice')":                 "22004",
		"SELECT config_set(repeat('k', 1001), '1', 'alice')":    "54000",
		"SELECT config_set('k', '1', 'alice', request => NULL)": "22004",
	} {
		_, err := conn.Exec(ctx, sql)
		wantState(t, state, err, sql)
	}
	exec(ctx, t, conn, "CREATE ROLE app; GRANT EXECUTE ON FUNCTION config_set, config_delete TO app; CREATE ROLE reader; SET ROLE app")
	exec(ctx, t, conn, "SELECT config_set('by app', '1', 'app')")
	exec(ctx, t, conn, "RESET ROLE; SET ROLE reader")
	exec(ctx, t, conn, "SELECT config_get('by app')")
	_, err := conn.Exec(ctx, "SELECT config_set('by reader', '1', 'reader')")
	wantState(t, "42501", err, "config_set without the right")
}

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// The page's statements run in their order, and say what the page says. The
// leader-local variant writes on the leader only, and there alone it reads.
func walksThroughTheConfigStore(ctx context.Context, t *testing.T, s *suite) {
	c := s.exampleCluster(ctx, t, "config_store.sql", "leader_local.sql")
	page, err := os.ReadFile(filepath.Join(exampleDir, "README.md"))
	must(t, err)
	leader := s.leader(ctx, t, c.Servers...)
	conn := connect(ctx, t, leader)
	blocks := sqlBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d blocks of SQL in the page", len(blocks))
	}
	for _, block := range blocks {
		runScript(ctx, t, conn, block[1])
	}
	settleApplied(ctx, t, c.Servers...)
	for _, server := range c.Servers {
		conn := connect(ctx, t, server)
		got := text(ctx, t, conn, "SELECT string_agg(key || ' ' || version || ' ' || coalesce(value::text, '-'), ', ' ORDER BY log_index) FROM config_history")
		if want := `pool_size 1 20, motd 1 {"de": "Hallo", "en": "Hello"}, pool_size 2 40, motd 2 -, pool_size 3 60`; got != want {
			t.Errorf("node %d: the history is %s, want %s", server.NodeID, got, want)
		}
		local, want := text(ctx, t, conn, "SELECT leader_local.config_get('pool_size')::text"), "NULL"
		if server == leader {
			want = "20"
		} else {
			_, err := conn.Exec(ctx, "SELECT leader_local.config_set('pool_size', '30', 'alice')")
			if pgErr := wantState(t, "55000", err, "config_set on a follower"); pgErr != nil && !strings.Contains(pgErr.Hint, fmt.Sprint(leader.NodeID)) {
				t.Errorf("the hint %q does not name node %d", pgErr.Hint, leader.NodeID)
			}
		}
		if local != want {
			t.Errorf("node %d: the leader-local value is %s, want %s", server.NodeID, local, want)
		}
	}
}
