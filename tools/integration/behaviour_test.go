//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// Functions work in a read-only transaction, in one that rolls back, after a
// savepoint that is given up, and in a failed one they are not called at all.
// What was replicated stays in every case.
func worksInTransactions(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	for _, server := range s.cluster.Servers {
		conn := connect(ctx, t, server)
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.Serializable})
		must(t, err)
		readOnly := fmt.Sprintf("read only on node %d", server.NodeID)
		place, err := sqlapi.Propose(ctx, tx, readOnly, "")
		s.ledger.record(readOnly, err)
		must(t, err)
		for _, sql := range []string{"SELECT count(*) FROM pgraft_get_nodes", "SELECT count(*) FROM pgraft_stat_node",
			"SELECT count(*) FROM pgraft_health_check()", "SELECT count(*) FROM pgraft_log_entries(1, 10)",
			"SELECT pgraft_read_barrier()", "SELECT pgraft_get_term()"} {
			var n int64
			if err := tx.QueryRow(ctx, sql).Scan(&n); err != nil || n < 1 {
				t.Errorf("node %d, read only: %s = %d, %v", server.NodeID, sql, n, err)
			}
		}
		must(t, tx.Commit(ctx))
		if got, err := sqlapi.LogEntry(ctx, conn, place.Index); err != nil || got == nil || *got != readOnly {
			t.Errorf("node %d: index %d is %v, %v; want %q", server.NodeID, place.Index, got, err, readOnly)
		}

		tx, err = conn.Begin(ctx)
		must(t, err)
		exec(ctx, t, conn, "SAVEPOINT before")
		given := fmt.Sprintf("savepoint on node %d", server.NodeID)
		s.ledger.replicate(ctx, t, conn, given)
		_, err = conn.Exec(ctx, "SELECT pgraft_replicate_entry('never' || (1 / 0)::text)")
		wantState(t, "22012", err, "a division by zero in the argument")
		_, err = conn.Exec(ctx, "SELECT pgraft_replicate_entry('in a failed transaction')")
		wantState(t, "25P02", err, "a replicate in a failed transaction")
		exec(ctx, t, conn, "ROLLBACK TO before")
		s.ledger.replicate(ctx, t, conn, given)
		must(t, tx.Rollback(ctx))
	}
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// Without a leader every wait ends as it is told to: by its own timeout, by
// statement_timeout, by pg_cancel_backend and pg_terminate_backend. Looking at
// the node goes on meanwhile.
func endsAWait(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	lonely := s.leader(ctx, t)
	for _, server := range s.others(lonely) {
		_, err := server.Kill9(ctx)
		must(t, err)
	}
	conn := connect(ctx, t, lonely)
	must(t, wait.For(ctx, settleLimit, "the node to see that nobody leads", func(ctx context.Context) error {
		leader, err := sqlapi.Leader(ctx, conn)
		if err == nil && leader != 0 {
			err = fmt.Errorf("pgraft_get_leader() = %d", leader)
		}
		return err
	}))
	set(ctx, t, conn, "pgraft.propose_timeout", "500ms")
	for _, c := range []struct{ sql, state string }{
		{"SELECT pgraft_read_barrier()", "57P03"},
		{"SELECT pgraft_confirm_leader()", "55000"},
		{"SELECT pgraft_transfer_leadership()", "55000"},
		{"SELECT * FROM pgraft_propose('nobody leads')", "40003"},
	} {
		began := time.Now()
		_, err := conn.Exec(ctx, c.sql)
		wantState(t, c.state, err, c.sql)
		between(t, c.sql, time.Since(began), 0, 4*time.Second)
	}
	s.ledger.record("nobody leads", errors.New("of unknown outcome"))

	waits := []string{"SELECT pgraft_read_barrier()", "SELECT pgraft_wait_applied(1::bigint << 40, '1h')", "SELECT * FROM pgraft_propose('ended')"}
	for _, sql := range waits {
		set(ctx, t, conn, "pgraft.propose_timeout", "60s")
		set(ctx, t, conn, "statement_timeout", "300ms")
		began := time.Now()
		_, err := conn.Exec(ctx, sql)
		wantState(t, "57014", err, "statement_timeout of "+sql)
		between(t, "statement_timeout of "+sql, time.Since(began), 300*time.Millisecond, 4*time.Second)
		set(ctx, t, conn, "statement_timeout", "0")

		ended := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, sql)
			ended <- err
		}()
		cancelOnceItWaits(ctx, t, lonely, conn.PgConn().PID())
		wantState(t, "57014", <-ended, "pg_cancel_backend of "+sql)
	}
	doomed := connect(ctx, t, lonely)
	ended := make(chan error, 1)
	go func() {
		_, err := doomed.Exec(ctx, "SELECT pgraft_wait_applied(1::bigint << 40, '1h')")
		ended <- err
	}()
	exec(ctx, t, conn, "SELECT pg_terminate_backend($1)", doomed.PgConn().PID())
	wantState(t, "57P01", <-ended, "pg_terminate_backend")
	for range waits { // of statement_timeout and of pg_cancel_backend
		s.ledger.record("ended", errors.New("of unknown outcome"))
	}
	s.whole(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// The engine worker ends without a crash while sessions wait for it: reads are
// asked again of the next one, and a write says that its outcome is not known,
// with the request id to find out by.
func asksAgain(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	server := s.leader(ctx, t)
	_, stats, err := look(ctx, server)
	must(t, err)
	reader, control := connect(ctx, t, server), connect(ctx, t, server)
	waited := make(chan error, 1)
	go func() {
		ok, err := sqlapi.WaitApplied(ctx, reader, stats.LastApplied+1, "60s")
		if err == nil && !ok {
			err = errors.New("pgraft_wait_applied() = false")
		}
		waited <- err
	}()
	waitsFor(ctx, t, control, reader.PgConn().PID())
	before, err := server.EngineWorker()
	must(t, err)
	must(t, syscall.Kill(before, syscall.SIGTERM)) // as an operator would; no crash
	after, err := server.WaitEngineWorker(ctx, before)
	must(t, err)
	if before == after {
		t.Errorf("the engine worker has pid %d still", after)
	}
	s.settle(ctx, t) // the same sessions go on: nothing crashed
	s.ledger.replicate(ctx, t, control, "after a restart of the engine")
	must(t, <-waited)

	// A paused engine takes a write with it.
	writer := connect(ctx, t, server)
	const id = "5a1f6f0e-0b5e-4d7e-8d57-6f2f0a9d2c31"
	written := make(chan error, 1)
	must(t, server.PauseEngine())
	go func() {
		_, err := sqlapi.Propose(ctx, writer, "twice or once", id)
		written <- err
	}()
	waitsFor(ctx, t, control, writer.PgConn().PID())
	must(t, server.ResumeEngine())
	err = <-written
	s.ledger.record("twice or once", err)
	must(t, err)
	place, err := sqlapi.Propose(ctx, connect(ctx, t, s.others(server)[0]), "twice or once", id)
	must(t, err)
	again, err := sqlapi.Propose(ctx, writer, "twice or once", id)
	if err != nil || again != place {
		t.Errorf("asked again it is at %+v, %v; the answer before was %+v", again, err, place)
	}
	s.settle(ctx, t)
	s.ledger.check(ctx, t, s.cluster.Servers...)
}

// waitsFor waits until a session waits for an event of the extension.
func waitsFor(ctx context.Context, t *testing.T, conn *pgx.Conn, pid uint32) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, "the session to wait", func(ctx context.Context) error {
		var waits bool
		err := conn.QueryRow(ctx, "SELECT coalesce(bool_or(wait_event_type = 'Extension' AND state = 'active'), false) FROM pg_stat_activity WHERE pid = $1", pid).Scan(&waits)
		if err == nil && !waits {
			err = errors.New("it does not wait yet")
		}
		return err
	}))
}

// More sessions than there are slots for waits write and wait at once. All get
// their turn, and sessions that wait for an entry do not keep it from being
// written. So it is on the leader and on a follower.
func takesManyClients(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 2, map[string]string{"max_connections": "700"})
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	addNode(ctx, t, connect(ctx, t, s.leader(ctx, t, c.Servers[0])), c.Servers[1])
	leader := s.leader(ctx, t, c.Servers...)
	servers := append([]*pgcluster.Server{leader}, slices.DeleteFunc(slices.Clone(c.Servers), func(x *pgcluster.Server) bool { return x == leader })...)
	ledger := newLedger()
	for _, server := range servers {
		crowd(ctx, t, server, ledger)
		ledger.check(ctx, t, c.Servers...)
	}
}

// crowd sends more sessions to a server than it has slots for waits: 256 of 512.
func crowd(ctx context.Context, t *testing.T, server *pgcluster.Server, ledger *ledger) {
	t.Helper()
	const clients, waiters = 150, 270
	control := connect(ctx, t, server)
	point, err := sqlapi.ReadBarrier(ctx, control)
	must(t, err)
	target := point + clients
	var group errgroup.Group
	for i := range waiters {
		conn := connect(ctx, t, server)
		group.Go(func() error {
			ok, err := sqlapi.WaitApplied(ctx, conn, target, "60s")
			if err == nil && !ok {
				err = errors.New("false")
			}
			if err != nil {
				return fmt.Errorf("waiter %d: %w", i, err)
			}
			return nil
		})
	}
	for i := range clients {
		conn := connect(ctx, t, server)
		group.Go(func() error {
			data := fmt.Sprintf("client %d of node %d", i, server.NodeID)
			err := sqlapi.Replicate(ctx, conn, data)
			ledger.record(data, err)
			if err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
			return nil
		})
	}
	must(t, group.Wait())

	// while all slots for waits are taken, one more waits for a slot, and can be
	// cancelled there
	group = errgroup.Group{}
	conns := make([]*pgx.Conn, 0, waiters)
	for range waiters {
		conn := connect(ctx, t, server)
		conns = append(conns, conn)
		group.Go(func() error {
			_, err := conn.Exec(ctx, "SELECT pgraft_wait_applied(1::bigint << 40, '60s')")
			var pgErr *pgconn.PgError
			if !errors.As(err, &pgErr) || pgErr.Code != "57014" {
				return fmt.Errorf("a cancelled wait: %w", err)
			}
			return nil
		})
	}
	for _, conn := range conns {
		waitsFor(ctx, t, control, conn.PgConn().PID())
	}
	if v, err := sqlapi.Nodes(ctx, control); err != nil || len(v) != 2 {
		t.Errorf("while %d sessions wait the nodes are %+v, %v", waiters, v, err)
	}
	exec(ctx, t, control, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pgraft_wait_applied(1::bigint << 40%' AND state = 'active'")
	must(t, group.Wait())
	ledger.replicate(ctx, t, control, fmt.Sprintf("after all on node %d", server.NodeID))
}
