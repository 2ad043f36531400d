//go:build integration

package failover

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// commandEnv is the path of the command pgraft, where it does not lie beside PostgreSQL's programs.
const commandEnv = "PGRAFT_COMMAND"

// No engine of the cluster starts any more, and a server goes on alone, without pgraft. It takes
// writes, and has what was acknowledged. Once pgraft is back on all servers, this one serves
// nothing and does not count, until its data is made anew.
func TestStandalone(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	w.stop()
	w.standaloneRefuses(a, "a server runs in", "--cluster-id", pgcluster.DefaultClusterID)
	for _, s := range w.cluster.Servers {
		_, err := s.Kill9(w.ctx)
		must(t, err)
	}
	must(t, os.Rename(w.raftStore(a), w.raftStore(a)+".lost"))
	must(t, a.Start(w.ctx))
	w.takesNoWrites(a)
	must(t, a.Stop(w.ctx))

	w.standaloneRefuses(a, "repeat the cluster's id")
	w.standaloneRefuses(a, fmt.Sprintf("the cluster's id is %q", pgcluster.DefaultClusterID), "--cluster-id", "another")
	w.takesPart(a)
	out := w.standalone(a, "--cluster-id", pgcluster.DefaultClusterID)
	for _, text := range []string{"timeline                1\n", "its Raft store is gone", "is a primary now"} {
		if !strings.Contains(out, text) {
			t.Errorf("pgraft standalone does not say %q:\n%s", text, out)
		}
	}
	w.checks(a)
	w.do(a, insert("written alone"))
	w.shell(a, "pg_ctl restart -s -w -D $PGDATA -l $PGDATA.log") // as a service would do
	w.do(a, insert("written alone"))

	w.loadsPgraft(a)
	w.shell(a, "pg_ctl stop -s -w -D $PGDATA")
	must(t, os.Rename(w.raftStore(a)+".lost", w.raftStore(a)))
	for _, s := range []*pgcluster.Server{a, b, c} {
		must(t, s.Start(w.ctx))
	}
	w.until(b, "SELECT pgraft_get_primary() IN (2, 3)", "t")
	w.until(b, stands(a, "state, electable"), "quarantined f")
	w.takesNoWrites(a)
	next := b
	if w.do(b, "SELECT pgraft_get_primary()") == "3" {
		next = c
	}
	w.hides(next, "written alone")

	must(t, a.Stop(w.ctx))
	w.shell(a, fmt.Sprintf("PGPORT=%d pg", next.Port)+"_basebackup -D $PGDATA.new -c fast && rm -r $PGDATA.new/pgraft && cd $PGDATA"+
		" && cp -a pgraft pgraft.initialized postgresql.conf postgresql.auto.conf $PGDATA.new/"+
		" && cd .. && mv $PGDATA $PGDATA.alone && mv $PGDATA.new $PGDATA")
	must(t, a.Start(w.ctx))
	w.until(next, "SELECT pgraft_clear_quarantine(1)", "t")
	w.until(next, quorum, "2")
	w.until(next, stands(a, "state, electable"), "streaming t")
	w.hides(a, "written alone")
	w.checks(next)
}

// raftStore is the directory of a server's Raft store.
func (w *world) raftStore(s *pgcluster.Server) string { return filepath.Join(s.DataDir, "pgraft") }

// shell runs a script as an operator does.
func (w *world) shell(s *pgcluster.Server, script string) string {
	w.t.Helper()
	out, err := s.Shell(w.ctx, script)
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

func command() string {
	if path := os.Getenv(commandEnv); path != "" {
		return path
	}
	return "pgraft"
}

func (w *world) standalone(s *pgcluster.Server, flags ...string) string {
	w.t.Helper()
	return w.shell(s, command()+" standalone "+strings.Join(flags, " ")+" $PGDATA < /dev/null")
}

// standaloneRefuses checks that the command changes nothing, and says why.
func (w *world) standaloneRefuses(s *pgcluster.Server, why string, flags ...string) {
	w.t.Helper()
	out, err := s.Shell(w.ctx, command()+" standalone "+strings.Join(flags, " ")+" $PGDATA < /dev/null")
	if err == nil || !strings.Contains(out, why) {
		w.t.Fatalf("pgraft standalone %q says, and not %q: %v\n%s", flags, why, err, out)
	}
}

// takesPart checks that nothing was changed of a server.
func (w *world) takesPart(s *pgcluster.Server) {
	w.t.Helper()
	must(w.t, w.notes(s, "unguarded 0"))
	text, err := os.ReadFile(s.File("postgresql.auto.conf"))
	if err == nil && strings.Contains(string(text), "shared_preload_libraries") {
		err = errors.New("postgresql.auto.conf was changed")
	}
	must(w.t, err)
}

// loadsPgraft has the next start load pgraft again.
func (w *world) loadsPgraft(s *pgcluster.Server) {
	w.t.Helper()
	w.do(s, "ALTER SYSTEM RESET shared_preload_libraries")
	w.do(s, "ALTER SYSTEM RESET synchronous_standby_names")
}
