//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A hot standby is a member like any other, leadership included. The copy of the
// primary's own node that it came with is refused.
func servesOnAStandby(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 1, nil)
	primary := c.Servers[0]
	must(t, primary.Start(ctx))
	initialise(ctx, t, primary)
	s.leader(ctx, t, primary)
	ledger := newLedger()
	ledger.replicate(ctx, t, connect(ctx, t, primary), "before the standby")
	must(t, primary.Stop(ctx))
	standby, err := c.AddStandby(ctx, primary, nil)
	must(t, err)
	must(t, primary.Start(ctx))
	must(t, standby.Start(ctx))

	conn := connect(ctx, t, standby)
	must(t, wait.For(ctx, settleLimit, "the copied node to be refused", func(ctx context.Context) error {
		state, err := sqlapi.WorkerState(ctx, conn)
		if err == nil && state != "error" {
			err = fmt.Errorf("its worker state is %q", state)
		}
		return err
	}))
	call{sql: "SELECT pgraft_init()", state: "55000", words: []string{"node 1", "2"}}.check(ctx, t, conn)
	must(t, standby.Stop(ctx))
	emptyDataDir(t, standby)
	must(t, os.Remove(filepath.Join(standby.DataDir, "pgraft.initialized")))
	must(t, standby.Start(ctx))

	conn = connect(ctx, t, standby)
	if got := text(ctx, t, conn, "SELECT pg_is_in_recovery()::text"); got != "true" {
		t.Fatalf("pg_is_in_recovery() = %s on the standby", got)
	}
	if got := text(ctx, t, conn, "SELECT pgraft_init()::text"); got != "true" {
		t.Errorf("pgraft_init() on a standby = %s", got)
	}
	addNode(ctx, t, connect(ctx, t, primary), standby)
	for i := range 10 {
		ledger.replicate(ctx, t, conn, fmt.Sprintf("from the standby #%d", i))
	}
	place, err := sqlapi.Propose(ctx, conn, "proposed on the standby", "")
	ledger.record("proposed on the standby", err)
	must(t, err)
	if point, err := sqlapi.ReadBarrier(ctx, conn); err != nil || point < place.Index {
		t.Errorf("a read barrier on the standby = %d, %v; want at least %d", point, err, place.Index)
	}
	for _, sql := range []string{
		"SELECT count(*) FROM pgraft_get_nodes", "SELECT count(*) FROM pgraft_get_cluster_status()", "SELECT count(*) FROM pgraft_log_get_stats()",
		"SELECT count(*) FROM pgraft_log_entries(1, 5)", "SELECT count(*) FROM pgraft_health_check()", "SELECT count(*) FROM pgraft_stat_node",
		"SELECT count(*) FROM pgraft_stat_peers", "SELECT count(*) FROM pgraft_stat_apply", "SELECT pgraft_wait_applied(2)::int", "SELECT pgraft_set_debug(false)::int",
		"SELECT pgraft_get_leader()", "SELECT pgraft_get_term()",
	} {
		var n int64
		if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil || n < 1 {
			t.Errorf("on a standby, %s = %d, %v", sql, n, err)
		}
	}
	if ok, err := answered(ctx, func() (bool, error) { return sqlapi.TransferLeadership(ctx, connect(ctx, t, primary), standby.NodeID) }); err != nil || !ok {
		t.Fatalf("pgraft_transfer_leadership(%d) = %v, %v", standby.NodeID, ok, err)
	}
	s.leader(ctx, t, standby)
	if term, err := sqlapi.ConfirmLeader(ctx, conn); err != nil || term < 1 {
		t.Errorf("pgraft_confirm_leader() on the standby = %d, %v", term, err)
	}
	ledger.replicate(ctx, t, connect(ctx, t, primary), "to a leader in recovery")
	exec(ctx, t, conn, "SELECT pgraft_read_barrier()")
	ledger.check(ctx, t, primary, standby)
}
