//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/replay"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// alarms is what a monitor asks: it has to be answered on a node that does not run.
const alarms = `SELECT string_agg(alarm, ', ') FROM (SELECT alarm FROM pgraft_stat_node WHERE alarm IS NOT NULL
	UNION SELECT alarm FROM pgraft_stat_peers WHERE alarm IS NOT NULL) AS a`

// A node whose data directory is out of reach says so, and goes on by itself once
// it is back: at the start of the server, and while it runs. It never begins anew.
func comesBackWithItsDirectory(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, nil).Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	dir, away := filepath.Join(server.DataDir, "pgraft"), filepath.Join(server.DataDir, "elsewhere")
	mode := func(m os.FileMode) func() { return func() { must(t, os.Chmod(dir, m)) } }
	moved := func() { must(t, os.Rename(dir, away)) }
	back := func() { must(t, os.Rename(away, dir)) }
	mountPoint := func() {
		moved()
		must(t, os.Mkdir(dir, 0o755))
	}
	mounted := func() {
		must(t, os.Remove(dir)) // the node made nothing in it
		back()
	}
	for _, x := range []struct {
		name         string
		spoil, mend  func()
		words, hints []string
	}{
		{"a forbidden directory", mode(0), mode(0o700), []string{dir, "permission denied"}, []string{"read and write it", "starts by itself"}},
		{"a directory without writing", mode(0o500), mode(0o700), []string{dir, "permission denied"}, []string{"read and write it"}},
		{"a missing directory", moved, back, []string{dir + " is empty", "not mounted"}, []string{"mount it", "starts by itself"}},
		{"an empty mount point", mountPoint, mounted, []string{dir + " is empty", "not mounted"}, []string{"mount it", "remove node 1"}},
	} {
		t.Log(x.name)
		s.leader(ctx, t, server)
		index := replicated(ctx, t, server, x.name)
		must(t, server.Stop(ctx))
		x.spoil()
		must(t, server.Start(ctx))
		conn := connect(ctx, t, server)
		must(t, wait.For(ctx, settleLimit, "the node to say what it waits for", func(ctx context.Context) error {
			var state string
			if err := conn.QueryRow(ctx, "SELECT pgraft_get_worker_state()").Scan(&state); err != nil || state != "error" {
				return fmt.Errorf("worker state %q, %w", state, err)
			}
			return nil
		}))
		call{sql: "SELECT pgraft_replicate_entry('x')", state: "55000", words: x.words, hint: x.hints}.check(ctx, t, conn)
		call{sql: "SELECT pgraft_init()", state: "55000", words: x.words}.check(ctx, t, conn)
		text(ctx, t, conn, alarms)
		x.mend()
		s.leader(ctx, t, server)
		if last := replicated(ctx, t, server, "after it"); last <= index {
			t.Errorf("entry %d comes after entry %d", last, index)
		}
	}

	t.Log("a directory that is forbidden while the node runs")
	conn := connect(ctx, t, server)
	mode(0)()
	index := int64(0)
	must(t, wait.For(ctx, settleLimit, "the node to need another file", func(ctx context.Context) error {
		var now int64
		err := conn.QueryRow(ctx, "SELECT index FROM pgraft_propose($1)", strings.Repeat("x", 500_000)).Scan(&now)
		if err != nil {
			return nil
		}
		index = now
		return errors.New("it goes on")
	}))
	call{sql: "SELECT pgraft_replicate_entry('x')", state: "58030", words: []string{"permission denied"}, hint: []string{"starts by itself"}}.check(ctx, t, conn)
	mode(0o700)()
	s.leader(ctx, t, server)
	if last := replicated(ctx, t, server, "after it"); last <= index {
		t.Errorf("entry %d comes after entry %d", last, index)
	}

	t.Log("files that are moved while the node runs")
	moved()
	must(t, wait.For(ctx, settleLimit, "the node to notice", func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "SELECT pgraft_replicate_entry('x')")
		if err == nil {
			return errors.New("it goes on")
		}
		return nil
	}))
	must(t, wait.For(ctx, settleLimit, "the alarm", func(context.Context) error {
		if got := text(ctx, t, conn, alarms); got != "wiped" {
			return fmt.Errorf("the alarms are %s", got)
		}
		return nil
	}))
	if got := text(ctx, t, conn, "SELECT value FROM pgraft_health_check() WHERE metric = 'alarm' AND status = 'critical'"); !strings.Contains(got, "mount it") {
		t.Errorf("the alarm is %s, which does not say to mount it", got)
	}
	back()
	s.leader(ctx, t, server)
	replicated(ctx, t, server, "after all")
}

// replicated is the index of an entry that was replicated through the server.
func replicated(ctx context.Context, t *testing.T, server *pgcluster.Server, data string) (index int64) {
	t.Helper()
	conn := connect(ctx, t, server)
	must(t, conn.QueryRow(ctx, "SELECT index FROM pgraft_propose($1)", data).Scan(&index))
	return index
}

// The flight recorder stays on, at default settings, while eight sessions replicate
// large entries; what it holds replays.
func recordsLargeEntries(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, nodes, nil)
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	leader := s.leader(ctx, t, c.Servers...)
	founder := connect(ctx, t, leader)
	for _, server := range c.Servers[1:] {
		addNode(ctx, t, founder, server)
	}
	for _, load := range []struct{ bytes, entries int }{{1 << 20, 64}, {64 << 10, 400}} {
		var group errgroup.Group
		for session := range 8 {
			conn := connect(ctx, t, leader)
			group.Go(func() error { return replicateLarge(ctx, conn, load.bytes, load.entries/8, session) })
		}
		must(t, group.Wait())
	}
	for _, server := range c.Servers {
		warnings, err := server.LogWarnings(0)
		must(t, err)
		for _, w := range warnings {
			if strings.Contains(w, "flight recorder") {
				t.Errorf("node %d: %s", server.NodeID, w)
			}
		}
		dir := filepath.Join(filepath.Dir(server.DataDir), fmt.Sprintf("saved-%d", server.NodeID))
		_, err = connect(ctx, t, server).Exec(ctx, "SELECT pgraft_trace_save($1)", dir)
		must(t, err)
		inc, err := replay.Open(dir)
		must(t, err)
		for _, n := range inc.Nodes {
			if v := n.Replay(); !v.Identical || v.Inputs < 464 {
				t.Error(v)
			}
		}
	}
}

func replicateLarge(ctx context.Context, conn *pgx.Conn, bytes, entries, session int) error {
	for i := range entries {
		data := strings.Repeat(fmt.Sprintf("session %d entry %d;", session, i), bytes/16)[:bytes]
		if err := sqlapi.Replicate(ctx, conn, data); err != nil {
			return fmt.Errorf("session %d: %w", session, err)
		}
	}
	return nil
}
