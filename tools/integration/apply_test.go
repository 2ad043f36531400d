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
	conn, err := server.Conn(ctx)
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
	_, stats, err := look(ctx, servers[0])
	must(t, err)
	for _, server := range servers {
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to apply up to %d", server.NodeID, stats.LastApplied), func(ctx context.Context) error {
			conn, err := server.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			var state, lastError string
			var index int64
			err = conn.QueryRow(ctx, "SELECT state, coalesce(applied_index, 0), coalesce(last_error, '') FROM pgraft_stat_apply").Scan(&state, &index, &lastError)
			if err == nil && index < stats.LastApplied {
				err = fmt.Errorf("it is %s at %d %s", state, index, lastError)
			}
			return err
		}))
	}
	log, err := sqlapi.Entries(ctx, connect(ctx, t, servers[0]), 1, stats.LastApplied)
	must(t, err)
	return log
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
