//go:build integration

package failover

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/tools/internal/freeport"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/witness"
)

// witness runs a witness in this process until the function is called, on a directory and a port that
// another one may have later.
func (w *world) witness(id int, dir string, port int) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	cfg := witness.Config{Dir: dir, Version: "test", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Node: node.Config{ClusterID: pgcluster.DefaultClusterID, NodeID: uint32(id), Address: freeport.Loopback, Port: uint32(port),
			ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond, SnapshotEntries: 10000,
			Retention: store.Retention{RetainEntries: 1000000, RetainBytes: 1 << 30},
			Trace:     recorder.Settings{Mode: recorder.Ring, MaxBytes: recorder.MinBytes}}}
	go func() { ended <- witness.Run(ctx, cfg) }()
	end := func() error {
		cancel()
		err, ran := <-ended
		if ran {
			close(ended)
		}
		return err
	}
	w.t.Cleanup(func() { must(w.t, end()) })
	return func() { must(w.t, end()) }
}

// joinWitness adds a witness to the cluster by a server, and waits until it votes.
func (w *world) joinWitness(id int, by *pgcluster.Server) (dir string, port int, stop func()) {
	w.t.Helper()
	reserved, err := freeport.Reserve()
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, reserved.Close()) })
	dir, port = w.t.TempDir(), reserved.Port
	stop = w.witness(id, dir, port)
	conn := w.conn(by)
	_, err = sqlapi.AddNode(w.ctx, conn, id, freeport.Loopback, port)
	must(w.t, err)
	must(w.t, conn.Close(w.ctx))
	w.until(by, fmt.Sprintf("SELECT role FROM pgraft_stat_failover WHERE node_id = %d", id), "witness")
	return dir, port, stop
}

// The primary and the standby that has all of its commits are gone: the third may lack some, and
// is promoted only by an operator who gives up what it lacks, in words. What comes back is not shown.
func TestOverride(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.bothGone()
	w.session(c).refused("SELECT pgraft_failover(3)", "55000", "40003")
	if n := w.by(c).Commits; n != 0 {
		t.Errorf("node 3 acknowledged %d commits", n)
	}
	w.session(c).refused("SELECT pgraft_failover(3, allow_data_loss => 'something')", "22023")
	got, err := w.ask(c, "SELECT pgraft_failover(3, allow_data_loss => '"+pgcluster.DefaultClusterID+"')")
	if (err != nil || got != "t") && !isState(err, "57P01") { // as it is promoted its sessions end
		t.Fatalf("node 3 is not promoted: %q, %v", got, err)
	}
	w.acknowledged(100, c)
	given := w.do(c, "SELECT given_up FROM pgraft_failover_history ORDER BY epoch DESC LIMIT 1")
	t.Logf("given up: %s", given)
	if given == "" {
		t.Error("the history does not say what was given up")
	}
	was := w.by(a).Commits + w.by(b).Commits
	must(t, b.Start(w.ctx))
	w.standsBack(b, primaryIs(c))
	w.acknowledged(100, c)
	if n := w.by(a).Commits + w.by(b).Commits; n != was {
		t.Errorf("nodes 1 and 2 acknowledged %d commits", n-was)
	}
}

// The same, and one of the two is back: it has all that was acknowledged, and goes on.
func TestBothGone(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.bothGone()
	w.holds("nobody to serve", 4*time.Second, func() error {
		if n := w.by(c).Commits; n != 0 {
			return fmt.Errorf("node 3 acknowledged %d commits", n)
		}
		return nil
	})
	must(t, b.Start(w.ctx))
	next := w.acknowledged(100, b, c)
	w.reignEnded(a, next)
	w.checks(next)
}

// Two servers and a witness: the standby is lost, then the primary, which had gone on alone. The standby
// is back by itself: it is not promoted, shows nothing, and says for whom it waits. Once that one is back
// it goes on.
func TestTwoAndAWitness(t *testing.T) {
	w := newWorldOf(t, 2, nil)
	a, b := w.cluster.Servers[0], w.cluster.Servers[1]
	w.joinWitness(3, a)
	w.until(a, quorum, "1")
	w.do(a, "SELECT pgraft_failover_settings(durability => 'preferred', sync_timeout => '1s')")
	w.writes(4)
	w.acknowledged(100, a)
	_, err := b.Kill9(w.ctx)
	must(t, err)
	w.acknowledged(100, a) // alone
	_, err = a.Kill9(w.ctx)
	must(t, err)
	must(t, b.Start(w.ctx))
	// which of the two depends on who leads
	w.until(b, "SELECT why_not IN ('members are away that may have commits which no other has: node 1', 'the primary is away: node 1') FROM pgraft_stat_failover WHERE node_id = 2", "t")
	w.holds("nobody to serve", 2*time.Second, func() error {
		if n := w.by(b).Commits; n != 0 {
			return fmt.Errorf("node 2 acknowledged %d commits", n)
		}
		return nil
	})
	must(t, a.Start(w.ctx))
	w.acknowledged(100, a)
	w.until(a, quorum, "1")
	w.checks(a)
}

// bothGone makes a cluster of three servers and two witnesses of, and ends the primary and the standby
// that has its commits; the third lacks some, and says that it may.
func (w *world) bothGone() (a, b, c *pgcluster.Server) {
	w.t.Helper()
	a, b, c = w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.joinWitness(4, a)
	w.joinWitness(5, a)
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(durability => 'preferred', sync_timeout => '1min')")
	w.writes(4)
	w.acknowledged(100, a)
	w.freeze(a, c)
	w.acknowledged(100, a)
	_, err := b.Kill9(w.ctx)
	must(w.t, err)
	w.kills(a)
	w.until(c, "SELECT why_not LIKE 'members are %that may have commits which no other has: nodes 1, 2' FROM pgraft_stat_failover WHERE node_id = 3", "t")
	return a, b, c
}
