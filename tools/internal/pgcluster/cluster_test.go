//go:build integration

package pgcluster

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// plainCluster makes servers of the PostgreSQL that pg_config names, without the
// extension.
func plainCluster(t *testing.T, nodes int) *Cluster {
	t.Helper()
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config; run\n" +
			"\tPGRAFT_PG_CONFIG=$(which pg_config) go test -tags integration ./tools/internal/pgcluster")
	}
	install, err := Find(pgConfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), Config{Install: install, Nodes: nodes, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Destroy(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(c.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", c.Dir, err)
		}
	})
	return c
}

func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := s.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatalf("node %d: %s: %v", s.NodeID, sql, err)
	}
	return text
}

// A server that is stopped, killed or restarted keeps its data, and leaves no
// process and no line in its log that the run did not cause.
func TestServersStopStartAndDie(t *testing.T) {
	c := plainCluster(t, 2)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, two := c.Servers[0], c.Servers[1]
	for _, s := range c.Servers {
		if got := query(t, s, "SHOW port"); got != strconv.Itoa(s.Port) {
			t.Errorf("node %d listens on %s, want %d", s.NodeID, got, s.Port)
		}
	}
	query(t, one, "SELECT lo_from_bytea(4711, 'yes')::text") // a row that must survive
	if err := one.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines, err := one.LogWarnings(0); err != nil || len(lines) != 0 {
		t.Errorf("after a restart the log has %q, %v; want no warning", lines, err)
	}
	if _, err := one.Kill9(t.Context()); err != nil {
		t.Fatal(err)
	}
	if running, err := one.Running(); running || err != nil {
		t.Fatalf("after SIGKILL: running %v, %v", running, err)
	}
	if running, err := two.Running(); !running || err != nil {
		t.Fatalf("the other server: running %v, %v", running, err)
	}
	if err := one.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, one, "SELECT convert_from(lo_get(4711), 'UTF8')"); got != "yes" {
		t.Errorf("after a crash the large object holds %q", got)
	}
}

// A copy has the data of a server that was stopped, and crashed before that, and settings
// of its own.
func TestCopyOf(t *testing.T) {
	c := plainCluster(t, 1)
	one := c.Servers[0]
	if err := one.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	query(t, one, "SELECT lo_from_bytea(4711, 'yes')::text")
	if err := one.StopImmediate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if running, err := one.Running(); running || err != nil {
		t.Fatalf("after an immediate shutdown: running %v, %v", running, err)
	}
	copied, err := New(t.Context(), Config{Install: one.Install, Nodes: 2, Plain: true, CopyOf: one.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := copied.Destroy(); err != nil {
			t.Error(err)
		}
	})
	if err := copied.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range copied.Servers {
		if got := query(t, s, "SELECT convert_from(lo_get(4711), 'UTF8') || current_setting('port')"); got != "yes"+strconv.Itoa(s.Port) {
			t.Errorf("node %d of the copies says %q", s.NodeID, got)
		}
	}
}

func TestSettingsReachTheServer(t *testing.T) {
	c := plainCluster(t, 1)
	s := c.Servers[0]
	if err := s.Set(map[string]string{"work_mem": "5MB", "application_name": "it's quoted"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s, "SHOW work_mem"); got != "5MB" {
		t.Errorf("work_mem %s", got)
	}
	if err := s.Unset("work_mem"); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s, "SELECT source FROM pg_settings WHERE name = 'work_mem'"); got != "default" {
		t.Errorf("work_mem comes from %s after Unset", got)
	}
}

func TestAServerThatCannotStartShowsItsLog(t *testing.T) {
	c := plainCluster(t, 1)
	s := c.Servers[0]
	if err := s.Set(map[string]string{"shared_preload_libraries": "no_such_library"}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := s.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), `could not access file "no_such_library"`) {
		t.Fatalf("error %v, want the server's own words", err)
	}
	if took := time.Since(began); took > startLimit/2 {
		t.Errorf("it took %s to see that the server had ended", took)
	}
	lines, err := s.LogWarnings(0)
	if err != nil || len(lines) != 1 || !strings.Contains(lines[0], "FATAL:  could not access file") {
		t.Errorf("LogWarnings = %q, %v; want the one FATAL", lines, err)
	}
}

func TestDestroyEndsAPausedServer(t *testing.T) {
	c := plainCluster(t, 1)
	s := c.Servers[0]
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := signalAll(s.DataDir, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("a destroyed server starts")
	}
}

func TestStopLeftover(t *testing.T) {
	c := plainCluster(t, 1)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := StopLeftover(t.Context(), c.Servers[0].DataDir); err == nil {
		t.Error("a directory without the marker was taken for a demo's")
	}
	if err := StopLeftover(t.Context(), c.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", c.Dir, err)
	}
}
