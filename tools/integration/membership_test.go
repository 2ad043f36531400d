//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

func removesAFollower(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	s.removeAndAddBack(ctx, t, leader, s.others(leader)[0])
}

func removesTheLeader(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	s.removeAndAddBack(ctx, t, leader, leader)
}

// removeAndAddBack removes a node by a call on the leader, sees that it keeps
// quiet, also after a restart, and adds it again with an empty data_dir.
func (s *suite) removeAndAddBack(ctx context.Context, t *testing.T, leader, out *pgcluster.Server) {
	rest := s.others(out)
	observer := observe(ctx, s.cluster.Servers)
	removed, err := answered(ctx, func() (bool, error) { return sqlapi.RemoveNode(ctx, connect(ctx, t, leader), out.NodeID) })
	if err != nil || !removed {
		t.Fatalf("pgraft_remove_node(%d) on node %d = %v, %v", out.NodeID, leader.NodeID, removed, err)
	}
	next := s.leader(ctx, t, rest...)
	s.waitMembers(ctx, t, rest, len(rest))
	waitRemoved(ctx, t, out)
	term, err := sqlapi.Term(ctx, connect(ctx, t, next))
	must(t, err)

	must(t, out.Restart(ctx)) // it must not come back by itself, nor disturb the others
	waitRemoved(ctx, t, out)
	conn := connect(ctx, t, next)
	for i := range entriesBetween {
		s.ledger.replicate(ctx, t, conn, fmt.Sprintf("without node %d #%d, term %d", out.NodeID, i, term))
	}
	if now, err := sqlapi.Term(ctx, conn); err != nil || now != term {
		t.Errorf("the term went from %d to %d, %v: the removed node disturbs the others", term, now, err)
	}
	s.ledger.check(ctx, t, next)

	must(t, out.Stop(ctx))
	emptyDataDir(t, out)
	must(t, out.Start(ctx))
	var ok bool
	must(t, connect(ctx, t, out).QueryRow(ctx, "SELECT pgraft_init(false)").Scan(&ok))
	if !ok {
		t.Errorf("pgraft_init(false) on an emptied data_dir = false")
	}
	addNode(ctx, t, conn, out)
	s.settle(ctx, t)
	observer.stop(t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// waitMembers waits until the servers know n members.
func (s *suite) waitMembers(ctx context.Context, t *testing.T, servers []*pgcluster.Server, n int) {
	t.Helper()
	for _, server := range servers {
		conn := connect(ctx, t, server)
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to know %d members", server.NodeID, n),
			func(ctx context.Context) error {
				rows, err := sqlapi.Nodes(ctx, conn)
				if err == nil && len(rows) != n {
					err = fmt.Errorf("it knows %+v", rows)
				}
				return err
			}))
	}
}

// waitRemoved waits until a node knows that it is out.
func waitRemoved(ctx context.Context, t *testing.T, out *pgcluster.Server) {
	t.Helper()
	conn := connect(ctx, t, out)
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to know that it was removed", out.NodeID),
		func(ctx context.Context) error {
			state, err := sqlapi.WorkerState(ctx, conn)
			if err == nil && state != "stopped" { // as it also is before an engine begins
				err = fmt.Errorf("its worker state is %q", state)
			}
			if err != nil {
				return err
			}
			err = sqlapi.Replicate(ctx, conn, "from outside")
			var refused *pgconn.PgError
			if errors.As(err, &refused) && refused.Code == "55000" && strings.Contains(refused.Message, "removed") {
				return nil
			}
			return fmt.Errorf("a replicate on it: %w", err)
		}))
	if leads, err := sqlapi.IsLeader(ctx, conn); err != nil || leads {
		t.Errorf("node %d was removed, and pgraft_is_leader() = %v, %v", out.NodeID, leads, err)
	}
}

// answered calls once more what the leader refused because members did not answer it
// within two heartbeat intervals: on a machine under load that happens.
func answered(ctx context.Context, call func() (bool, error)) (ok bool, err error) {
	late := wait.For(ctx, settleLimit, "the members to answer the leader", func(context.Context) error {
		ok, err = call()
		var refused *pgconn.PgError
		if errors.As(err, &refused) && strings.HasPrefix(refused.Detail, "No answer from ") {
			return err
		}
		return nil
	})
	if late != nil {
		return false, late
	}
	return ok, err
}
