//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	clusterID = "integration"
	nodes     = 3
	// settleLimit is for everything that a healthy cluster does by itself: an
	// election, catching up, a promotion.
	settleLimit = 30 * time.Second
)

func (s *suite) newCluster(ctx context.Context, t *testing.T, n int, settings map[string]string) *pgcluster.Cluster {
	t.Helper()
	c, err := pgcluster.New(ctx, pgcluster.Config{Install: s.install, Nodes: n, ClusterID: clusterID, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// extraCluster makes servers beside the shared ones, for one scenario.
func (s *suite) extraCluster(ctx context.Context, t *testing.T, n int, settings map[string]string) *pgcluster.Cluster {
	t.Helper()
	c := s.newCluster(ctx, t, n, settings)
	t.Cleanup(func() {
		if t.Failed() {
			for _, server := range c.Servers {
				t.Log(server.LogTail(25))
			}
		}
		if err := c.Destroy(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// form makes the shared cluster: servers, extension, members.
func (s *suite) form(ctx context.Context, t *testing.T) {
	t.Helper()
	s.cluster = s.newCluster(ctx, t, nodes, nil)
	s.ledger = newLedger()
	must(t, s.cluster.Start(ctx))
	for _, server := range s.cluster.Servers {
		initialise(ctx, t, server)
	}
	leader := s.leader(ctx, t)
	if leader.NodeID != 1 {
		t.Fatalf("node %d leads, but node 1 has to found the cluster", leader.NodeID)
	}
	conn := connect(ctx, t, leader)
	for _, server := range s.cluster.Servers[1:] {
		addNode(ctx, t, conn, server)
	}
	s.settle(ctx, t)
}

// initialise does what the manual says: one command string, one transaction.
func initialise(ctx context.Context, t *testing.T, server *pgcluster.Server) {
	t.Helper()
	conn := connect(ctx, t, server)
	results, err := conn.PgConn().Exec(ctx, "CREATE EXTENSION pgraft; SELECT pgraft_init();").ReadAll()
	if err != nil {
		t.Fatalf("node %d: CREATE EXTENSION and pgraft_init() in one transaction: %v", server.NodeID, err)
	}
	if got := string(results[1].Rows[0][0]); got != "t" {
		t.Fatalf("node %d: pgraft_init() answered %q, want t", server.NodeID, got)
	}
}

func addNode(ctx context.Context, t *testing.T, leader *pgx.Conn, server *pgcluster.Server) {
	t.Helper()
	added, err := sqlapi.AddNode(ctx, leader, server.NodeID, "127.0.0.1", server.RaftPort)
	if err != nil || !added {
		t.Fatalf("pgraft_add_node(%d, '127.0.0.1', %d) = %v, %v", server.NodeID, server.RaftPort, added, err)
	}
}

// whole gives the scenario the shared cluster with all nodes up and equal.
func (s *suite) whole(ctx context.Context, t *testing.T) {
	t.Helper()
	if s.cluster == nil {
		s.form(ctx, t)
		return
	}
	for _, server := range s.cluster.Servers {
		running, err := server.Running()
		must(t, err)
		if !running {
			must(t, server.Start(ctx))
		}
	}
	s.settle(ctx, t)
}

// settle waits until every server knows all three as reachable voters and has
// applied what the leader has committed.
func (s *suite) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, "the cluster to be whole", func(ctx context.Context) error {
		var first []sqlapi.Status
		var applied []int64
		for _, server := range s.cluster.Servers {
			rows, stats, err := look(ctx, server)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if r.State != "Leader" && r.State != "Follower" {
					return fmt.Errorf("node %d says that node %d is %s", server.NodeID, r.NodeID, r.State)
				}
			}
			if first == nil {
				first = rows
			}
			if len(rows) != nodes || !slices.EqualFunc(rows, first, sameLeader) || !slices.ContainsFunc(rows, isLeader) {
				return fmt.Errorf("node %d says %+v, node 1 %+v", server.NodeID, rows, first)
			}
			applied = append(applied, stats.LastApplied, stats.CommitIndex, stats.LastIndex)
		}
		if slices.Min(applied) != slices.Max(applied) {
			return fmt.Errorf("applied, committed and last indexes are %v", applied)
		}
		return nil
	}))
}

func isLeader(r sqlapi.Status) bool { return r.IsLeader }

func sameLeader(a, b sqlapi.Status) bool { return a.NodeID == b.NodeID && a.IsLeader == b.IsLeader }

// look asks over a connection of its own: the server may have died since.
func look(ctx context.Context, server *pgcluster.Server) ([]sqlapi.Status, sqlapi.LogStats, error) {
	conn, err := server.Conn(ctx)
	if err != nil {
		return nil, sqlapi.LogStats{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := sqlapi.ClusterStatus(ctx, conn)
	if err != nil {
		return nil, sqlapi.LogStats{}, fmt.Errorf("node %d: %w", server.NodeID, err)
	}
	stats, err := sqlapi.Stats(ctx, conn)
	return rows, stats, err
}

// leader waits until one of the servers (none given: the shared ones) answers
// pgraft_is_leader() with true.
func (s *suite) leader(ctx context.Context, t *testing.T, among ...*pgcluster.Server) *pgcluster.Server {
	t.Helper()
	if among == nil {
		among = s.cluster.Servers
	}
	var leader *pgcluster.Server
	conns := make([]*pgx.Conn, len(among))
	for i, server := range among {
		conns[i] = connect(ctx, t, server)
	}
	must(t, wait.For(ctx, settleLimit, "a leader", func(ctx context.Context) error {
		for i, conn := range conns {
			leads, err := sqlapi.IsLeader(ctx, conn)
			if err != nil {
				return err
			}
			if leads {
				leader = among[i]
				return nil
			}
		}
		return errors.New("pgraft_is_leader() is false on all")
	}))
	return leader
}

// others are the shared servers but the given ones.
func (s *suite) others(not ...*pgcluster.Server) []*pgcluster.Server {
	return slices.DeleteFunc(slices.Clone(s.cluster.Servers), func(x *pgcluster.Server) bool { return slices.Contains(not, x) })
}

// connect opens a connection that lives as long as the test.
func connect(ctx context.Context, t *testing.T, server *pgcluster.Server) *pgx.Conn {
	t.Helper()
	conn, err := dial(ctx, server)
	if err != nil {
		t.Fatalf("%v\n%s", err, server.LogTail(10))
	}
	t.Cleanup(func() {
		closeCtx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn.Close(closeCtx) // its server may be gone by now, and that is fine
	})
	return conn
}

// dial connects once the server is there: a process of it that was killed takes
// all others along, and the server is in recovery for a moment.
func dial(ctx context.Context, server *pgcluster.Server) (conn *pgx.Conn, err error) {
	err = wait.For(ctx, settleLimit, fmt.Sprintf("node %d to take a connection", server.NodeID), func(ctx context.Context) error {
		if conn, err = server.Conn(ctx); err != nil {
			return err
		}
		if err = conn.Ping(ctx); err != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
		return err
	})
	return conn, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// emptyDataDir removes the node's log store, as an operator does before a
// removed node is added again.
func emptyDataDir(t *testing.T, server *pgcluster.Server) {
	t.Helper()
	dir := filepath.Join(server.DataDir, "pgraft")
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) == 0 {
		t.Fatalf("%s is empty: the node's log store is not there", dir)
	}
	for _, e := range entries {
		must(t, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
}
