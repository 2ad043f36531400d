//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// Two of three nodes are gone for good. The third goes on alone with all that
// its log holds, says so in it, and takes a new member.
func recoversFromLostQuorum(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 3, nil)
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	first := connect(ctx, t, s.leader(ctx, t, c.Servers...))
	for _, server := range c.Servers[1:] {
		addNode(ctx, t, first, server)
	}
	for _, server := range c.Servers {
		conn := connect(ctx, t, server)
		exec(ctx, t, conn, applyTables)
		exec(ctx, t, conn, "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')")
	}
	const before = 30
	ledger := newLedger()
	for i := range before {
		ledger.replicate(ctx, t, first, fmt.Sprintf("before #%d", i))
	}
	last := c.Servers[2]
	conn := connect(ctx, t, last)
	_, err := sqlapi.ReadBarrier(ctx, conn) // it has all of them
	must(t, err)
	recovery := fmt.Sprintf("SELECT pgraft_recover_from_lost_quorum('%s')", clusterID)
	call{sql: recovery, state: "55000", words: []string{"leads"}}.check(ctx, t, conn)
	call{sql: "SELECT pgraft_recover_from_lost_quorum('something')", state: "22023", words: []string{clusterID}}.check(ctx, t, conn)
	call{sql: "SELECT pgraft_recover_from_lost_quorum(NULL)", state: "22004"}.check(ctx, t, conn)

	for _, server := range c.Servers[:2] {
		_, err := server.Kill9(ctx)
		must(t, err)
	}
	set(ctx, t, conn, "pgraft.propose_timeout", "500ms")
	err = sqlapi.Replicate(ctx, conn, "of unknown outcome")
	ledger.record("of unknown outcome", err)
	wantState(t, "40003", err, "replicating without a quorum")
	set(ctx, t, conn, "pgraft.propose_timeout", "10s")
	must(t, wait.For(ctx, settleLimit, "the node to see that nobody leads", func(ctx context.Context) error {
		leader, err := sqlapi.Leader(ctx, conn)
		if err == nil && leader != 0 {
			err = fmt.Errorf("pgraft_get_leader() = %d", leader)
		}
		return err
	}))
	var ok bool
	must(t, conn.QueryRow(ctx, recovery).Scan(&ok))
	if !ok {
		t.Error("pgraft_recover_from_lost_quorum() = false")
	}
	if leads, err := sqlapi.IsLeader(ctx, conn); err != nil || !leads {
		t.Errorf("after the recovery pgraft_is_leader() = %v, %v", leads, err)
	}
	if rows, err := sqlapi.Nodes(ctx, conn); err != nil || len(rows) != 1 || int(rows[0].NodeID) != last.NodeID {
		t.Errorf("after the recovery the nodes are %+v, %v", rows, err)
	}
	ledger.replicate(ctx, t, conn, "after")
	exec(ctx, t, conn, "SELECT pgraft_read_barrier()")
	if got := text(ctx, t, conn, "SELECT count(*)::text FROM applied WHERE data = 'after'"); got != "1" {
		t.Errorf("what came after the recovery was applied %s times: %s", got, text(ctx, t, conn, "SELECT pgraft_stat_apply::text FROM pgraft_stat_apply"))
	}
	rows, err := sqlapi.LogEntries(ctx, conn, 1, 1<<62)
	must(t, err)
	kind := fmt.Sprintf("recover node %d", last.NodeID)
	if !slices.ContainsFunc(rows, func(r sqlapi.LogRow) bool { return r.Kind == kind }) {
		t.Errorf("no entry of kind %q in a log of %d", kind, len(rows))
	}
	ledger.check(ctx, t, last)

	said, err := last.LogSize()
	must(t, err)
	must(t, last.Restart(ctx))
	s.leader(ctx, t, last)
	saysNothingAgain(t, last, said)
	s.comesBackEmpty(ctx, t, last, c.Servers[0])
	ledger.replicate(ctx, t, connect(ctx, t, c.Servers[0]), "with a new member")
	_, err = sqlapi.ReadBarrier(ctx, connect(ctx, t, last))
	must(t, err)
	ledger.check(ctx, t, last, c.Servers[0])
}

// comesBackEmpty adds a node that the recovery removed: refused with its old
// data, taken without.
func (s *suite) comesBackEmpty(ctx context.Context, t *testing.T, leader, server *pgcluster.Server) {
	t.Helper()
	conn := connect(ctx, t, leader)
	must(t, server.Start(ctx))
	add := call{sql: "SELECT pgraft_add_node($1, '127.0.0.1', $2)", args: []any{server.NodeID, server.RaftPort}, state: "55000"}
	add.check(ctx, t, conn)
	must(t, server.Stop(ctx))
	emptyDataDir(t, server)
	must(t, os.Remove(filepath.Join(server.DataDir, "pgraft.initialized")))
	must(t, server.Start(ctx))
	var ok bool
	must(t, connect(ctx, t, server).QueryRow(ctx, "SELECT pgraft_init(false)").Scan(&ok))
	// its tables hold what the recovered cluster may never have had
	exec(ctx, t, connect(ctx, t, server), "BEGIN; TRUNCATE applied; DELETE FROM pgraft.apply_progress; COMMIT")
	addNode(ctx, t, conn, server)
	s.waitMembers(ctx, t, []*pgcluster.Server{leader, server}, 2)
	_, err := sqlapi.ReadBarrier(ctx, connect(ctx, t, server))
	must(t, err)
}
