//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
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

// A primary that comes back alone shows no data, as the others may have gone on without it. What
// it knows of the cluster it shows: so an operator sees what it waits for.
func TestBackAlone(t *testing.T) {
	w := newWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	for _, s := range w.cluster.Servers {
		_, err := s.Kill9(w.ctx)
		must(t, err)
	}
	must(t, a.Start(w.ctx))
	w.until(a, "SELECT role || ', ' || (why_not IS NOT NULL) FROM pgraft_stat_failover WHERE node_id = 1", "primary, true")
	w.until(a, "SELECT pgraft_get_primary() IN (0, 1)", "t") // it need not know that the epoch was opened
	w.until(a, "SELECT epoch FROM pgraft_failover_history ORDER BY epoch DESC LIMIT 1", "1")
	if _, err := w.ask(a, "SELECT count(*) FROM pg_class"); !isState(err, "57P03") {
		t.Errorf("it shows data: %v", err)
	}
}

// Failover that is being enabled waits for the standbys. What is missing is logged and shown, and
// disabling it ends the wait of commits.
func TestEnablingWaits(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, nil, map[string]string{"pgraft.replication_conninfo": "user=nobody"})
	t.Cleanup(w.ends)
	w.found()
	a := w.cluster.Servers[0]
	committed := make(chan error, 1)
	go func() { _, err := w.ask(a, "CREATE TABLE waits ()"); committed <- err }()
	w.until(a, "SELECT why_not FROM pgraft_stat_failover WHERE node_id = 1", "members of the sync set have not flushed the new timeline: nodes 2, 3")
	must(t, wait.Until(w.ctx, "the log to say what is missing", func(context.Context) error {
		if log := a.LogTail(1000); !strings.Contains(log, "failover is being enabled, and commits wait for that: members of the sync set") {
			return errors.New("it does not")
		}
		return nil
	}))
	select {
	case err := <-committed:
		t.Fatalf("a commit does not wait: %v", err)
	default:
	}
	w.do(a, "SELECT pgraft_disable_failover()")
	must(t, <-committed)
}

func isState(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}

// Lesser faults, one after the other, while the cluster commits.
func TestFaults(t *testing.T) {
	w := newWorld(t, nil)
	w.until(w.cluster.Servers[0], quorum, "2")
	w.do(w.cluster.Servers[0], "SELECT pgraft_failover_settings(failover_delay => '30s')") // a restart can take a while
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

// PostgreSQL restarts in place, as a standby, and gets the next epoch.
func backendCrashes(w *world, primary *pgcluster.Server) {
	was := w.do(primary, opened)
	conn := w.conn(primary)
	if err := syscall.Kill(int(conn.PgConn().PID()), syscall.SIGKILL); err != nil {
		w.t.Fatalf("kill backend %d: %v", conn.PgConn().PID(), err)
	}
	w.until(w.others(primary)[0], opened, fmt.Sprintf("%s %d", was, primary.NodeID))
}

// opened is who was primary, in the order of the epochs.
const opened = "SELECT string_agg(node_id::text, ' ' ORDER BY epoch) FROM pgraft_failover_history WHERE opened_index IS NOT NULL"

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
	w.ages(next, 1)
	must(t, a.Start(w.ctx))
	w.until(a, "SELECT failover_told()", "ended 0, lacks 1")
	w.until(next, "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pgraft\\_%'", "2")
}
