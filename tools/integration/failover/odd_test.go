//go:build integration

package failover

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A standby that cannot be primary has WAL that the next primary lacks: nobody waits for it, and it
// is rewound.
func TestPastTheSwitch(t *testing.T) {
	w := newWorld(t, rewinds)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	must(t, c.Set(map[string]string{"pgraft.failover_priority": "0"}))
	w.do(c, "SELECT pg_reload_conf()")
	w.do(a, "SELECT pgraft_failover_settings(durability => 'preferred', sync_timeout => '1min')") // there is nobody else
	w.until(a, "SELECT string_agg(node_id::text, ' ') FROM pgraft_stat_failover WHERE in_sync_set", "2")
	w.writes(4)
	w.acknowledged(100, a)
	w.freeze(a, b)
	p := w.session(a).start(insert("on the third alone")).waits()
	w.until(c, count("on the third alone"), "1")
	w.kills(a)
	p.fails()
	w.acknowledged(100, b)
	w.reignEnded(a, b)
	w.stop()
	w.cameBack(c, b)
	w.logged(c, "pgraft rejoin: rewinds its data onto the primary")
	w.hides(b, "on the third alone")
	w.hides(c, "on the third alone")
	w.checks(b)
	w.checks(c)
}

// Somebody promotes a standby by hand: it is quarantined, with the reason, and takes no part in what
// follows. The cluster goes on.
func TestPromotedByHand(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	if _, err := w.ask(c, "SELECT pg_promote()"); err != nil {
		t.Logf("node 3: %v", err)
	}
	why := "SELECT state || ', ' || why_not FROM pgraft_stat_failover WHERE node_id = 3"
	must(t, wait.Until(w.ctx, "node 3 to be quarantined", func(context.Context) error {
		got, err := w.ask(a, why)
		if err == nil && !strings.HasPrefix(got, "quarantined, ") {
			err = fmt.Errorf("it is %s", got)
		}
		return err
	}))
	t.Log(w.do(a, why))
	w.takesNoWrites(c)
	w.acknowledged(100, a)
	w.until(a, epochs, "1")
	w.checks(a)
	if err := w.shows(b, "not here", "0"); err != nil {
		t.Error(err)
	}
}

// sync_count is raised and lowered: commits wait for so many standbys, from the next one on.
func TestSyncCount(t *testing.T) {
	w := newWorld(t, nil)
	a, c := w.cluster.Servers[0], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	w.do(a, "SELECT pgraft_failover_settings(sync_count => 2)")
	w.until(a, "SELECT setting LIKE 'ANY 2 %' FROM pg_settings WHERE name = 'synchronous_standby_names'", "t")
	w.acknowledged(100, a)
	thaw := w.freeze(a, c)
	p := w.session(a).start(insert("waits for two")).waits()
	w.holds("a commit that waits for two", 3*time.Second, func() error { return w.shows(a, "waits for two", "0") })
	w.do(a, "SELECT pgraft_failover_settings(sync_count => 1)")
	p.succeeds()
	w.acknowledged(100, a)
	thaw()
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(sync_count => 2)")
	w.acknowledged(50, a)
	w.kills(a)
	b := w.cluster.Servers[1]
	w.until(b, "SELECT sync_count FROM pgraft_failover_settings(sync_count => 1)", "1")
	next := w.acknowledged(100, b, c)
	w.reignEnded(a, next)
	w.checks(next)
}

// The primary's link to the others flaps, each time for less than failover_delay: no epoch begins.
func TestFlappingLink(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(failover_delay => '10s')")
	w.writes(4)
	w.acknowledged(100, a)
	for range 5 {
		w.cut(a)
		w.fenced(a)
		w.heal(a)
		w.acknowledged(100, a)
	}
	w.until(a, epochs, "1")
	w.checks(a)
}

// Data from before is put back on a standby, beside today's Raft store: what it says does not
// count, though a member of the sync set says so.
func TestDataBack(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	must(t, c.Stop(w.ctx))
	back := w.keeps(c)
	must(t, c.Start(w.ctx))
	w.until(a, quorum, "2")
	w.until(a, "SELECT count(*) FROM pgraft_stat_failover WHERE in_sync_set", "2")
	thaw := w.freeze(a, b)
	w.acknowledged(100, a)
	_, err := c.Kill9(w.ctx)
	must(t, err)
	w.kills(a)
	thaw()
	back()
	must(t, c.Start(w.ctx))
	w.holds("nobody to serve", 6*time.Second, func() error {
		if n := w.by(b).Commits + w.by(c).Commits; n != 0 {
			return fmt.Errorf("%d commits were acknowledged", n)
		}
		return nil
	})
	t.Log(w.do(b, "SELECT string_agg(node_id || ' ' || state || ': ' || coalesce(why_not, ''), E'\\n') FROM pgraft_stat_failover"))
	must(t, a.Start(w.ctx))
	next := w.acknowledged(100, w.cluster.Servers...)
	w.checks(next)
}

// keeps copies the data directory of a server that is stopped. back puts it back, but for the Raft
// store, which stays as it is.
func (w *world) keeps(s *pgcluster.Server) (back func()) {
	w.t.Helper()
	copied := filepath.Join(w.cluster.Dir, fmt.Sprintf("node%d of before", s.NodeID))
	run := func(command string, args ...string) {
		w.t.Helper()
		if out, err := exec.CommandContext(w.ctx, command, args...).CombinedOutput(); err != nil {
			w.t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	run("cp", "-a", s.DataDir, copied)
	return func() {
		w.t.Helper()
		for _, name := range []string{"pgraft", "pgraft.initialized"} {
			must(w.t, os.RemoveAll(filepath.Join(copied, name)))
			if _, err := os.Stat(s.File(name)); err == nil {
				must(w.t, os.Rename(s.File(name), filepath.Join(copied, name)))
			}
		}
		must(w.t, os.RemoveAll(s.DataDir))
		must(w.t, os.Rename(copied, s.DataDir))
	}
}
