//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// wantState checks an error's SQLSTATE and returns the error, nil if there is
// none to look at.
func wantState(t *testing.T, state string, err error, what string) *pgconn.PgError {
	t.Helper()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		t.Errorf("%s: error %v, want SQLSTATE %s", what, err, state)
		return nil
	}
	if pgErr.Code != state {
		t.Errorf("%s: SQLSTATE %s (%s; DETAIL %s; HINT %s), want %s",
			what, pgErr.Code, pgErr.Message, pgErr.Detail, pgErr.Hint, state)
	}
	return pgErr
}

// wantWords checks that an error says something, in any of its parts.
func wantWords(t *testing.T, err *pgconn.PgError, words ...string) {
	t.Helper()
	text := err.Message + "\n" + err.Detail + "\n" + err.Hint
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("an error does not say %q:\n%s", w, text)
		}
	}
}

func between(t *testing.T, what string, took, low, high time.Duration) {
	t.Helper()
	if took < low || took > high {
		t.Errorf("%s: it took %s, want %s to %s", what, took, low, high)
	}
}

func set(ctx context.Context, t *testing.T, conn *pgx.Conn, name, value string) {
	t.Helper()
	_, err := conn.Exec(ctx, "SELECT set_config($1, $2, false)", name, value)
	must(t, err)
}

// call is one statement and the error it must raise.
type call struct {
	sql   string
	args  []any
	state string
	words []string // in message, DETAIL or HINT
	hint  []string // in HINT
}

func (c call) check(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.Exec(ctx, c.sql, c.args...)
	pgErr := wantState(t, c.state, err, c.sql)
	if pgErr == nil {
		return
	}
	wantWords(t, pgErr, c.words...)
	for _, w := range c.hint {
		if !strings.Contains(pgErr.Hint, w) {
			t.Errorf("%s: the HINT %q does not say %q", c.sql, pgErr.Hint, w)
		}
	}
}

// A call that cannot be right raises the SQLSTATE of the contract and changes
// nothing.
func refusesBadCalls(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	follower := s.others(leader)[0]
	onLeader, onFollower := connect(ctx, t, leader), connect(ctx, t, follower)
	_, stats, err := look(ctx, leader)
	must(t, err)

	where := fmt.Sprintf("127.0.0.1:%d", leader.RaftPort)
	leaderOnly := []string{fmt.Sprintf("node %d", leader.NodeID), where}
	for _, c := range []call{
		{sql: "SELECT pgraft_add_node(7, '127.0.0.1', 7007)", state: "55000", hint: leaderOnly},
		{sql: "SELECT pgraft_remove_node(2)", state: "55000", hint: leaderOnly},
		{sql: "SELECT pgraft_replace_node(2, 7, '127.0.0.1', 7007)", state: "55000", hint: leaderOnly},
	} {
		c.check(ctx, t, onFollower)
	}
	for _, c := range []call{
		{sql: fmt.Sprintf("SELECT pgraft_add_node(%d, '127.0.0.1', 7007)", follower.NodeID), state: "42710"},
		{sql: "SELECT pgraft_remove_node(77)", state: "42704", words: []string{"77"}},
		{sql: "SELECT pgraft_add_node(0, '127.0.0.1', 7007)", state: "22023"},
		{sql: "SELECT pgraft_add_node(-1, '127.0.0.1', 7007)", state: "22023"},
		{sql: "SELECT pgraft_add_node(7, '127.0.0.1', 0)", state: "22023"},
		{sql: "SELECT pgraft_add_node(7, '127.0.0.1', 65536)", state: "22023", words: []string{"65536"}},
		{sql: "SELECT pgraft_add_node(7, '', 7007)", state: "22023"},
		{sql: "SELECT pgraft_add_node(NULL, '127.0.0.1', 7007)", state: "22004"},
		{sql: "SELECT pgraft_add_node(7, NULL, 7007)", state: "22004"},
		{sql: "SELECT pgraft_add_node(7, '127.0.0.1', NULL)", state: "22004"},
		{sql: "SELECT pgraft_remove_node(NULL)", state: "22004"},
		{sql: "SELECT pgraft_replace_node(77, 7, '127.0.0.1', 7007)", state: "42704", words: []string{"77"}},
		{sql: "SELECT pgraft_replace_node(NULL, 7, '127.0.0.1', 7007)", state: "22004", words: []string{"old_node_id"}},
		{sql: "SELECT pgraft_replace_node(2, NULL, '127.0.0.1', 7007)", state: "22004", words: []string{"new_node_id"}},
		{sql: "SELECT pgraft_replace_node(0, 7, '127.0.0.1', 7007)", state: "22023", words: []string{"old_node_id"}},
		{sql: "SELECT pgraft_replace_node(2, -7, '127.0.0.1', 7007)", state: "22023", words: []string{"new_node_id", "-7"}},
		{sql: "SELECT pgraft_replace_node(2, 7, '', 7007)", state: "22023"},
		{sql: "SELECT pgraft_replace_node(2, 7, '127.0.0.1', 65536)", state: "22023", words: []string{"65536"}},
	} {
		c.check(ctx, t, onLeader)
	}
	beyond := stats.LastIndex + 1_000_000
	for conn, server := range map[*pgx.Conn]*pgcluster.Server{onLeader: leader, onFollower: follower} {
		for _, c := range []call{
			{sql: "SELECT pgraft_replicate_entry(NULL)", state: "22004"},
			{sql: "SELECT pgraft_replicate_entry(repeat('x', 1024 * 1024 + 1))", state: "54000", words: []string{"max_entry_size"}},
			{sql: "SELECT pgraft_log_get_entry($1)", args: []any{beyond}, state: "22003", words: []string{fmt.Sprint(beyond)}},
			{sql: "SELECT pgraft_log_get_entry(0)", state: "22003"},
			{sql: "SELECT pgraft_log_get_entry(-5)", state: "22003"},
			{sql: "SELECT pgraft_log_get_entry(NULL)", state: "22004"},
			{sql: "SELECT pgraft_set_debug(NULL)", state: "22004"},
			// node 1 founded the cluster, the others joined it: the state says otherwise
			{sql: fmt.Sprintf("SELECT pgraft_init(%v)", server.NodeID != 1), state: "55000"},
		} {
			c.check(ctx, t, conn)
		}
	}
	set(ctx, t, onFollower, "pgraft.max_entry_size", "1kB")
	call{sql: "SELECT pgraft_replicate_entry(repeat('x', 1025))", state: "54000"}.check(ctx, t, onFollower)
	s.ledger.replicate(ctx, t, onFollower, strings.Repeat("x", 1024))

	s.settle(ctx, t) // three members still, none of the refused entries in the log
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// pgraft_add_node looks at the node before it changes anything, and says what
// is wrong with it.
func refusesNodes(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	strangers := s.extraCluster(ctx, t, 2, nil)
	other, blank := strangers.Servers[0], strangers.Servers[1]
	must(t, other.Set(map[string]string{"pgraft.cluster_id": "elsewhere", "pgraft.node_id": "4"}))
	must(t, blank.Set(map[string]string{"pgraft.node_id": "5"}))
	must(t, strangers.Start(ctx))
	initialise(ctx, t, other)
	_, err := connect(ctx, t, blank).Exec(ctx, "CREATE EXTENSION pgraft")
	must(t, err)

	conn := connect(ctx, t, s.leader(ctx, t))
	const add = "SELECT pgraft_add_node($1, '127.0.0.1', $2)"
	nobody := freePort(ctx, t, s)
	var states []string
	for _, c := range []struct {
		id, port int
		words    []string
	}{
		{4, other.RaftPort, []string{"elsewhere", clusterID}},
		{5, blank.RaftPort, []string{"pgraft_init()"}},
		{6, nobody, []string{fmt.Sprintf("127.0.0.1:%d", nobody)}},
		{7, other.RaftPort, []string{"node 4"}}, // there is another node than the one meant
	} {
		began := time.Now()
		_, err := conn.Exec(ctx, add, c.id, c.port)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) {
			t.Errorf("adding node %d: %v, want an error of the server", c.id, err)
			continue
		}
		states = append(states, pgErr.Code)
		if c.id != 7 { // which of its two faults is named is up to the server
			wantWords(t, pgErr, c.words...)
		}
		between(t, fmt.Sprintf("refusing node %d", c.id), time.Since(began), 0, 15*time.Second)
	}
	t.Logf("SQLSTATEs %v", states)
	s.settle(ctx, t) // three members
	s.ledger.replicate(ctx, t, conn, "after the refusals")
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// freePort is a port that nothing listens on: that of a server not started.
func freePort(ctx context.Context, t *testing.T, s *suite) int {
	t.Helper()
	c := s.extraCluster(ctx, t, 1, nil)
	port := c.Servers[0].RaftPort
	must(t, c.Destroy())
	return port
}

// needsItsSettings walks one server through settings that cannot work.
func needsItsSettings(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, map[string]string{"shared_preload_libraries": pgcluster.Off}).Servers[0]
	must(t, server.Start(ctx))
	conn := connect(ctx, t, server)
	_, err := conn.Exec(ctx, "CREATE EXTENSION pgraft")
	must(t, err)
	if v, err := sqlapi.Version(ctx, conn); err != nil || v != "1.0.0" {
		t.Errorf("pgraft_get_version() without preload = %q, %v", v, err)
	}
	for _, sql := range []string{
		"SELECT pgraft_init()", "SELECT pgraft_add_node(2, '127.0.0.1', 7002)", "SELECT pgraft_remove_node(2)",
		"SELECT pgraft_is_leader()", "SELECT pgraft_get_leader()", "SELECT pgraft_get_term()",
		"SELECT * FROM pgraft_get_nodes()", "SELECT * FROM pgraft_get_nodes", "SELECT * FROM pgraft_get_cluster_status()",
		"SELECT pgraft_replicate_entry('x')", "SELECT * FROM pgraft_log_get_stats()", "SELECT pgraft_log_get_entry(1)",
		"SELECT * FROM pgraft_log_get_replication_status()", "SELECT pgraft_get_worker_state()", "SELECT pgraft_set_debug(true)",
		"SELECT pgraft_transfer_leadership()", "SELECT pgraft_recover_from_lost_quorum('x')", "SELECT * FROM pgraft_propose('x')", "SELECT pgraft_confirm_leader()",
		"SELECT * FROM pgraft_log_entries(1, 2)", "SELECT pgraft_read_barrier()", "SELECT pgraft_wait_applied(1)", "SELECT pgraft_trace_save('x')",
		"SELECT * FROM pgraft_health_check()", "SELECT * FROM pgraft_stat_node", "SELECT * FROM pgraft_stat_peers",
		"SELECT pgraft_set_apply_function(NULL)", "SELECT pgraft_apply_skip(1)", "SELECT * FROM pgraft_stat_apply",
	} {
		call{sql: sql, state: "55000", hint: []string{"shared_preload_libraries", "restart"}}.check(ctx, t, conn)
	}

	must(t, server.Set(map[string]string{"shared_preload_libraries": "pgraft", "pgraft.node_id": pgcluster.Off}))
	must(t, server.Restart(ctx))
	conn = connect(ctx, t, server)
	call{sql: "SELECT pgraft_init()", state: "55000", words: []string{"pgraft.node_id"}}.check(ctx, t, conn)
	if state, err := sqlapi.WorkerState(ctx, conn); err != nil || state != "stopped" {
		t.Errorf("without a node id the worker state is %q, %v; want stopped", state, err)
	}

	must(t, server.Unset("pgraft.node_id"))
	must(t, server.Set(map[string]string{"max_worker_processes": "0"}))
	must(t, server.Restart(ctx))
	conn = connect(ctx, t, server)
	asked := time.Now()
	call{sql: "SELECT pgraft_init()", state: "57P03", words: []string{"not running", "max_worker_processes"}, hint: []string{"max_worker_processes"}}.check(ctx, t, conn)
	between(t, "to say that the engine has no worker slot", time.Since(asked), 0, 4*time.Second)
	if state, err := sqlapi.WorkerState(ctx, conn); err != nil || state != "error" {
		t.Errorf("without a worker slot the worker state is %q, %v; want error", state, err)
	}
	if found, err := sqlapi.HealthCheck(ctx, conn); err != nil || len(found) != 1 || found[0].Value == nil || !strings.Contains(*found[0].Value, "max_worker_processes") {
		t.Errorf("without a worker slot pgraft_health_check() is %+v, %v", found, err)
	}
	must(t, server.Set(map[string]string{"pgraft.node_id": "-1"}))
	must(t, server.Restart(ctx))
	if state, err := sqlapi.WorkerState(ctx, connect(ctx, t, server)); err != nil || state != "error" {
		t.Errorf("without a worker slot and with a refused node id the worker state is %q, %v; want error", state, err)
	}
	must(t, server.Unset("pgraft.node_id"))
	must(t, server.Unset("max_worker_processes"))

	must(t, server.Set(map[string]string{"pgraft.listen_address": "192.0.2.1"})) // of the network for documentation
	must(t, server.Restart(ctx))
	conn = connect(ctx, t, server)
	must(t, wait.For(ctx, settleLimit, "the worker state error", func(ctx context.Context) error {
		state, err := sqlapi.WorkerState(ctx, conn)
		if err == nil && state != "error" {
			err = fmt.Errorf("it is %q", state)
		}
		return err
	}))
	call{sql: "SELECT pgraft_init()", state: "55000", words: []string{"192.0.2.1"}, hint: []string{"pgraft.listen_address", "by itself"}}.check(ctx, t, conn)

	must(t, server.Unset("pgraft.listen_address"))
	must(t, server.Restart(ctx))
	conn = connect(ctx, t, server)
	for _, c := range []call{
		{sql: "ALTER SYSTEM SET pgraft.election_timeout = '200ms'", state: "22023", words: []string{"200", "100"}},
		{sql: "ALTER SYSTEM SET pgraft.heartbeat_interval = '500ms'", state: "22023", words: []string{"500", "1000"}},
		{sql: "ALTER SYSTEM SET pgraft.port = 70000", state: "22023", words: []string{"65535"}},
		{sql: "ALTER SYSTEM SET pgraft.node_id = -1", state: "22023"},
		{sql: "ALTER SYSTEM SET pgraft.log_level = 'loud'", state: "22023", words: []string{"debug", "info", "warning", "error"}},
		{sql: "ALTER SYSTEM SET pgraft.trace = 'most'", state: "22023", words: []string{"off", "ring", "full"}},
		{sql: "ALTER SYSTEM SET pgraft.trace_size = '1MB'", state: "22023", words: []string{"32"}},
		{sql: "SET pgraft.port = 7002", state: "55P02"},
		{sql: "SET pgraft.election_timeout = '2s'", state: "55P02"},
	} {
		c.check(ctx, t, conn)
	}
	for _, sql := range []string{"SET pgraft.propose_timeout = '50ms'", "SET pgraft.max_entry_size = '2MB'"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// The last voter cannot be removed, by itself least of all.
func keepsTheLastVoter(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, nil).Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	conn := connect(ctx, t, server)
	call{sql: "SELECT pgraft_remove_node(1)", state: "55000"}.check(ctx, t, conn)
	must(t, sqlapi.Replicate(ctx, conn, "still there"))
	if rows, err := sqlapi.Nodes(ctx, conn); err != nil || len(rows) != 1 || !rows[0].IsLeader {
		t.Errorf("the nodes are %+v, %v", rows, err)
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	s.leader(ctx, t, server)
	_, stats, err := look(ctx, server)
	must(t, err)
	log, err := sqlapi.Entries(ctx, connect(ctx, t, server), 1, stats.LastApplied)
	if err != nil || len(log) != 1 || log[0].Data != "still there" {
		t.Errorf("the log holds %+v, %v", log, err)
	}
}

// wantNotState checks that an error of the server came, of another kind.
func wantNotState(t *testing.T, state string, err error, what string) *pgconn.PgError {
	t.Helper()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code == state {
		t.Errorf("%s: error %v, want one with a SQLSTATE other than %s", what, err, state)
	}
	return pgErr
}
