//go:build integration

package integration

import (
	"context"
	"slices"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// surface is what clusters in the field depend on: arguments and results.
var surface = map[string][2]string{
	"pgraft_init":                       {"bootstrap boolean DEFAULT NULL::boolean", "boolean"},
	"pgraft_add_node":                   {"node_id integer, address text, port integer", "boolean"},
	"pgraft_remove_node":                {"node_id integer", "boolean"},
	"pgraft_replace_node":               {"old_node_id integer, new_node_id integer, address text, port integer", "boolean"},
	"pgraft_is_leader":                  {"", "boolean"},
	"pgraft_get_leader":                 {"", "integer"},
	"pgraft_get_term":                   {"", "bigint"},
	"pgraft_get_nodes":                  {"", "TABLE(node_id integer, address text, port integer, is_leader boolean)"},
	"pgraft_get_cluster_status":         {"", "TABLE(node_id integer, address text, port integer, is_leader boolean, state text, term bigint, commit_index bigint, last_log_index bigint, last_heartbeat text)"},
	"pgraft_replicate_entry":            {"data text", "boolean"},
	"pgraft_log_get_stats":              {"", "TABLE(log_size bigint, last_index bigint, commit_index bigint, last_applied bigint)"},
	"pgraft_log_get_entry":              {"index bigint", "text"},
	"pgraft_log_get_replication_status": {"", "TABLE(node_id integer, match_index bigint, next_index bigint, is_replicating boolean, last_heartbeat text)"},
	"pgraft_get_worker_state":           {"", "text"},
	"pgraft_get_version":                {"", "text"},
	"pgraft_set_debug":                  {"enabled boolean", "boolean"},
	"pgraft_transfer_leadership":        {"node_id integer DEFAULT NULL::integer", "boolean"},
	"pgraft_propose":                    {"data text, request_id uuid DEFAULT NULL::uuid", "TABLE(index bigint, term bigint)"},
	"pgraft_confirm_leader":             {"", "bigint"},
	"pgraft_recover_from_lost_quorum":   {"confirm text", "boolean"},
	"pgraft_log_entries":                {"first bigint, last bigint", "TABLE(index bigint, term bigint, kind text, data text)"},
	"pgraft_read_barrier":               {"", "bigint"},
	"pgraft_wait_applied":               {"index bigint, timeout interval DEFAULT '00:00:10'::interval", "boolean"},
	"pgraft_trace_save":                 {"path text", "bigint"},
	"pgraft_set_apply_function":         {"apply regprocedure, export regprocedure DEFAULT NULL::regprocedure, import regprocedure DEFAULT NULL::regprocedure", "void"},
	"pgraft_apply_skip":                 {"index bigint", "void"},
	"pgraft_enable_failover":            {"", "boolean"},
	"pgraft_disable_failover":           {"", "boolean"},
	"pgraft_failover_settings": {"INOUT mode text DEFAULT NULL::text, INOUT durability text DEFAULT NULL::text, INOUT sync_count integer DEFAULT NULL::integer, " +
		"INOUT failover_delay interval DEFAULT NULL::interval, INOUT sync_timeout interval DEFAULT NULL::interval, INOUT maximum_lag bigint DEFAULT NULL::bigint", "record"},
	"pgraft_switchover":       {"node_id integer DEFAULT NULL::integer, timeout interval DEFAULT '00:01:00'::interval", "boolean"},
	"pgraft_failover":         {"node_id integer, allow_data_loss text DEFAULT NULL::text", "boolean"},
	"pgraft_clear_quarantine": {"node_id integer", "boolean"},
	"pgraft_get_primary":      {"", "integer"},
	"pgraft_health_check":     {"", "TABLE(metric text, value text, status text)"},
}

// Names, argument lists and column lists are those of the contract, without
// overloads, and parallel workers ask the engine nothing.
func hasTheSurface(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	conn := connect(ctx, t, s.cluster.Servers[0])
	rows, err := conn.Query(ctx, `SELECT proname::text, pg_get_function_arguments(oid), pg_get_function_result(oid), proparallel::text
		FROM pg_proc WHERE proname LIKE 'pgraft\_%' ORDER BY proname`)
	must(t, err)
	defer rows.Close()
	found := map[string]int{}
	for rows.Next() {
		var name, arguments, result, parallel string
		must(t, rows.Scan(&name, &arguments, &result, &parallel))
		found[name]++
		if parallel == "u" {
			t.Errorf("%s is PARALLEL UNSAFE; the contract says RESTRICTED or safer", name)
		}
		want, known := surface[name]
		if !known {
			t.Logf("not in the contract: %s(%s)", name, arguments)
			continue
		}
		if arguments != want[0] || result != want[1] {
			t.Errorf("%s(%s) returns %s; the contract says (%s) returns %s", name, arguments, result, want[0], want[1])
		}
		if parallel == "s" && name != "pgraft_get_version" {
			t.Errorf("%s is PARALLEL SAFE, but asks the engine, which parallel workers cannot", name)
		}
	}
	must(t, rows.Err())
	for name := range surface {
		if found[name] != 1 {
			t.Errorf("%d functions %s, want 1", found[name], name)
		}
	}
	var version string
	var relocatable bool
	must(t, conn.QueryRow(ctx, "SELECT extversion, extrelocatable FROM pg_extension WHERE extname = 'pgraft'").Scan(&version, &relocatable))
	if version != "1.1" || relocatable {
		t.Errorf("the extension has version %s, relocatable %v; want 1.1, false", version, relocatable)
	}
}

// The extension makes no roles; its grants let a site make its own.
func letsRolesIn(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	conn := connect(ctx, t, leader)
	exec := func(sql string) {
		t.Helper()
		_, err := conn.Exec(ctx, sql)
		must(t, err)
	}
	exec("CREATE ROLE nobody_special; CREATE ROLE watcher; GRANT pg_monitor TO watcher; CREATE ROLE pgraft_admin")
	defer exec(`RESET ROLE; DROP OWNED BY pgraft_admin, watcher, nobody_special; DROP ROLE pgraft_admin, watcher, nobody_special`)
	exec("GRANT EXECUTE ON FUNCTION pgraft_add_node TO pgraft_admin; GRANT SELECT ON pgraft_get_nodes TO pgraft_admin")

	changes := []string{"SELECT pgraft_init()", "SELECT pgraft_add_node(9, '127.0.0.1', 1)", "SELECT pgraft_remove_node(9)",
		"SELECT pgraft_replace_node(9, 10, '127.0.0.1', 1)",
		"SELECT pgraft_replicate_entry('not allowed')", "SELECT pgraft_set_debug(false)",
		"SELECT * FROM pgraft_propose('not allowed')", "SELECT pgraft_transfer_leadership(9)",
		"SELECT pgraft_enable_failover()", "SELECT pgraft_disable_failover()", "SELECT pgraft_failover_settings()",
		"SELECT pgraft_switchover()", "SELECT pgraft_failover(9)", "SELECT pgraft_clear_quarantine(9)",
		"SELECT pgraft_recover_from_lost_quorum('x')", "SELECT pgraft_trace_save('/tmp/not-allowed')"}
	reads := []string{"SELECT * FROM pgraft_get_nodes()", "SELECT * FROM pgraft_get_nodes", "SELECT * FROM pgraft_get_cluster_status()",
		"SELECT * FROM pgraft_log_get_stats()", "SELECT * FROM pgraft_log_get_replication_status()", "SELECT pgraft_get_leader()",
		"SELECT pgraft_get_term()", "SELECT pgraft_get_worker_state()", "SELECT pgraft_log_get_entry(1)",
		"SELECT * FROM pgraft_log_entries(1, 5)", "SELECT pgraft_confirm_leader()", "SELECT pgraft_read_barrier()",
		"SELECT pgraft_wait_applied(1)", "SELECT * FROM pgraft_health_check()",
		"SELECT * FROM pgraft_stat_node", "SELECT * FROM pgraft_stat_peers",
		"SELECT * FROM pgraft_stat_failover", "SELECT * FROM pgraft_failover_history", "SELECT pgraft_get_primary()",
		"SELECT * FROM pgraft_stat_get_failover()", "SELECT * FROM pgraft_stat_get_failover_history()",
		"SELECT * FROM pgraft_stat_get_node()", "SELECT * FROM pgraft_stat_get_peers()"}
	open := []string{"SELECT pgraft_get_version()", "SELECT pgraft_is_leader()"}
	allowed := map[string][]string{
		"nobody_special": open,
		"watcher":        slices.Concat(open, reads),
		"pgraft_admin":   slices.Concat(open, []string{"SELECT * FROM pgraft_get_nodes"}),
	}
	for _, role := range []string{"nobody_special", "watcher", "pgraft_admin"} {
		exec("SET ROLE " + role)
		for _, sql := range slices.Concat(changes, reads, open) {
			_, err := conn.Exec(ctx, sql)
			switch {
			case slices.Contains(allowed[role], sql):
				if err != nil {
					t.Errorf("%s: %s: %v", role, sql, err)
				}
			case role == "pgraft_admin" && sql == changes[1]:
				// it may, and is told that node 9 is not there
				if pgErr := wantNotState(t, "42501", err, sql); pgErr != nil {
					t.Logf("%s: %s", sql, pgErr.Message)
				}
			default:
				wantState(t, "42501", err, role+": "+sql)
			}
		}
		exec("RESET ROLE")
	}
	if rows, err := sqlapi.Nodes(ctx, conn); err != nil || len(rows) != nodes {
		t.Errorf("the nodes are %+v, %v", rows, err)
	}
}
