//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	// applyKills is how often the scenario kills something, unless
	// PGRAFT_APPLY_KILLS says otherwise.
	applyKills = 24
	// entriesBetweenKills is how far the load gets at least between two.
	entriesBetweenKills = 5
	// killLimit is the time for one.
	killLimit = 20 * time.Second
)

// What an apply function does is there exactly once, wherever its worker or its
// server was killed: the table is the log, row by row, and a sum that an entry
// changes is the number of entries.
func appliesOnceAcrossCrashes(ctx context.Context, t *testing.T, s *suite) {
	kills := applyKills
	if v := os.Getenv("PGRAFT_APPLY_KILLS"); v != "" {
		var err error
		kills, err = strconv.Atoi(v)
		must(t, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scenarioLimit+time.Duration(kills)*killLimit)
	defer cancel()
	c := s.applyCluster(ctx, t, nodes, nil)
	for _, server := range c.Servers {
		exec(ctx, t, connect(ctx, t, server), `CREATE TABLE total (n bigint); INSERT INTO total VALUES (0);
			CREATE OR REPLACE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS $$
			BEGIN
				UPDATE total SET n = n + 1;
				INSERT INTO applied (index, term, data) VALUES (index, term, data);
			END $$`)
	}
	ledger := newLedger()
	load := startLoad(ctx, "applied", ledger, c.Servers)
	const seed = 1
	source := rand.New(rand.NewPCG(seed, uint64(kills)))
	counts := map[string]int{}
	for range kills {
		ledger.waitFor(ctx, t, entriesBetweenKills)
		server := c.Servers[source.IntN(len(c.Servers))]
		switch n := source.IntN(10); {
		case n < 5:
			counts["pg_terminate_backend of the apply worker"]++
			terminateApply(ctx, t, server)
		case n < 8:
			counts["SIGKILL of the apply worker"]++
			must(t, syscall.Kill(applyWorker(ctx, t, server), syscall.SIGKILL))
		default:
			counts["SIGKILL of the server"]++
			_, err := server.Kill9(ctx)
			must(t, err)
			must(t, server.Start(ctx))
		}
	}
	load.stop(t)
	log := checkApplied(ctx, t, c.Servers...)
	ledger.check(ctx, t, c.Servers...)
	for _, server := range c.Servers {
		if got := text(ctx, t, connect(ctx, t, server), "SELECT n::text FROM total"); got != strconv.Itoa(len(log)) {
			t.Errorf("node %d counted %s entries, the log has %d", server.NodeID, got, len(log))
		}
	}
	t.Logf("%d entries, %d acknowledged; kills: %v", len(log), ledger.count(), counts)
}

// applyWorker waits for the pid of the apply worker.
func applyWorker(ctx context.Context, t *testing.T, server *pgcluster.Server) (pid int) {
	t.Helper()
	must(t, wait.For(ctx, killLimit, fmt.Sprintf("the apply worker of node %d", server.NodeID), func(ctx context.Context) error {
		conn, err := server.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		return conn.QueryRow(ctx, "SELECT pid FROM pgraft_stat_apply WHERE pid IS NOT NULL AND state <> 'connecting'").Scan(&pid)
	}))
	return pid
}

func terminateApply(ctx context.Context, t *testing.T, server *pgcluster.Server) {
	t.Helper()
	pid := applyWorker(ctx, t, server)
	must(t, wait.For(ctx, killLimit, "pg_terminate_backend", func(ctx context.Context) error {
		conn, err := server.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		_, err = conn.Exec(ctx, "SELECT pg_terminate_backend($1)", pid)
		return err
	}))
}
