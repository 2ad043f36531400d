//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// The way from three empty servers to a cluster, as the manual tells it, with
// what each function says on the way.
func formsACluster(ctx context.Context, t *testing.T, s *suite) {
	s.drop(t)
	s.cluster = s.newCluster(ctx, t, nodes, nil)
	s.ledger = newLedger()
	must(t, s.cluster.Start(ctx))
	one, two := s.cluster.Servers[0], s.cluster.Servers[1]

	fresh := connect(ctx, t, one)
	if _, err := fresh.Exec(ctx, "CREATE EXTENSION pgraft"); err != nil {
		t.Fatal(err)
	}
	if state, err := sqlapi.WorkerState(ctx, fresh); err != nil || state != "initializing" {
		t.Errorf("before pgraft_init() the worker state is %q, %v; want initializing", state, err)
	}
	if leads, err := sqlapi.IsLeader(ctx, fresh); err != nil || leads {
		t.Errorf("before pgraft_init() pgraft_is_leader() = %v, %v", leads, err)
	}
	if _, err := fresh.Exec(ctx, "DROP EXTENSION pgraft"); err != nil {
		t.Fatal(err)
	}
	for _, server := range s.cluster.Servers {
		initialise(ctx, t, server)
		for range 2 {
			if ok, err := sqlapi.Init(ctx, connect(ctx, t, server)); err != nil || !ok {
				t.Errorf("node %d: pgraft_init() again = %v, %v; want true", server.NodeID, ok, err)
			}
		}
	}
	if leader := s.leader(ctx, t); leader != one {
		t.Fatalf("node %d leads, but node 1 has to found the cluster", leader.NodeID)
	}
	for _, server := range s.cluster.Servers[1:] {
		if leader, err := sqlapi.Leader(ctx, connect(ctx, t, server)); err != nil || leader != 0 {
			t.Errorf("node %d waits to be added, but pgraft_get_leader() = %d, %v", server.NodeID, leader, err)
		}
	}
	conn := connect(ctx, t, one)
	for _, server := range s.cluster.Servers[1:] {
		addNode(ctx, t, conn, server)
	}
	addNode(ctx, t, conn, two) // the same again
	s.settle(ctx, t)
}

var heartbeatAge = regexp.MustCompile(`^\d+\.\d{3}s$`)

// Each node tells the same of the cluster, and the numbers fit each other.
func answersAlike(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	var firstNodes []sqlapi.Node
	var firstTerm int64
	var firstStats sqlapi.LogStats
	for i, server := range s.cluster.Servers {
		conn := connect(ctx, t, server)
		got, err := sqlapi.Nodes(ctx, conn)
		must(t, err)
		status, err := sqlapi.ClusterStatus(ctx, conn)
		must(t, err)
		term, err := sqlapi.Term(ctx, conn)
		must(t, err)
		stats, err := sqlapi.Stats(ctx, conn)
		must(t, err)
		if i == 0 {
			firstNodes, firstTerm, firstStats = got, term, stats
		}
		if !slices.Equal(got, firstNodes) || len(got) != nodes {
			t.Errorf("node %d knows the nodes %+v, node 1 %+v", server.NodeID, got, firstNodes)
		}
		if term != firstTerm || term < 1 {
			t.Errorf("node %d is in term %d, node 1 in %d", server.NodeID, term, firstTerm)
		}
		if stats.LastIndex != firstStats.LastIndex || stats.CommitIndex != stats.LastIndex ||
			stats.LastApplied != stats.CommitIndex || stats.LogSize <= 0 || stats.LastIndex < nodes {
			t.Errorf("node %d: log %+v, node 1: %+v; want the same, all applied", server.NodeID, stats, firstStats)
		}
		if known, err := sqlapi.Leader(ctx, conn); err != nil || int(known) != leader.NodeID {
			t.Errorf("node %d: pgraft_get_leader() = %d, %v; want %d", server.NodeID, known, err, leader.NodeID)
		}
		if leads, err := sqlapi.IsLeader(ctx, conn); err != nil || leads != (server == leader) {
			t.Errorf("node %d: pgraft_is_leader() = %v, %v; node %d leads", server.NodeID, leads, err, leader.NodeID)
		}
		if state, err := sqlapi.WorkerState(ctx, conn); err != nil || state != "running" {
			t.Errorf("node %d: worker state %q, %v", server.NodeID, state, err)
		}
		if v, err := sqlapi.Version(ctx, conn); err != nil || v != "1.0.0" {
			t.Errorf("node %d: version %q, %v", server.NodeID, v, err)
		}
		for _, on := range []bool{true, false} {
			if ok, err := sqlapi.SetDebug(ctx, conn, on); err != nil || !ok {
				t.Errorf("node %d: pgraft_set_debug(%v) = %v, %v; want true", server.NodeID, on, ok, err)
			}
		}
		must(t, s.checkStatus(status, server.NodeID, leader.NodeID, term, stats))
	}
	s.checkReplication(ctx, t, leader.NodeID, firstStats)
}

// checkStatus compares the rows of pgraft_get_cluster_status() on one node with
// what the other functions say there.
func (s *suite) checkStatus(rows []sqlapi.Status, asked, leader int, term int64, stats sqlapi.LogStats) error {
	if len(rows) != len(s.cluster.Servers) {
		return fmt.Errorf("node %d shows %d members: %+v", asked, len(rows), rows)
	}
	for i, r := range rows {
		server := s.cluster.Servers[i]
		want := "Follower"
		if server.NodeID == leader {
			want = "Leader"
		}
		switch {
		case int(r.NodeID) != server.NodeID || r.Address != "127.0.0.1" || int(r.Port) != server.RaftPort:
			return fmt.Errorf("node %d shows %+v in place of node %d at port %d", asked, r, server.NodeID, server.RaftPort)
		case r.State != want || r.IsLeader != (want == "Leader"):
			return fmt.Errorf("node %d shows %+v, want state %s", asked, r, want)
		case r.Term != term:
			return fmt.Errorf("node %d is in term %d and shows %+v", asked, term, r)
		case r.CommitIndex > r.LastLogIndex || r.LastLogIndex > stats.LastIndex || r.CommitIndex < 1:
			return fmt.Errorf("node %d has the log %+v and shows %+v", asked, stats, r)
		case r.LastHeartbeat == nil && int(r.NodeID) != asked,
			r.LastHeartbeat != nil && !heartbeatAge.MatchString(*r.LastHeartbeat):
			return fmt.Errorf("node %d shows a last_heartbeat not like 0.042s: %+v", asked, r)
		}
	}
	return nil
}

// checkReplication looks at the leader's view of its followers.
func (s *suite) checkReplication(ctx context.Context, t *testing.T, leader int, stats sqlapi.LogStats) {
	t.Helper()
	for _, server := range s.cluster.Servers {
		conn := connect(ctx, t, server)
		if server.NodeID != leader {
			if rows, err := sqlapi.ReplicationStatus(ctx, conn); err != nil || len(rows) != 0 {
				t.Errorf("node %d does not lead, but replicates to %+v, %v", server.NodeID, rows, err)
			}
			continue
		}
		// the leader hears of the last index a moment after the follower has it
		must(t, wait.For(ctx, settleLimit, "the leader's view of its followers", func(ctx context.Context) error {
			rows, err := sqlapi.ReplicationStatus(ctx, conn)
			if err != nil {
				return err
			}
			if len(rows) != nodes-1 {
				return fmt.Errorf("%d followers: %+v", len(rows), rows)
			}
			for _, r := range rows {
				if int(r.NodeID) == leader || r.MatchIndex != stats.LastIndex || r.NextIndex != r.MatchIndex+1 ||
					!r.IsReplicating || r.LastHeartbeat == nil || !heartbeatAge.MatchString(*r.LastHeartbeat) {
					return fmt.Errorf("last index %d, row %+v", stats.LastIndex, r)
				}
			}
			return nil
		}))
	}
}

// A cluster that is formed and used as it should be logs nothing worse than
// LOG, and after a stop of all servers it is back by itself.
func logsNoWarning(ctx context.Context, t *testing.T, s *suite) {
	s.drop(t) // what other scenarios provoked stands in the old servers' logs
	s.form(ctx, t)
	for _, server := range s.cluster.Servers {
		conn := connect(ctx, t, server)
		for i := range 20 {
			s.ledger.replicate(ctx, t, conn, fmt.Sprintf("quiet n%d #%d", server.NodeID, i))
		}
	}
	s.settle(ctx, t)
	sizes := map[int]int64{}
	for _, server := range s.cluster.Servers {
		lines, err := server.LogWarnings(0)
		must(t, err)
		for _, line := range lines {
			t.Errorf("node %d: %s", server.NodeID, line)
		}
		sizes[server.NodeID], err = server.LogSize()
		must(t, err)
	}
	must(t, s.cluster.Stop(ctx))
	must(t, s.cluster.Start(ctx)) // no pgraft_init(): the node starts by itself
	s.settle(ctx, t)
	conn := connect(ctx, t, s.cluster.Servers[1])
	s.ledger.replicate(ctx, t, conn, "after the stop of all")
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
	severe := regexp.MustCompile(` (ERROR|FATAL|PANIC):  `)
	for _, server := range s.cluster.Servers {
		lines, err := server.LogWarnings(sizes[server.NodeID])
		must(t, err)
		saysNothingAgain(t, server, sizes[server.NodeID])
		// that a peer is away may be worth a WARNING here
		if i := slices.IndexFunc(lines, severe.MatchString); i >= 0 {
			t.Error(errors.New(lines[i]))
		}
	}
}

// saysNothingAgain looks for lines about the log's entries that a server writes as it
// starts: it has written them when the entries were new.
func saysNothingAgain(t *testing.T, server *pgcluster.Server, from int64) {
	t.Helper()
	text, err := os.ReadFile(server.LogPath)
	must(t, err)
	for line := range strings.Lines(string(text[from:])) {
		if strings.Contains(line, ", at index ") {
			t.Errorf("node %d says again: %s", server.NodeID, line)
		}
	}
}
