//go:build integration

package integration

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/replay"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// The flight recorder's files can be had while the server runs, by those who may
// write files there, into a directory that is not there yet.
func savesTheTrace(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	server := s.leader(ctx, t)
	conn := connect(ctx, t, server)
	s.ledger.replicate(ctx, t, conn, "before the trace is saved")
	var size int64
	dir := filepath.Join(filepath.Dir(server.DataDir), "saved", "trace")
	must(t, conn.QueryRow(ctx, "SELECT pgraft_trace_save($1)", dir).Scan(&size))
	inc, err := replay.Open(dir)
	must(t, err)
	bytes := int64(0)
	for _, n := range inc.Nodes {
		for _, f := range n.Files {
			bytes += int64(f.Bytes)
		}
		if v := n.Replay(); !v.Identical || v.Inputs == 0 {
			t.Error(v)
		}
	}
	if bytes != size {
		t.Errorf("pgraft_trace_save() = %d, but %d bytes are there", size, bytes)
	}
	const save = "SELECT pgraft_trace_save($1)"
	above := filepath.Dir(dir)
	file := filepath.Join(dir, filepath.Base(inc.Nodes[0].Files[0].Path))
	for _, c := range []call{
		{sql: save, args: []any{dir}, state: "58P02", words: []string{dir}, hint: []string{"to be made"}},
		{sql: save, args: []any{nil}, state: "22004", words: []string{"path"}},
		{sql: save, args: []any{""}, state: "22023", words: []string{"relative path"}, hint: []string{"absolute path"}},
		{sql: save, args: []any{"saved-trace"}, state: "22023", words: []string{"relative path", "saved-trace"}, hint: []string{"absolute path"}},
		{sql: save, args: []any{"../saved-trace"}, state: "22023", hint: []string{"absolute path"}},
		{sql: save, args: []any{"/root/saved-trace"}, state: "42501", words: []string{"/root/saved-trace"}, hint: []string{"operating system user"}},
		{sql: save, args: []any{"/proc/not/there"}, state: "58030", words: []string{"/proc/not"}, hint: []string{"nothing was left"}},
		{sql: save, args: []any{file + "/below"}, state: "58030", words: []string{"not a directory"}, hint: []string{"nothing was left"}},
		{sql: save, args: []any{filepath.Join(above, "new", strings.Repeat("x", 300))}, state: "58030", words: []string{"too long"}, hint: []string{"nothing was left"}},
	} {
		c.check(ctx, t, conn)
	}
	for _, sql := range []string{"CREATE ROLE tracer", "GRANT EXECUTE ON FUNCTION pgraft_trace_save TO tracer", "SET ROLE tracer"} {
		_, err := conn.Exec(ctx, sql)
		must(t, err)
	}
	call{sql: save, args: []any{filepath.Join(above, "other")}, state: "42501", words: []string{"write files", "pg_write_server_files"}, hint: []string{"GRANT", "tracer"}}.check(ctx, t, conn)
	for _, sql := range []string{"RESET ROLE", "DROP OWNED BY tracer", "DROP ROLE tracer"} {
		_, err := conn.Exec(ctx, sql)
		must(t, err)
	}
	// None of these left anything, and what was saved first is as it was.
	names, err := os.ReadDir(above)
	must(t, err)
	if len(names) != 1 || names[0].Name() != "trace" {
		t.Errorf("beside what was saved: %v", names)
	}
	if _, err := os.Lstat(filepath.Join(server.DataDir, "saved-trace")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in the data directory: %v", err)
	}
	again, err := replay.Open(dir)
	must(t, err)
	if n := again.Inputs(); n != inc.Inputs() {
		t.Errorf("%d inputs were saved, and %d are there now", inc.Inputs(), n)
	}
	must(t, os.RemoveAll(above))
}

// Without a recorder there is nothing to save; turned on, it has something with
// the next tick.
func savesNoTrace(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, map[string]string{"pgraft.trace": "off"}).Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	conn := connect(ctx, t, server)
	dir := filepath.Join(filepath.Dir(server.DataDir), "saved", "trace")
	call{sql: "SELECT pgraft_trace_save($1)", args: []any{dir}, state: "55000", words: []string{"nothing was recorded"}, hint: []string{"pgraft.trace"}}.check(ctx, t, conn)
	if _, err := os.Lstat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory was left behind: %v", err)
	}
	for _, sql := range []string{"ALTER SYSTEM SET pgraft.trace = ring", "SELECT pg_reload_conf()"} {
		_, err := conn.Exec(ctx, sql)
		must(t, err)
	}
	must(t, wait.For(ctx, settleLimit, "something to save", func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "SELECT pgraft_trace_save($1)", dir)
		return err
	}))
	inc, err := replay.Open(dir)
	must(t, err)
	if v := inc.Nodes[0].Replay(); !v.Identical {
		t.Error(v)
	}
}
