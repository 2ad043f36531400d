//go:build integration

package failover

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// A primary is killed while it commits: another server goes on, and what was acknowledged is
// there, once. The one that was killed comes back as a standby: it follows, or shows nothing, as it
// has WAL that nobody else has.
func TestPrimaryKilled(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(200, b, c)
	w.until(next, "SELECT timeline_id > 1 FROM pg_control_checkpoint()", "t")
	must(t, a.Start(w.ctx))
	w.standsBack(a, fmt.Sprintf("The primary is node %d: 127.0.0.1:%d.", next.NodeID, next.Port))
	w.checks(next)
}

// quorum is how many standbys the primary may count.
const quorum = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"

// Lesser faults, one after the other, while the cluster commits.
func TestFaults(t *testing.T) {
	w := newWorld(t, nil)
	w.until(w.cluster.Servers[0], quorum, "2")
	w.writes(4)
	primary := w.acknowledged(100, w.cluster.Servers[0])
	for _, c := range []struct {
		name string
		run  func(w *world, primary *pgcluster.Server)
	}{
		{"a standby is away", standbyAway},
		{"the engine of the primary ends alone", engineEnds},
		{"a backend of the primary crashes", backendCrashes},
	} {
		c.run(w, primary)
		primary = w.acknowledged(100, w.cluster.Servers...)
		t.Logf("%s: node %d goes on", c.name, primary.NodeID)
	}
	w.checks(primary)
}

// The other standby is enough; and the one that was away is counted again.
func standbyAway(w *world, primary *pgcluster.Server) {
	var away *pgcluster.Server
	for _, s := range w.cluster.Servers {
		if s != primary {
			away = s
		}
	}
	_, err := away.Kill9(w.ctx)
	must(w.t, err)
	w.acknowledged(100, primary)
	must(w.t, away.Start(w.ctx))
	w.until(primary, quorum, "2")
}

// It starts again, and the log has to know that before anything is acknowledged.
func engineEnds(w *world, primary *pgcluster.Server) {
	w.do(primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pgraft engine'")
}

// PostgreSQL restarts in place, as a standby.
func backendCrashes(w *world, primary *pgcluster.Server) {
	conn := w.conn(primary)
	if err := syscall.Kill(int(conn.PgConn().PID()), syscall.SIGKILL); err != nil {
		w.t.Fatalf("kill backend %d: %v", conn.PgConn().PID(), err)
	}
}

// A primary that is stopped has sent all of its WAL, and its standbys know that it has stopped.
// It comes back as a standby by itself, and is counted. Another one, which WAL is gone for that
// it needs, is told so.
func TestPrimaryStopped(t *testing.T) {
	w := newWorld(t, map[string]string{"wal_retrieve_retry_interval": "100ms"})
	told := w.module("told", "failover_told() RETURNS text")
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.do(a, told)
	w.writes(4)
	w.acknowledged(100, a)
	must(t, a.Stop(w.ctx))
	next := w.acknowledged(100, b, c)
	w.until(next, "SELECT failover_told()", "ended 1, lacks 0")
	must(t, a.Start(w.ctx))
	w.until(next, quorum, "2")
	w.stop()
	w.until(next, "SELECT pg_current_wal_flush_lsn() = ALL (SELECT replay_lsn FROM pg_stat_replication)", "t")
	w.checks(next)
	w.checks(a)

	must(t, a.Stop(w.ctx))
	w.do(next, "ALTER SYSTEM SET wal_keep_size = 0")
	w.do(next, "SELECT pg_reload_conf()")
	w.do(next, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
	for range 4 {
		w.do(next, "SELECT pg_logical_emit_message(false, 'pgraft', 'x')")
		w.do(next, "SELECT pg_switch_wal()")
		w.do(next, "CHECKPOINT")
	}
	must(t, a.Start(w.ctx))
	w.until(a, "SELECT failover_told()", "ended 0, lacks 1")
	w.until(next, "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pgraft\\_%'", "2")
}
