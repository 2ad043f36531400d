//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// withSpares are servers 1 to 3 as a cluster, led by node 1, and others that wait to
// be added.
func (s *suite) withSpares(ctx context.Context, t *testing.T, spares int) []*pgcluster.Server {
	t.Helper()
	c := s.extraCluster(ctx, t, nodes+spares, nil)
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	s.leader(ctx, t, c.Servers[0])
	conn := connect(ctx, t, c.Servers[0])
	for _, server := range c.Servers[1:nodes] {
		addNode(ctx, t, conn, server)
	}
	waitVoters(ctx, t, c.Servers[:nodes]...)
	return c.Servers
}

// waitVoters waits until each of the servers knows all of them as voters that answer,
// and no other member.
func waitVoters(ctx context.Context, t *testing.T, servers ...*pgcluster.Server) {
	t.Helper()
	for _, server := range servers {
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to know %d voters", server.NodeID, len(servers)), func(ctx context.Context) error {
			rows, _, err := look(ctx, server)
			if err != nil {
				return err
			}
			state := map[int32]string{}
			for _, r := range rows {
				state[r.NodeID] = r.State
			}
			for _, other := range servers {
				if is := state[int32(other.NodeID)]; is != "Leader" && is != "Follower" || len(rows) != len(servers) {
					return fmt.Errorf("it knows %v", state)
				}
			}
			return nil
		}))
	}
}

func replaceNode(ctx context.Context, t *testing.T, leader *pgx.Conn, old, server *pgcluster.Server, port int) {
	t.Helper()
	replaced, err := answered(ctx, func() (bool, error) {
		return sqlapi.ReplaceNode(ctx, leader, old.NodeID, server.NodeID, "127.0.0.1", port)
	})
	if err != nil || !replaced {
		t.Fatalf("pgraft_replace_node(%d, %d, '127.0.0.1', %d) = %v, %v", old.NodeID, server.NodeID, port, replaced, err)
	}
}

// Under load a new server takes the leader's place, then that of a server that is
// dead. Nothing that was acknowledged is lost; who was replaced says so.
func replacesUnderLoad(ctx context.Context, t *testing.T, s *suite) {
	all := s.withSpares(ctx, t, 2)
	first, second, third, fourth, fifth := all[0], all[1], all[2], all[3], all[4]
	ledger := newLedger()
	observer := observe(ctx, all)
	load := startLoad(ctx, "replace", ledger, []*pgcluster.Server{second, third})
	ledger.waitFor(ctx, t, entriesBetween)

	replaceNode(ctx, t, connect(ctx, t, first), first, fourth, fourth.RaftPort)
	waitRemoved(ctx, t, first)
	waitVoters(ctx, t, second, third, fourth)
	ledger.waitFor(ctx, t, entriesBetween)

	_, err := third.Kill9(ctx)
	must(t, err)
	leader := s.leader(ctx, t, second, fourth)
	ledger.waitFor(ctx, t, entriesBetween)
	conn := connect(ctx, t, leader)
	replaceNode(ctx, t, conn, third, fifth, fifth.RaftPort)
	ledger.waitFor(ctx, t, entriesBetween)
	load.stop(t)
	waitVoters(ctx, t, second, fourth, fifth)
	replaceNode(ctx, t, conn, third, fifth, fifth.RaftPort) // again: it is as asked

	must(t, third.Start(ctx))
	waitRemoved(ctx, t, third)
	for _, server := range []*pgcluster.Server{second, fourth, fifth} {
		_, err := connect(ctx, t, server).Exec(ctx, "SELECT pgraft_read_barrier()")
		must(t, err)
	}
	observer.stop(t)
	ledger.check(ctx, t, second, fourth, fifth)
}

// The leader dies while the new server still catches up, so that nobody hears what
// became of the replacement. Whoever leads next makes it; asked again, it says so.
func replacesThroughACrash(ctx context.Context, t *testing.T, s *suite) {
	all := s.withSpares(ctx, t, 1)
	leader, second, old, spare := all[0], all[1], all[2], all[3]
	ledger := newLedger()
	load := startLoad(ctx, "cut", ledger, []*pgcluster.Server{second})
	ledger.waitFor(ctx, t, entriesBetween)
	between := newProxy(t, spare.RaftPort)
	between.cutAfter(1) // the leader's look at it

	config, err := pgx.ParseConfig(leader.URL())
	must(t, err)
	var notices []string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
	conn, err := pgx.ConnectConfig(ctx, config)
	must(t, err)
	defer conn.Close(context.WithoutCancel(ctx))
	replaceNode(ctx, t, conn, old, spare, between.port())
	if len(notices) != 1 || !strings.Contains(notices[0], "by itself, once it has caught up") {
		t.Errorf("the notices are %q, want that it goes on by itself", notices)
	}
	ledger.waitFor(ctx, t, entriesBetween) // a learner costs no quorum

	_, err = leader.Kill9(ctx)
	must(t, err)
	next := s.leader(ctx, t, second, old)
	between.heal()
	waitRemoved(ctx, t, old)
	s.leader(ctx, t, second, spare)
	must(t, leader.Start(ctx))
	waitVoters(ctx, t, leader, second, spare)
	load.stop(t)
	t.Logf("node %d carried the replacement on", next.NodeID)
	replaceNode(ctx, t, connect(ctx, t, s.leader(ctx, t, leader, second, spare)), old, spare, between.port())
	ledger.replicate(ctx, t, connect(ctx, t, spare), "through the new one")
	for _, server := range []*pgcluster.Server{leader, second, spare} {
		_, err := connect(ctx, t, server).Exec(ctx, "SELECT pgraft_read_barrier()")
		must(t, err)
	}
	ledger.check(ctx, t, second, leader, spare)
}
