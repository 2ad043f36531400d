//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// rewinds are the settings with which a server that has diverged comes back by itself.
var rewinds = map[string]string{"pgraft.rejoin": "rewind", "wal_log_hints": "on"}

// A primary is killed with WAL that nobody else has: once it is started it comes back as a standby
// by itself, with the process id that it was started with, and is counted. Its own settings are
// what they were.
func TestRejoinByRewind(t *testing.T) {
	w := newWorld(t, rewinds)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	_, err := a.Diverge(w.ctx)
	must(t, err)
	next := w.acknowledged(200, b, c)
	must(t, a.Start(w.ctx))
	pid := w.livePid(a)
	w.until(next, quorum, "2")
	w.acknowledged(100, next)
	w.stop()
	w.cameBack(a, next)
	w.logged(a, "pgraft rejoin: rewinds its data onto the primary")
	if now := w.livePid(a); now != pid {
		t.Errorf("node 1 has process id %d, and was started with %d", now, pid)
	}
	w.checks(next)
	w.checks(a)
}

// A server that was away until the primary had no more of the WAL that it needs is cloned, and the
// data of before is kept.
func TestRejoinByClone(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.rejoin": "clone"})
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	must(t, a.Stop(w.ctx))
	next := w.acknowledged(100, b, c)
	w.ages(next, 1)
	must(t, a.Start(w.ctx))
	w.until(next, quorum, "2")
	w.acknowledged(100, next)
	w.stop()
	w.cameBack(a, next)
	w.logged(a, "pgraft rejoin: clones the primary")
	if _, err := os.Stat(filepath.Join(a.DataDir+".pgraft_old_1", "PG_VERSION")); err != nil {
		t.Errorf("the data of before: %v", err)
	}
	w.checks(next)
	w.checks(a)
}

// A rejoin that is killed, or stopped, at any step goes on from there at the next start.
func TestRejoinCutShort(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.rejoin": "clone", "wal_log_hints": "on"})
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	_, err := a.Diverge(w.ctx)
	must(t, err)
	next := w.acknowledged(200, b, c)
	for _, line := range []string{"recovers alone", "rewinds its data", "clones the primary", "clones the primary"} {
		started := make(chan error, 1)
		seen := w.count(a, line)
		go func() { started <- a.Start(w.ctx) }()
		must(t, wait.Until(w.ctx, "node 1 to say that it "+line, func(context.Context) error {
			if w.count(a, line) == seen && w.count(a, "the data is made anew") == 0 {
				return errors.New("it does not")
			}
			return nil
		}))
		must(t, syscall.Kill(w.livePid(a), syscall.SIGKILL))
		w.untilGone(a)
		t.Logf("killed as it %s; its start said: %v", line, <-started)
	}
	w.mayNotClone(a)
	must(t, a.Start(w.ctx))
	w.until(next, quorum, "2")
	w.acknowledged(100, next)
	w.stop()
	w.cameBack(a, next)
	w.checks(next)
	w.checks(a)
}

// mayNotClone has a server whose rewind was cut short start while no clone is allowed: it does not.
func (w *world) mayNotClone(s *pgcluster.Server) {
	w.t.Helper()
	text, err := os.ReadFile(s.DataDir + host.MarkerSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return // it was not cut short any more
	}
	must(w.t, err)
	x, err := host.UnmarshalRejoining(text)
	must(w.t, err)
	if x.Stage >= host.StageMade {
		return // nothing is left but to put files back
	}
	for _, way := range []string{"rewind", "off"} {
		must(w.t, s.Set(map[string]string{"pgraft.rejoin": way}))
		if err := s.Start(w.ctx); err == nil {
			w.t.Fatalf("a server whose data may be of two starts, with pgraft.rejoin = %s", way)
		}
	}
	w.logged(s, "pgraft: a rewind of the data was cut short or has failed, and \"pgraft.rejoin\" allows no clone")
	w.logged(s, "pgraft: the data of this server was being made anew, and that has not ended")
	must(w.t, s.Set(map[string]string{"pgraft.rejoin": "clone"}))
}

// livePid is the process id in a server's lock file, once it is a postmaster's: for an instant it
// is that of the server that recovers alone.
func (w *world) livePid(s *pgcluster.Server) (pid int) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("node %d to have a process id", s.NodeID), func(context.Context) error {
		text, err := os.ReadFile(s.File("postmaster.pid"))
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(text), "\n")
		if pid, err = strconv.Atoi(first); err == nil && pid <= 0 {
			err = fmt.Errorf("it is %d", pid)
		}
		return err
	}))
	return pid
}

func (w *world) untilGone(s *pgcluster.Server) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("node %d to be gone", s.NodeID), func(context.Context) error {
		if running, err := s.Running(); err != nil || running {
			return errors.Join(err, errors.New("it runs"))
		}
		return nil
	}))
}

// kills kills a server with all of its processes: one that stands still may hold a lock that others
// wait for.
func (w *world) kills(s *pgcluster.Server) {
	w.t.Helper()
	must(w.t, syscall.Kill(w.livePid(s), syscall.SIGKILL))
	left, err := s.Processes()
	must(w.t, err)
	for _, pid := range left {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Fatalf("kill process %d of node %d: %v", pid, s.NodeID, err)
		}
	}
	w.untilGone(s)
}

// cameBack waits until a server follows with all that the primary has, and its own settings.
func (w *world) cameBack(s, primary *pgcluster.Server) {
	w.t.Helper()
	flushed := w.do(primary, "SELECT pg_current_wal_flush_lsn()")
	w.until(s, fmt.Sprintf("SELECT pg_last_wal_replay_lsn() >= '%s'", flushed), "t")
	w.until(s, "SELECT current_setting('port') || ' ' || current_setting('pgraft.node_id')", fmt.Sprintf("%d %d", s.Port, s.NodeID))
	for _, name := range []string{s.DataDir + ".pgraft_rejoin", s.DataDir + ".pgraft_rejoin_progress", s.DataDir + ".pgraft_aside", s.DataDir + ".pgraft_new"} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			w.t.Errorf("%s is left: %v", filepath.Base(name), err)
		}
	}
	must(w.t, wait.Until(w.ctx, "the data to be noted as whole", func(context.Context) error {
		return w.notes(s, "anew 0")
	}))
}

// count says how often a server's log has a text.
func (w *world) count(s *pgcluster.Server, text string) int {
	w.t.Helper()
	log, err := os.ReadFile(s.LogPath)
	must(w.t, err)
	return strings.Count(string(log), text)
}

func (w *world) logged(s *pgcluster.Server, text string) {
	w.t.Helper()
	if w.count(s, text) == 0 {
		w.t.Errorf("the log of node %d has no %q", s.NodeID, text)
	}
}

// notes is nil once the server's note in its data directory has a line.
func (w *world) notes(s *pgcluster.Server, line string) error {
	text, err := os.ReadFile(s.File("pgraft.failover"))
	if err != nil {
		return err
	}
	for l := range lines(string(text)) {
		if l == line {
			return nil
		}
	}
	return fmt.Errorf("it has no %q:\n%s", line, text)
}
