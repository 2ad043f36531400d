//go:build integration

package scripts

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

const (
	storyDir  = "../../../testdata/sql"
	clusterID = "story"
	// settleLimit is for everything that a healthy cluster does by itself.
	settleLimit = 60 * time.Second
	// commandLimit is for one command, a kill and a restart included.
	commandLimit = 3 * time.Minute
)

// TestMain removes what the tests made also when a signal ends them.
func TestMain(m *testing.M) {
	pgcluster.DestroyOnSignal()
	os.Exit(m.Run())
}

// TestScripts runs the stories; README.md documents the language. Rewrite with:
// make check-sql REWRITE=1
func TestScripts(t *testing.T) {
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config of a PostgreSQL with the extension; run make check-sql")
	}
	install, err := pgcluster.Find(pgConfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := install.CheckExtension(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, %s", install.Version, install.PGConfig)
	datadriven.Walk(t, storyDir, func(t *testing.T, path string) {
		s := &script{install: install, sessions: map[string]*session{}}
		t.Cleanup(func() { s.end(t) })
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
			defer cancel()
			s.ctx, s.t, s.d = ctx, t, d
			s.out.Reset()
			verb, ok := verbs[d.Cmd]
			if !ok {
				d.Fatalf(t, "unknown verb %q", d.Cmd)
			}
			if err := verb(s); err != nil {
				d.Fatalf(t, "%s: %v\nafter this output:\n%s", d.Cmd, err, s.out.String())
			}
			if s.out.Len() == 0 {
				return "ok"
			}
			return s.mask(s.out.String())
		})
	})
}

// script is a cluster and the command that it is carrying out.
type script struct {
	install  pgcluster.Install
	cluster  *pgcluster.Cluster
	sessions map[string]*session

	ctx context.Context // of the command
	t   *testing.T
	d   *datadriven.TestData
	out strings.Builder
}

// session is a connection that stays open over several commands.
type session struct {
	conn    *pgx.Conn
	cancel  context.CancelFunc
	pending chan string // the output of what was started with async
}

var verbs = map[string]func(*script) error{
	"servers": (*script).servers, "cluster": (*script).formed, "add-server": (*script).addServer, "standby": (*script).standby,
	"init": (*script).init, "add-node": (*script).addNode, "remove-node": (*script).removeNode, "replace-node": (*script).replaceNode, "transfer": (*script).transfer,
	"crash": (*script).crash, "stop": (*script).stop, "restart": (*script).restart, "start": (*script).start,
	"pause": (*script).pause, "resume": (*script).resume, "wipe": (*script).wipe, "set": (*script).set, "reload": (*script).reload,
	"propose": (*script).propose, "sql": (*script).sql, "await": (*script).await, "file": (*script).file, "wait": (*script).wait,
	"status": (*script).status, "log": (*script).log, "invariants": (*script).invariants,
}

// end stops the servers, and shows their logs if the story failed.
func (s *script) end(t *testing.T) {
	for _, x := range s.sessions {
		x.cancel()
	}
	if s.cluster == nil {
		return
	}
	if t.Failed() {
		for _, server := range s.cluster.Servers {
			t.Log(server.LogTail(25))
		}
		t.Logf("to run this story alone:\n\tPGRAFT_PG_CONFIG=%s go test -tags integration -count=1 -v -run '%s' ./tools/integration/scripts",
			s.install.PGConfig, strings.ReplaceAll("^"+t.Name()+"$", "/", "$/^"))
	}
	if err := s.cluster.Destroy(); err != nil {
		t.Error(err)
	}
}

func (s *script) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *script) text(name, def string) string {
	s.d.MaybeScanArgs(s.t, name, &def)
	return def
}

func (s *script) has(name string) bool { return s.d.HasArg(name) }
