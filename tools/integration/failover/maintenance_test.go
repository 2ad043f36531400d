//go:build integration

package failover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// stands is what the cluster says of a member.
func stands(s *pgcluster.Server, columns string) string {
	return fmt.Sprintf("SELECT concat_ws(' ', %s) FROM pgraft_stat_failover WHERE node_id = %d", columns, s.NodeID)
}

// prioritises gives a server a priority, as an operator does.
func (w *world) prioritises(s *pgcluster.Server, priority int) {
	w.t.Helper()
	must(w.t, s.Set(map[string]string{"pgraft.failover_priority": fmt.Sprint(priority)}))
	w.do(s, "SELECT pg_reload_conf()")
}

// A standby is taken out for maintenance by its priority, and comes back. The primary cannot be
// taken out so: its priority counts once another server is the primary.
func TestMaintenance(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	w.prioritises(c, 0)
	w.until(a, stands(c, "in_sync_set, electable"), "f f")
	if _, err := w.ask(b, "SELECT pgraft_switchover(3)"); !isState(err, "55000") {
		t.Errorf("a switchover to a member with priority 0: %v", err)
	}
	must(t, c.Stop(w.ctx))
	w.acknowledged(100, a)
	must(t, c.Start(w.ctx))
	w.until(a, stands(c, "in_sync_set, electable, state"), "f f streaming")
	w.prioritises(c, 100)
	w.until(a, stands(c, "in_sync_set, electable"), "t t")

	w.prioritises(a, 0)
	w.acknowledged(100, a)
	w.switchesOver(a, "SELECT pgraft_switchover(2)")
	w.until(b, stands(a, "in_sync_set, electable, state"), "f f streaming")
	w.prioritises(a, 100)
	w.until(b, stands(a, "in_sync_set, electable"), "t t")
	w.acknowledged(100, b)
	w.checks(b)
}

// Each machine is rebooted in its turn, as docs/operations-failover.md says: the standbys first, then the
// primary once another server has taken over.
func TestRollingRestart(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	reboots := func(s, primary *pgcluster.Server) {
		must(t, s.Stop(w.ctx))
		must(t, s.Start(w.ctx))
		w.until(primary, stands(s, "in_sync_set, state"), "t streaming")
		w.acknowledged(100, primary)
	}
	reboots(c, a)
	reboots(b, a)
	w.switchesOver(a, "SELECT pgraft_switchover(2)")
	reboots(a, b)
	w.until(b, "SELECT count(*) FROM pgraft_failover_history", "2")
	w.checks(b)
	t.Logf("the longest time without a commit was %v", w.ledger.Pause().Round(time.Millisecond))
}

// In mode manual nobody takes over by himself. An operator's word does it, at first without a loss;
// then the only server that has what was acknowledged is gone, and the operator accepts that by
// name. What was given up stays in the history.
func TestManual(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(mode => 'manual', durability => 'preferred')")
	w.writes(4)
	w.acknowledged(100, a)
	w.prioritises(c, 0)
	w.until(a, stands(c, "in_sync_set, electable"), "f f")
	w.until(a, stands(b, "in_sync_set"), "t")
	must(t, a.Stop(w.ctx))
	w.waitsForWord(b, c)
	if n := w.by(b).Commits + w.by(c).Commits; n != 0 {
		t.Errorf("another server acknowledged %d commits without an operator's word", n)
	}
	w.says(c, "SELECT pgraft_failover(2)")
	w.acknowledged(100, b)
	if got := w.do(b, "SELECT given_up IS NULL FROM pgraft_failover_history LIMIT 1"); got != "t" {
		t.Errorf("something was given up: %s", w.do(b, "SELECT given_up FROM pgraft_failover_history LIMIT 1"))
	}

	w.stop()
	_, err := b.Kill9(w.ctx)
	must(t, err)
	must(t, a.Start(w.ctx))
	w.until(c, stands(a, "state"), "waiting")
	if _, err := w.ask(c, "SELECT pgraft_failover(1)"); !isState(err, "55000") {
		t.Errorf("a failover that might lose commits: %v", err)
	}
	if _, err := w.ask(c, "SELECT pgraft_failover(1, 'something else')"); !isState(err, "22023") {
		t.Errorf("with another cluster's id: %v", err)
	}
	notice := w.says(c, fmt.Sprintf("SELECT pgraft_failover(1, allow_data_loss => '%s')", pgcluster.DefaultClusterID))
	if !strings.Contains(notice, "node 2") {
		t.Errorf("the NOTICE says %q, and not what was lost", notice)
	}
	w.do(a, insert("goes on"))
	if got := w.do(a, "SELECT given_up FROM pgraft_failover_history LIMIT 1"); !strings.Contains(got, "node 2") {
		t.Errorf("the history says that %q was given up", got)
	}
}

// waitsForWord waits until whichever of these leads says that it waits for an operator.
func (w *world) waitsForWord(l ...*pgcluster.Server) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, "the leader to wait for an operator's word", func(context.Context) error {
		var said []string
		for _, s := range l {
			got, err := w.ask(s, "SELECT concat(string_agg(why_not, ', ')) FROM pgraft_stat_failover")
			if err != nil {
				return err
			}
			if strings.Contains(got, "without an operator's word") {
				return nil
			}
			said = append(said, got)
		}
		return fmt.Errorf("they say %q", said)
	}))
}

// says has an operator give his word, once, and returns the notice.
func (w *world) says(s *pgcluster.Server, sql string) (notice string) {
	w.t.Helper()
	cfg, err := pgx.ParseConfig(s.SocketURL())
	must(w.t, err)
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notice += n.Message }
	conn, err := pgx.ConnectConfig(w.ctx, cfg)
	must(w.t, err)
	defer conn.Close(w.ctx)
	var done bool
	if err := conn.QueryRow(w.ctx, sql).Scan(&done); err != nil || !done {
		w.t.Fatalf("node %d: %s: %v, %v", s.NodeID, sql, done, err)
	}
	return notice
}

// A standby whose replay is delayed is not waited for by commits, and its log says so: it would follow a
// new primary only once it has replayed. The other standby is promoted, and acknowledges.
func TestDelayed(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	must(t, c.Set(map[string]string{"recovery_min_apply_delay": "1h"}))
	w.do(c, "SELECT pg_reload_conf()")
	w.until(a, stands(c, "in_sync_set, electable, why_not"), "f f has \"pgraft.failover_priority\" 0")
	w.untilLogged(c, "\"recovery_min_apply_delay\" is set: this server does not become primary, and no commit waits for it")
	w.do(a, "SELECT pgraft_failover_settings(durability => 'preferred', sync_timeout => '1s')")
	w.writes(4)
	w.acknowledged(100, a)
	_, err := a.Kill9(w.ctx)
	must(t, err)
	w.acknowledged(100, b)
	must(t, c.Set(map[string]string{"recovery_min_apply_delay": "0"}))
	w.shell(c, "pg_ctl reload -s")
	w.until(b, stands(c, "in_sync_set, electable, state"), "t t streaming")
	w.acknowledged(100, b)
	w.checks(b)
}
