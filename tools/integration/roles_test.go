//go:build integration

package integration

import (
	"context"
	"slices"
	"testing"
)

// The statements of the contract, as a site runs them, and what the roles can
// and cannot do then.
func grantsRoles(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	conn := connect(ctx, t, leader)
	for _, sql := range []string{
		"CREATE ROLE pgraft_admin", "CREATE ROLE pgraft_monitor", "CREATE ROLE pgraft_writer",
		"GRANT EXECUTE ON FUNCTION pgraft_add_node TO pgraft_admin", // without an argument list
		"GRANT EXECUTE ON FUNCTION pgraft_remove_node TO pgraft_admin",
		"GRANT EXECUTE ON FUNCTION pgraft_transfer_leadership TO pgraft_admin",
		"GRANT SELECT ON pgraft_get_nodes TO pgraft_monitor",
		"GRANT SELECT ON pgraft_stat_node, pgraft_stat_peers TO pgraft_monitor",
		"GRANT EXECUTE ON FUNCTION pgraft_health_check TO pgraft_monitor",
		"GRANT EXECUTE ON FUNCTION pgraft_propose, pgraft_replicate_entry TO pgraft_writer",
	} {
		exec(ctx, t, conn, sql)
	}
	defer exec(ctx, t, conn, "RESET ROLE; DROP OWNED BY pgraft_admin, pgraft_monitor, pgraft_writer; DROP ROLE pgraft_admin, pgraft_monitor, pgraft_writer")

	open := []string{"SELECT pgraft_get_version()", "SELECT pgraft_is_leader()"}
	monitor := []string{"SELECT * FROM pgraft_get_nodes", "SELECT * FROM pgraft_stat_node", "SELECT * FROM pgraft_stat_peers",
		"SELECT * FROM pgraft_health_check()"}
	admin := []string{"SELECT pgraft_transfer_leadership(99)", "SELECT pgraft_remove_node(99)"} // allowed: 42704
	writer := []string{"SELECT pgraft_replicate_entry('by a writer')", "SELECT * FROM pgraft_propose('by a writer')"}
	rest := []string{"SELECT pgraft_init()", "SELECT pgraft_set_debug(false)", "SELECT pgraft_recover_from_lost_quorum('x')",
		"SELECT pgraft_get_leader()", "SELECT * FROM pgraft_get_nodes()", "SELECT pgraft_read_barrier()", "SELECT * FROM pgraft_log_entries(1, 2)"}
	for _, c := range []struct {
		role            string
		may, mayButFail []string
	}{
		{"pgraft_monitor", slices.Concat(open, monitor), nil},
		{"pgraft_admin", open, admin},
		{"pgraft_writer", slices.Concat(open, writer), nil},
	} {
		exec(ctx, t, conn, "SET ROLE "+c.role)
		for _, sql := range slices.Concat(open, monitor, admin, writer, rest) {
			_, err := conn.Exec(ctx, sql)
			switch {
			case slices.Contains(c.may, sql):
				if err != nil {
					t.Errorf("%s: %s: %v", c.role, sql, err)
				}
				if slices.Contains(writer, sql) {
					s.ledger.record("by a writer", err)
				}
			case slices.Contains(c.mayButFail, sql):
				wantState(t, "42704", err, c.role+": "+sql)
			default:
				wantState(t, "42501", err, c.role+": "+sql)
			}
		}
	}
	exec(ctx, t, conn, "RESET ROLE")
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)

	// Volatile all, for what they return changes within a statement; and no
	// parallel worker has a slot.
	if got := text(ctx, t, conn, `SELECT coalesce(string_agg(proname, ', ' ORDER BY proname), 'none') FROM pg_proc
		WHERE proname LIKE 'pgraft\_%' AND proname <> 'pgraft_get_version' AND (provolatile <> 'v' OR proparallel NOT IN ('r', 'u'))`); got != "none" {
		t.Errorf("these functions are not VOLATILE PARALLEL RESTRICTED: %s", got)
	}
}
