//go:build integration

package failover

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// The machine of the primary is gone: nobody is told, not even by a connection that is reset. It
// comes back.
func TestMachineGone(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	w.cut(a)
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	w.reignEnded(a, next)
	w.heal(a)
	must(t, a.Start(w.ctx))
	w.standsBack(a, primaryIs(next))
	w.checks(next)
}

// primaryIs is the HINT of who refuses.
func primaryIs(s *pgcluster.Server) string {
	return fmt.Sprintf("The primary is node %d: %s.", s.NodeID, s.Host())
}

// A primary that is cut off from everybody but the clients beside it acknowledges nothing from
// before another server does. What it wrote meanwhile is shown by nobody, ever; and it counts
// for nothing when it is back, whatever its bare LSN is.
func TestPrimaryCut(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(2, a)
	w.acknowledged(100, a)
	begun, inFlight := w.session(a), w.session(a)
	begun.run("BEGIN")
	begun.run(insert("begun before"))
	w.cut(a, w.streams())
	p := inFlight.start(insert("in flight")).waits()
	w.cut(a)
	w.fenced(a)
	begun.refused("COMMIT", "25006")
	w.hides(a, "in flight")
	next := w.acknowledged(100, w.others(a)...)
	w.hides(a, "in flight")
	w.reignEnded(a, next)
	w.heal(a)
	p.fails()
	w.standsBack(a, primaryIs(next))
	w.hides(a, "in flight")
	w.hides(a, "begun before")

	// Without the other standby nobody is left who counts.
	w.until(next, "SELECT in_sync_set FROM pgraft_stat_failover WHERE node_id = 1", "f")
	other := w.third(a, next)
	w.stop()
	w.cut(other, w.streams())
	alone := w.session(next).start(insert("with a diverged standby")).waits()
	w.holds("nobody to count", time.Second, func() error { return w.shows(next, "with a diverged standby", "0") })
	w.heal(other)
	alone.succeeds()
	w.checks(next)
	w.replays()
}

// A primary that is cut off from the voters alone, with all of its clients and standbys, is
// fenced by its lease.
func TestVotersCut(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(2, a)
	w.acknowledged(100, a)
	begun := w.session(a)
	begun.run("BEGIN")
	begun.run(insert("begun before"))
	w.cut(a, w.raft())
	w.fenced(a)
	begun.refused("COMMIT", "25006")
	next := w.acknowledged(100, w.others(a)...)
	w.reignEnded(a, next)
	w.heal(a)
	w.standsBack(a, primaryIs(next))
	w.hides(next, "begun before")
	w.checks(next)
}

// A primary that is cut off from its standbys alone stays the primary: its commits wait, or are
// acknowledged without them where durability is preferred.
func TestStandbysCut(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	w.cut(a, w.streams())
	p := w.session(a).start(insert("waits")).waits()
	w.holds("a commit that waits", 4*time.Second, func() error { return w.shows(a, "waits", "0") })
	w.until(a, epochs, "1")
	w.do(a, "SELECT pgraft_failover_settings(durability => 'preferred')")
	p.succeeds()
	w.acknowledged(100, a)
	w.heal(a)
	w.until(a, quorum, "2")
	w.until(a, "SELECT count(*) FROM pgraft_stat_failover WHERE in_sync_set", "2")
	w.acknowledged(100, a)
	w.until(a, epochs, "1")
	w.checks(a)
}

// A commit is in flight as the lease ends, and only then do the standbys get it: it is not
// acknowledged before the primary holds the lease again.
func TestLeaseEnds(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(failover_delay => '1min')")
	w.writes(2)
	w.acknowledged(100, a)
	var frozen []int
	for _, s := range w.others(a) {
		frozen = append(frozen, w.process(s, "walreceiver"))
		must(t, syscall.Kill(frozen[len(frozen)-1], syscall.SIGSTOP))
	}
	p := w.session(a).start(insert("in flight")).waits()
	w.cut(a, w.raft())
	w.fenced(a)
	for _, pid := range frozen {
		must(t, syscall.Kill(pid, syscall.SIGCONT))
	}
	for _, s := range w.others(a) {
		w.until(s, count("in flight"), "1")
	}
	w.holds("a commit without a lease", 2*time.Second, func() error {
		select {
		case err := <-p.done:
			return fmt.Errorf("it has ended: %v", err)
		default:
			return nil
		}
	})
	w.heal(a)
	p.succeeds()
	w.acknowledged(100, a)
	w.until(a, epochs, "1")
	w.checks(a)
}
