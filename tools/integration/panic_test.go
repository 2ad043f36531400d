//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/replay"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// planted is a file of the engine that panics in one of its goroutines once
// another file appears. It is in no build but this test's.
const planted = `package main

import (
	"os"
	"time"
)

func init() {
	go func() {
		for os.Remove(%q) != nil {
			time.Sleep(10 * time.Millisecond)
		}
		the.spawn(func() { panic("planted by a test") })
	}()
}
`

// A panic in Go ends the engine worker, which comes back; the server and its
// sessions go on, and nothing acknowledged is lost.
func survivesAPanic(_ context.Context, t *testing.T, s *suite) {
	dir := t.TempDir()
	trigger := filepath.Join(dir, "trigger", "panic")
	must(t, os.Mkdir(filepath.Dir(trigger), 0o777))
	must(t, openToAll(dir, filepath.Dir(trigger)))
	install := privateInstall(t, s.install, filepath.Join(dir, "postgresql"))
	buildEngine(t, dir, fmt.Sprintf(planted, trigger), filepath.Join(install.PkgLibDir, "pgraft_engine.so"))

	// The limit of a scenario is not for the compiler.
	ctx, cancel := context.WithTimeout(t.Context(), scenarioLimit)
	defer cancel()
	c, err := pgcluster.New(ctx, pgcluster.Config{Install: install, Nodes: 1, ClusterID: clusterID})
	must(t, err)
	t.Cleanup(func() { must(t, c.Destroy()) })
	server := c.Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	session := connect(ctx, t, server)
	must(t, sqlapi.Replicate(ctx, session, "before the panic"))
	var started, now string
	must(t, session.QueryRow(ctx, "SELECT pg_postmaster_start_time()::text").Scan(&started))

	must(t, os.WriteFile(trigger, nil, 0o666))
	must(t, wait.For(ctx, settleLimit, "the panic in the server log", func(context.Context) error {
		if log := server.LogTail(100); !strings.Contains(log, "planted by a test") {
			return fmt.Errorf("not there yet")
		}
		return nil
	}))
	// The same session: had the postmaster restarted all backends, it were gone.
	must(t, wait.For(ctx, settleLimit, "the node to lead again", func(ctx context.Context) error {
		leads, err := sqlapi.IsLeader(ctx, session)
		if err == nil && !leads {
			err = fmt.Errorf("not yet")
		}
		return err
	}))
	must(t, session.QueryRow(ctx, "SELECT pg_postmaster_start_time()::text").Scan(&now))
	if now != started {
		t.Errorf("the server started at %s, and again at %s", started, now)
	}
	must(t, sqlapi.Replicate(ctx, session, "after the panic"))
	stats, err := sqlapi.Stats(ctx, session)
	must(t, err)
	log, err := sqlapi.Entries(ctx, session, 1, stats.LastApplied)
	if err != nil || len(log) != 2 || log[0].Data != "before the panic" || log[1].Data != "after the panic" {
		t.Errorf("the log holds %+v, %v", log, err)
	}
	// What led to it was put aside, and replays.
	kept, err := filepath.Glob(filepath.Join(server.DataDir, "pgraft", "trace", "kept-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept traces: %v, %v", kept, err)
	}
	inc, err := replay.Open(kept[0])
	must(t, err)
	if v := inc.Nodes[0].Replay(); !v.Identical || v.Inputs == 0 {
		t.Error(v)
	}
	if h, _, err := history.Load(kept[0]); err != nil || !slices.ContainsFunc(h.Moments, func(m history.Moment) bool {
		return m.Kind == history.Alarm && strings.Contains(m.Text, "planted by a test")
	}) {
		t.Errorf("the panic is not in the kept trace, %v", err)
	}
}

// openToAll lets the servers' user into directories of the test's.
func openToAll(dirs ...string) error {
	for _, d := range dirs {
		for ; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o777); err != nil {
				return err
			}
		}
	}
	return nil
}

// privateInstall copies a PostgreSQL.
func privateInstall(t *testing.T, in pgcluster.Install, to string) pgcluster.Install {
	t.Helper()
	copied, err := in.Copy(to)
	must(t, err)
	return copied
}

// buildEngine builds the engine with one more source file, and in open.go the second
// of each two texts in the place of the first, for the extension that is built from
// these sources.
func buildEngine(t *testing.T, dir, source, output string, changes ...string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	must(t, err)
	id, err := osexec.Command(filepath.Join(root, "tools/build-id.sh")).Output()
	must(t, err)
	file, overlay := filepath.Join(dir, "planted.go"), filepath.Join(dir, "overlay.json")
	must(t, os.WriteFile(file, []byte(source), 0o644))
	changed, original := filepath.Join(dir, "open.go"), filepath.Join(root, "pgext/engine/open.go")
	text, err := os.ReadFile(original)
	must(t, err)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(string(text), changes[i]) {
			t.Fatalf("%s has no %q", original, changes[i])
		}
	}
	must(t, os.WriteFile(changed, []byte(strings.NewReplacer(changes...).Replace(string(text))), 0o644))
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "pgext/engine/planted.go"): file, original: changed}})
	must(t, err)
	must(t, os.WriteFile(overlay, b, 0o644))
	cmd := osexec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags=pebblegozstd", "-buildmode=c-shared", "-overlay", overlay,
		"-ldflags=-X=runtime.godebugDefault=asyncpreemptoff=1 -X=main.build="+strings.TrimSpace(string(id)), "-o", output, "./pgext/engine")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}
