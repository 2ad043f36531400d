//go:build integration

package failover

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// The engine of the primary stands still, and its server runs on: the lease ends by the clock
// that each backend looks at.
func TestEngineStopped(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.fence_wait": "500ms"})
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(2, a)
	w.acknowledged(100, a)
	begun := w.session(a)
	begun.run("BEGIN")
	begun.run(insert("begun before"))
	must(t, a.PauseEngine())
	w.fenced(a)
	begun.refused("COMMIT", "25006")
	next := w.acknowledged(100, w.others(a)...)
	w.reignEnded(a, next)
	must(t, a.ResumeEngine())
	w.standsBack(a, primaryIs(next))
	w.hides(next, "begun before")
	w.checks(next)
}

// All processes of the primary stand still, in the middle of whatever they do, and go on once
// there is another primary: then they acknowledge nothing any more.
func TestServerStopped(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.fence_wait": "500ms"})
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4, a)
	w.acknowledged(200, a)
	w.signal(a, syscall.SIGSTOP)
	next := w.acknowledged(100, w.others(a)...)
	before := w.by(a)
	w.signal(a, syscall.SIGCONT)
	w.standsBack(a, primaryIs(next))
	w.acknowledged(100, next)
	if after := w.by(a); after.Commits != before.Commits {
		t.Errorf("node 1 acknowledged %d commits once it went on", after.Commits-before.Commits)
	}
	w.reignEnded(a, next)
	w.checks(next)
	w.replays()
}

// signal sends all processes of a server a signal, and those that were being forked meanwhile.
func (w *world) signal(s *pgcluster.Server, sig syscall.Signal) {
	w.t.Helper()
	for range 2 {
		pids, err := s.Processes()
		must(w.t, err)
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
				w.t.Fatalf("node %d: process %d: %v", s.NodeID, pid, err)
			}
		}
	}
}

// The engines of both standbys stand still: no quorum is left. The primary's server and its
// sessions live on, what is read is answered, and commits go on once the quorum is back, in the
// same epoch.
func TestQuorumLost(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.fence_wait": "500ms"})
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	s := w.session(a)
	s.run("CREATE TEMPORARY TABLE mine AS SELECT 1 AS v")
	s.run(insert("before"))
	for _, o := range w.others(a) {
		must(t, o.PauseEngine())
	}
	w.fenced(a)
	s.refused(insert("without a quorum"), "25006")
	if got := s.run(count("before")); got != "1" {
		t.Errorf("a reader sees the row %s times", got)
	}
	for _, o := range w.others(a) {
		must(t, o.ResumeEngine())
	}
	w.acknowledged(100, a)
	s.run(insert("after"))
	if got := s.run("SELECT v FROM mine"); got != "1" {
		t.Errorf("the session's own table has %q", got)
	}
	w.until(a, epochs, "1")
	w.checks(a)
	if err := w.shows(a, "without a quorum", "0"); err != nil {
		t.Error(err)
	}
}

// Both machines of the standbys are away: the same.
func TestStandbysKilled(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.fence_wait": "500ms"})
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	s := w.session(a)
	s.run("CREATE TEMPORARY TABLE mine AS SELECT 1 AS v")
	for _, o := range w.others(a) {
		_, err := o.Kill9(w.ctx)
		must(t, err)
	}
	w.fenced(a)
	s.refused(insert("alone"), "25006")
	for _, o := range w.others(a) {
		must(t, o.Start(w.ctx))
	}
	w.acknowledged(100, a)
	s.run("INSERT INTO rows SELECT v FROM mine")
	w.until(a, quorum, "2")
	w.until(a, epochs, "1")
	w.checks(a)
}

// One standby is cut off from everybody: commits wait for the other one. It is back by itself,
// and is counted again; then the other way round.
func TestStandbyCut(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	for _, s := range w.others(a) {
		w.cut(s)
		w.until(a, fmt.Sprintf("SELECT in_sync_set FROM pgraft_stat_failover WHERE node_id = %d", s.NodeID), "f")
		w.acknowledged(100, a)
		w.heal(s)
		w.until(a, quorum, "2")
		w.until(a, "SELECT count(*) FROM pgraft_stat_failover WHERE in_sync_set", "2")
	}
	w.acknowledged(100, a)
	w.until(a, epochs, "1")
	w.checks(a)
}

// Commits whose wait for standbys ends early are neither acknowledged nor shown, and so nobody
// misses them once another server is the primary.
func TestCanceled(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(2)
	w.acknowledged(100, a)
	w.cut(a, w.streams())
	canceled, terminated, timed := w.session(a), w.session(a), w.session(a)
	timed.run("SET statement_timeout = '2s'")
	all := []*pending{canceled.start(insert("canceled")).waits(), terminated.start(insert("terminated")).waits(),
		timed.start(insert("timed out"))}
	w.do(a, fmt.Sprintf("SELECT pg_cancel_backend(%d)", canceled.conn.PgConn().PID()))
	w.do(a, fmt.Sprintf("SELECT pg_terminate_backend(%d)", terminated.conn.PgConn().PID()))
	all[2].waits()
	w.holds("commits that are hidden", 4*time.Second, func() error {
		for _, v := range []string{"canceled", "terminated", "timed out"} {
			if err := w.shows(a, v, "0"); err != nil {
				return err
			}
		}
		return nil
	})
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	for _, p := range all {
		p.fails()
	}
	w.reignEnded(a, next)
	must(t, a.Start(w.ctx))
	w.standsBack(a, primaryIs(next))
	for _, v := range []string{"canceled", "terminated", "timed out"} {
		w.hides(a, v)
		w.hides(next, v)
	}
	w.checks(next)
}

// A primary restarts while a commit waits: it is the only server that has it, gets the next
// epoch, and shows nobody anything before a standby has it too. None ever has.
func TestRestartedWithWaiters(t *testing.T) {
	w := newNetWorld(t, map[string]string{"wal_sender_timeout": "1s"}) // a stop waits for it
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.do(a, "SELECT pgraft_failover_settings(failover_delay => '15s')")
	w.writes(2)
	w.acknowledged(100, a)
	w.cut(a, w.streams())
	p := w.session(a).start(insert("waits")).waits()
	must(t, a.Restart(w.ctx))
	p.fails()
	b := w.others(a)[0]
	w.until(b, "SELECT state FROM pgraft_stat_failover WHERE node_id = 1", "opening")
	w.holds("a server that shows nothing", 2*time.Second, func() error {
		_, err := w.ask(a, count("waits"))
		if err == nil || !strings.Contains(err.Error(), "57P03") {
			return fmt.Errorf("it answers: %v", err)
		}
		return nil
	})
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	w.reignEnded(a, next)
	w.hides(next, "waits")
	must(t, a.Start(w.ctx))
	w.standsBack(a, primaryIs(next))
	w.hides(a, "waits")
	w.checks(next)
}

// Settings that would have commits not wait for standbys do nothing: names that are emptied, and
// lesser kinds of synchronous_commit.
func TestWeakened(t *testing.T) {
	w := newNetWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(2)
	w.acknowledged(100, a)
	w.cut(a, w.streams())
	w.session(a).refused("ALTER SYSTEM SET synchronous_standby_names = ''", "22023")
	kinds := []string{"local", "off", "remote_write"}
	var all []*pending
	for _, kind := range kinds {
		s := w.session(a)
		s.run("SET synchronous_commit = " + kind)
		all = append(all, s.start(insert(kind)).waits())
	}
	w.do(a, "ALTER SYSTEM RESET synchronous_standby_names")
	w.do(a, "SELECT pg_reload_conf()")
	w.holds("commits that wait", 2*time.Second, func() error {
		for _, kind := range kinds {
			if err := w.shows(a, kind, "0"); err != nil {
				return err
			}
		}
		return nil
	})
	w.heal(a)
	for _, p := range all {
		p.succeeds()
	}
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	for _, kind := range kinds {
		if err := w.shows(next, kind, "1"); err != nil {
			t.Error(err)
		}
	}
	w.reignEnded(a, next)
	w.checks(next)
}
