//go:build integration

package failover

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// freeze has a server send nothing to a standby any more: the walsender stands still.
func (w *world) freeze(s, standby *pgcluster.Server) (thaw func()) {
	w.t.Helper()
	var pid int
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("node %d to stream to node %d", s.NodeID, standby.NodeID), func(context.Context) error {
		got, err := w.ask(s, fmt.Sprintf("SELECT active_pid FROM pg_replication_slots WHERE slot_name LIKE 'pgraft\\_%d\\_%%'", standby.NodeID))
		if err == nil {
			_, err = fmt.Sscan(got, &pid)
		}
		return err
	}))
	must(w.t, syscall.Kill(pid, syscall.SIGSTOP))
	return func() { must(w.t, syscall.Kill(pid, syscall.SIGCONT)) }
}

// All servers are killed at once, and started in each order: there is one primary each time, and
// nothing is lost. The one that is started first was away before, and lacks commits.
func TestAllKilled(t *testing.T) {
	w := newWorld(t, rewinds)
	primary := w.cluster.Servers[0]
	w.until(primary, quorum, "2")
	w.writes(4)
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		primary = w.acknowledged(100, w.cluster.Servers...)
		w.until(primary, quorum, "2")
		if stale := w.cluster.Servers[order[0]]; stale != primary {
			_, err := stale.Kill9(w.ctx)
			must(t, err)
			w.acknowledged(50, primary)
		}
		for _, s := range w.cluster.Servers {
			if running, err := s.Running(); err != nil || running {
				must(t, err)
				_, err := s.Kill9(w.ctx)
				must(t, err)
			}
		}
		for _, i := range order {
			must(t, w.cluster.Servers[i].Start(w.ctx))
		}
	}
	primary = w.acknowledged(100, w.cluster.Servers...)
	w.until(primary, quorum, "2")
	w.until(primary, "SELECT count(*) FROM pgraft_stat_failover WHERE role = 'primary'", "1")
	w.checks(primary)
}

// Each primary is killed in its turn, and comes back: nothing is lost, and all stream from the last.
func TestOneAfterTheOther(t *testing.T) {
	w := newWorld(t, rewinds)
	primary := w.cluster.Servers[0]
	w.until(primary, quorum, "2")
	w.writes(4)
	w.acknowledged(100, primary)
	for range 4 {
		_, err := primary.Kill9(w.ctx)
		must(t, err)
		next := w.acknowledged(100, w.others(primary)...)
		must(t, primary.Start(w.ctx))
		w.until(next, quorum, "2")
		primary = next
	}
	w.stop()
	for _, s := range w.others(primary) {
		w.cameBack(s, primary)
		w.checks(s)
	}
	w.checks(primary)
}
