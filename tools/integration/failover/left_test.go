//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A former primary that somebody starts with failover off in its file, or without its Raft store, is
// a standby, and takes no writes.
func TestHalfOff(t *testing.T) {
	w := newWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	was := w.by(a).Commits
	must(t, a.Set(map[string]string{"pgraft.failover": "off"}))
	must(t, a.Start(w.ctx))
	w.takesNoWrites(a)
	must(t, a.Stop(w.ctx))
	must(t, a.Set(map[string]string{"pgraft.failover": "on"}))
	must(t, os.RemoveAll(filepath.Join(a.DataDir, "pgraft")))
	must(t, a.Start(w.ctx))
	w.takesNoWrites(a)
	w.acknowledged(100, next)
	if n := w.by(a).Commits; n != was {
		t.Errorf("node 1 acknowledged %d commits", n-was)
	}
	w.checks(next)
}

// takesNoWrites waits until a server answers, and checks that it does so as a standby or not at all.
func (w *world) takesNoWrites(s *pgcluster.Server) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("node %d to answer", s.NodeID), func(context.Context) error {
		_, err := w.ask(s, insert("not here"))
		var pgErr *pgconn.PgError
		switch {
		case err == nil:
			return fmt.Errorf("it takes writes: %w", wait.ErrHopeless)
		case errors.As(err, &pgErr) && (pgErr.Code == "25006" || pgErr.Code == "57P03" && pgErr.Message != "the database system is starting up"):
			w.t.Logf("node %d: %v", s.NodeID, err)
			return nil
		}
		return err
	}))
}

// The checkpointers of both standbys stand still as the primary dies: until one has read the
// names, no commit would wait for standbys. So the new primary does not open before.
func TestCheckpointerLate(t *testing.T) {
	w := newWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	var late []int
	for _, s := range w.others(a) {
		late = append(late, w.process(s, "checkpointer"))
		must(t, syscall.Kill(late[len(late)-1], syscall.SIGSTOP))
	}
	_, err := a.Kill9(w.ctx)
	must(t, err)
	b, c := w.others(a)[0], w.others(a)[1]
	w.until(b, "SELECT count(*) > 1 FROM pgraft_failover_history", "t")
	w.holds("nobody to serve", 3*time.Second, func() error {
		if n := w.by(b).Commits + w.by(c).Commits; n != 0 {
			return fmt.Errorf("%d commits were acknowledged", n)
		}
		return nil
	})
	for _, pid := range late {
		must(t, syscall.Kill(pid, syscall.SIGCONT))
	}
	next := w.acknowledged(100, b, c)
	w.reignEnded(a, next)
	w.checks(next)
}

// The engine of the primary ends alone as the sync set changes: it has forgotten which sets may
// count, and no commit is lost with the failover after that.
func TestEngineForgets(t *testing.T) {
	w := newNetWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	in := func(s *pgcluster.Server) string {
		return fmt.Sprintf("SELECT in_sync_set FROM pgraft_stat_failover WHERE node_id = %d", s.NodeID)
	}
	ends := func() {
		engineEnds(w, a)
		w.acknowledged(100, a)
	}
	w.cut(b) // as it leaves the set
	ends()
	w.until(a, in(b), "f")
	ends()
	w.heal(b)
	w.until(a, quorum, "2") // as it joins
	ends()
	w.until(a, in(b), "t")
	w.cut(c)
	w.until(a, in(c), "f")
	ends()
	w.heal(c)
	ends()
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, b, c)
	w.reignEnded(a, next)
	w.checks(next)
}

// A promotion does not come on, and another epoch begins in the middle of it: it is ended, and
// nothing comes of it once it goes on.
func TestPromotionHangs(t *testing.T) {
	w := newWorld(t, map[string]string{"wal_retrieve_retry_interval": "100ms"})
	a := w.cluster.Servers[0]
	armed := w.armed("received promote request", true)
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	must(t, os.WriteFile(armed, nil, 0o666))
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	w.until(next, "SELECT count(*) = count(DISTINCT timeline) AND count(*) > 2 FROM pgraft_failover_history", "t")
	w.reignEnded(a, next)
	must(t, a.Start(w.ctx))
	w.standsBack(a, primaryIs(next))
	w.checks(next)
}

// A primary is a subscriber elsewhere too. It restarts with a row that no standby has: until its
// epoch is open the apply worker confirms nothing to the publisher, and so the next primary gets the
// row from there.
func TestSubscriber(t *testing.T) {
	w := newNetWorld(t, map[string]string{"wal_sender_timeout": "1s"}) // a stop waits for it
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(failover_delay => '15s')")
	publisher := w.outside(map[string]string{"wal_level": "logical"})
	w.do(publisher, "CREATE TABLE rows (v text)")
	w.do(publisher, "CREATE PUBLICATION p FOR TABLE rows")
	w.do(a, fmt.Sprintf("CREATE SUBSCRIPTION s CONNECTION 'host=%s port=%d user=postgres dbname=postgres' PUBLICATION p", publisher.Address(), publisher.Port))
	w.do(publisher, insert("first"))
	w.until(a, count("first"), "1")
	w.writes(2)
	w.acknowledged(100, a)
	w.cut(a, w.streams())
	w.do(publisher, insert("published"))
	w.until(a, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%worker' AND wait_event = 'SyncRep'", "1")
	confirmed := "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 's'"
	was := w.do(publisher, confirmed)
	must(t, a.Restart(w.ctx))
	b := w.others(a)[0]
	w.until(b, "SELECT state FROM pgraft_stat_failover WHERE node_id = 1", "opening")
	w.holds("a subscriber that confirms nothing", 3*time.Second, func() error {
		if now, err := w.ask(publisher, confirmed); err != nil || now != was {
			return fmt.Errorf("it was %s and is %s, %v", was, now, err)
		}
		return nil
	})
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	w.until(next, count("published"), "1")
	w.reignEnded(a, next)
	w.checks(next)
}

// outside makes a server without the extension, in the same network.
func (w *world) outside(settings map[string]string) *pgcluster.Server {
	w.t.Helper()
	const node = 9
	c, err := pgcluster.New(w.ctx, pgcluster.Config{Install: w.cluster.Servers[0].Install, Nodes: 1, Plain: true, Settings: settings,
		Place: func(int) (pgcluster.Place, error) { return place(w.net, node) }})
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, c.Destroy()) })
	must(w.t, c.Start(w.ctx))
	return c.Servers[0]
}
