//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// entriesBetween is how many entries a loaded cluster has to take between two
// events of a scenario.
const entriesBetween = 100

// The leader's server dies under load. Another node leads, nothing that was
// acknowledged is lost, and the dead one catches up after its restart.
func killsTheLeader(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	survivors := s.others(leader)
	observer := observe(ctx, s.cluster.Servers)
	load := startLoad(ctx, "kill", s.ledger, s.cluster.Servers)
	s.ledger.waitFor(ctx, t, entriesBetween)

	killed, err := leader.Kill9(ctx)
	must(t, err)
	next := s.leader(ctx, t, survivors...)
	t.Logf("node %d leads %s after the kill of node %d", next.NodeID, time.Since(killed).Round(time.Millisecond), leader.NodeID)
	s.ledger.waitFor(ctx, t, entriesBetween)

	must(t, leader.Start(ctx))
	s.ledger.waitFor(ctx, t, entriesBetween)
	load.stop(t)
	s.settle(ctx, t)
	observer.stop(t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// The engine worker of the leader dies alone. PostgreSQL restarts its backends,
// the node comes back, nothing is lost.
func killsTheEngine(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	observer := observe(ctx, s.cluster.Servers)
	load := startLoad(ctx, "engine", s.ledger, s.cluster.Servers)
	s.ledger.waitFor(ctx, t, entriesBetween)

	before, err := leader.EngineWorker()
	must(t, err)
	must(t, leader.KillEngine())
	after, err := leader.WaitEngineWorker(ctx, before)
	must(t, err)
	if before == after {
		t.Fatalf("the engine worker has pid %d still", after)
	}
	s.ledger.waitFor(ctx, t, entriesBetween)
	load.stop(t)
	s.settle(ctx, t)
	observer.stop(t)
	if state, err := sqlapi.WorkerState(ctx, connect(ctx, t, leader)); err != nil || state != "running" {
		t.Errorf("worker state %q, %v; want running", state, err)
	}
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// The leader's engine worker stands still, as on a machine that is suspended.
// Its backends must not go on calling it the leader: the observer sees that.
func pausesTheLeader(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	paused := connect(ctx, t, leader)
	termBefore, err := sqlapi.Term(ctx, paused)
	must(t, err)
	observer := observe(ctx, s.cluster.Servers)

	must(t, leader.PauseEngine())
	defer func() { must(t, leader.ResumeEngine()) }()
	next := s.leader(ctx, t, s.others(leader)...)
	if leads, err := sqlapi.IsLeader(ctx, paused); err != nil || leads {
		t.Errorf("node %d leads, and pgraft_is_leader() on the paused node %d is %v, %v", next.NodeID, leader.NodeID, leads, err)
	}
	// monitoring hears of it as a finding, not as an error
	found, err := sqlapi.HealthCheck(ctx, paused)
	if err != nil || len(found) != 1 || found[0].Metric != "worker_state" || found[0].Status != "critical" {
		t.Errorf("pgraft_health_check() on the paused node is %+v, %v", found, err)
	}
	if _, err := paused.Exec(ctx, "SET statement_timeout = '300ms'"); err != nil {
		t.Fatal(err)
	}
	err = sqlapi.Replicate(ctx, paused, "to the paused node")
	s.ledger.record("to the paused node", err)
	wantState(t, "57014", err, "a replicate on the paused node")
	s.ledger.replicate(ctx, t, connect(ctx, t, next), "while one is paused")

	must(t, leader.ResumeEngine())
	s.settle(ctx, t)
	observer.stop(t)
	if term, err := sqlapi.Term(ctx, connect(ctx, t, leader)); err != nil || term <= termBefore {
		t.Errorf("the paused node is in term %d, %v; it was in %d before", term, err, termBefore)
	}
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// Power is lost everywhere at once; what was acknowledged is on the disks.
func killsAll(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	observer := observe(ctx, s.cluster.Servers)
	load := startLoad(ctx, "all", s.ledger, s.cluster.Servers)
	s.ledger.waitFor(ctx, t, entriesBetween)
	for _, server := range s.cluster.Servers {
		_, err := server.Kill9(ctx)
		must(t, err)
	}
	must(t, s.cluster.Start(ctx))
	s.ledger.waitFor(ctx, t, entriesBetween)
	load.stop(t)
	s.settle(ctx, t)
	observer.stop(t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// One of three nodes cannot commit anything. What waits for a quorum can be
// ended in every way that ends a statement, and says honestly what is known.
func waitsWithoutQuorum(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	lonely := s.leader(ctx, t)
	for _, server := range s.others(lonely) {
		_, err := server.Kill9(ctx)
		must(t, err)
	}
	conn := connect(ctx, t, lonely)
	must(t, wait.For(ctx, settleLimit, "the leader to see that it lost its quorum", func(ctx context.Context) error {
		leads, err := sqlapi.IsLeader(ctx, conn)
		if err == nil && leads {
			err = fmt.Errorf("pgraft_is_leader() is true")
		}
		return err
	}))
	ask := func(data string) (time.Duration, error) {
		began := time.Now()
		err := sqlapi.Replicate(ctx, conn, data)
		s.ledger.record(data, err)
		return time.Since(began), err
	}
	set(ctx, t, conn, "statement_timeout", "300ms")
	took, err := ask("no quorum, statement_timeout")
	saysUnknown(t, wantState(t, "57014", err, "statement_timeout"))
	between(t, "statement_timeout = 300ms", took, 300*time.Millisecond, 3*time.Second)
	set(ctx, t, conn, "statement_timeout", "0")

	set(ctx, t, conn, "pgraft.propose_timeout", "1s")
	took, err = ask("no quorum, propose_timeout")
	pgErr := wantState(t, "40003", err, "propose_timeout")
	if pgErr != nil && pgErr.Detail == "" {
		t.Errorf("40003 without a DETAIL: %+v", pgErr)
	}
	between(t, "pgraft.propose_timeout = 1s", took, time.Second, 4*time.Second)

	set(ctx, t, conn, "pgraft.propose_timeout", "60s")
	pid := conn.PgConn().PID()
	cancelled := make(chan error, 1)
	go func() {
		_, err := ask("no quorum, cancelled")
		cancelled <- err
	}()
	cancelOnceItWaits(ctx, t, lonely, pid)
	saysUnknown(t, wantState(t, "57014", <-cancelled, "pg_cancel_backend"))

	s.whole(ctx, t)
	s.ledger.replicate(ctx, t, connect(ctx, t, lonely), "with a quorum again")
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// saysUnknown checks that the error of a write that was cut short does not read like
// a plain failure.
func saysUnknown(t *testing.T, err *pgconn.PgError) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Detail, "It is not known whether the entry took effect: ") || !strings.HasPrefix(err.Hint, "Call pgraft_propose()") {
		t.Errorf("the error of a write that was cut short is %+v", err)
	}
}

// cancelOnceItWaits cancels what a session does once it shows as waiting for an
// event of the extension, and the engine has taken its request: it answers a later one.
func cancelOnceItWaits(ctx context.Context, t *testing.T, server *pgcluster.Server, pid uint32) {
	t.Helper()
	conn := connect(ctx, t, server)
	must(t, wait.For(ctx, settleLimit, "the session to wait", func(ctx context.Context) error {
		var kind, event *string
		err := conn.QueryRow(ctx, "SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE pid = $1 AND state = 'active'",
			pid).Scan(&kind, &event)
		if err == nil && (kind == nil || *kind != "Extension") {
			err = fmt.Errorf("wait_event_type is not Extension")
		}
		if err == nil {
			t.Logf("it waits for %s", *event)
		}
		return err
	}))
	_, err := sqlapi.LogEntry(ctx, conn, 1)
	must(t, err)
	exec(ctx, t, conn, "SELECT pg_cancel_backend($1)", pid)
}
