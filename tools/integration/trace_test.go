//go:build integration

package integration

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/replay"
)

// The flight recorder's files can be had while the server runs, by those who may
// write files there, into a directory that is not there yet.
func savesTheTrace(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	server := s.leader(ctx, t)
	conn := connect(ctx, t, server)
	s.ledger.replicate(ctx, t, conn, "before the trace is saved")
	var size int64
	must(t, conn.QueryRow(ctx, "SELECT pgraft_trace_save('saved-trace')").Scan(&size))
	dir := filepath.Join(server.DataDir, "saved-trace")
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
	for _, c := range []call{
		{sql: "SELECT pgraft_trace_save('saved-trace')", state: "58P02", words: []string{dir}},
		{sql: "SELECT pgraft_trace_save(NULL)", state: "22004", words: []string{"path"}},
		{sql: "SELECT pgraft_trace_save('')", state: "22023", words: []string{"path"}},
		{sql: "SELECT pgraft_trace_save('/proc/not/there')", state: "58030"},
	} {
		c.check(ctx, t, conn)
	}
	must(t, os.RemoveAll(dir))
	for _, sql := range []string{"CREATE ROLE tracer", "GRANT EXECUTE ON FUNCTION pgraft_trace_save TO tracer", "SET ROLE tracer"} {
		_, err := conn.Exec(ctx, sql)
		must(t, err)
	}
	call{sql: "SELECT pgraft_trace_save('saved-trace')", state: "42501", words: []string{"write files"}}.check(ctx, t, conn)
	for _, sql := range []string{"RESET ROLE", "DROP OWNED BY tracer", "DROP ROLE tracer"} {
		_, err := conn.Exec(ctx, sql)
		must(t, err)
	}
}
