//go:build integration

package failover

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// The server that is to be the next primary dies on its way to that: nothing was served from its
// epoch, and another server gets the next one, with another timeline. The one that died comes back
// as a standby, whatever there was of its promotion.
func TestGranteeDies(t *testing.T) {
	for _, c := range []struct{ name, at string }{
		{"before its timeline", "received promote request"},
		{"between standby.signal and the history", "selected new timeline ID"},
		{"with its history", "archive recovery complete"},
		{"before the log knows its fork", "database system is ready to accept connections"},
	} {
		t.Run(c.name, func(t *testing.T) { granteeDies(t, c.at) })
	}
}

func granteeDies(t *testing.T, at string) {
	w := newWorld(t, map[string]string{"wal_retrieve_retry_interval": "100ms"})
	a := w.cluster.Servers[0]
	armed := w.armed(at, false)
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	must(t, os.WriteFile(armed, nil, 0o666))
	_, err := a.Kill9(w.ctx)
	must(t, err)
	dead := w.dies(w.others(a)...)
	history, err := filepath.Glob(filepath.Join(dead.DataDir, "pg_wal", "*.history", "full"))
	must(t, err)
	for _, dir := range history {
		must(t, os.RemoveAll(filepath.Dir(dir)))
	}
	must(t, a.Start(w.ctx))
	next := w.acknowledged(100, w.others(dead)...)
	if n := w.by(dead).Commits; n != 0 {
		t.Errorf("node %d acknowledged %d commits", dead.NodeID, n)
	}
	w.until(next, "SELECT count(*) = count(DISTINCT timeline) AND count(*) > 2 FROM pgraft_failover_history", "t")
	must(t, dead.Start(w.ctx))
	w.standsBack(dead, primaryIs(next))
	w.acknowledged(100, next)
	w.checks(next)
	w.replays()
}

// armed has the standby that is promoted first, once the file is there that it names, die with a
// message, or only stand still.
func (w *world) armed(at string, stands bool) (file string) {
	w.t.Helper()
	a := w.cluster.Servers[0]
	library := filepath.Join(w.cluster.Dir, "dies.so")
	must(w.t, a.Install.Compile("../../../pgext", library, "testdata/dies.c"))
	file = filepath.Join(w.cluster.Dir, "dies.armed")
	for _, s := range w.others(a) {
		must(w.t, s.Set(map[string]string{"shared_preload_libraries": "pgraft," + library,
			"dies.armed": file, "dies.at": at, "dies.stands": strconv.FormatBool(stands)}))
		must(w.t, s.Restart(w.ctx))
	}
	return file
}

// dies waits until one of these servers has no process any more.
func (w *world) dies(servers ...*pgcluster.Server) (dead *pgcluster.Server) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, "a server to die", func(context.Context) error {
		for _, s := range servers {
			running, err := s.Running()
			if err != nil {
				return err
			}
			if !running {
				dead = s
				return nil
			}
		}
		return errors.New("all run")
	}))
	w.t.Logf("node %d has died", dead.NodeID)
	return dead
}
