//go:build integration

package facts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// serverTests are what pgext/server finds and does on such servers. The comment of each
// says which part of the host's contract (core/failover/doc.go) it is.
var serverTests = []struct {
	name string
	run  func(*world)
}{
	{"ends", walEnds},
	{"stale-record", staleRecord},
	{"short-segment", endBesideShortSegment},
	{"copies", endFromCopies},
	{"partial", endFromPartial},
	{"half", halfToABoundary},
	{"hole", holeInWAL},
	{"endings", recordEndings},
	{"sums", walSums},
	{"histories", historyFiles},
	{"sources", sourcesEnd},
	{"sources-late", sourcesEndLate},
	{"promote", promoteTo},
	{"boot", bootAsStandby},
	{"boot-refused", bootRefused},
	{"look", lookAtServers},
	{"in-force", settingsInForce},
}

// The functions of pgext/server, in a library that the test builds for this PostgreSQL.
func TestServer(t *testing.T) {
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config; run make test-facts")
	}
	install, err := pgcluster.Find(pgConfig)
	must(t, err)
	pg := &postgres{install: install, major: major(t, install), module: buildModule(t, install)}
	var functions []string
	for _, f := range strings.Split(strings.TrimSpace(moduleFunctions), "\n") {
		name, _, _ := strings.Cut(f, "(")
		functions = append(functions, fmt.Sprintf("CREATE FUNCTION %s AS '%s', '%s' LANGUAGE C", f, pg.module, name))
	}
	pg.makeTemplate(t, functions...)
	for _, c := range serverTests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(pg.world(t))
		})
	}
}

const moduleFunctions = `
server_valid_end(pg_lsn, text, bool) RETURNS text
server_record_ending(pg_lsn, int, text, pg_lsn) RETURNS text
server_sum(pg_lsn, pg_lsn, text) RETURNS text
server_durable_end(pg_lsn, pg_lsn, text) RETURNS text
server_first(text) RETURNS text
server_hole(text, pg_lsn) RETURNS bool
server_history(int) RETURNS text
server_history_write(text, bool) RETURNS void
server_last_timeline() RETURNS int
server_put_aside(int) RETURNS void
server_highest() RETURNS int
server_sources_end() RETURNS int
server_sources_ended(int) RETURNS bool
server_stream(text, text) RETURNS int
server_promote(text) RETURNS void
server_promotion_ended(text) RETURNS void
server_reserve(int, int) RETURNS void
server_restart() RETURNS void
server_set(text, text) RETURNS int
server_in_force(int) RETURNS text
server_look() RETURNS text
`

// buildModule returns the path of the library, where PostgreSQL's own user can read it.
func buildModule(t *testing.T, install pgcluster.Install) string {
	t.Helper()
	headers, err := exec.Command(install.PGConfig, "--includedir-server").Output()
	must(t, err)
	dir, err := os.MkdirTemp("", "pgraft-module-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755))
	sources, err := filepath.Glob("../../../pgext/server/*.c")
	must(t, err)
	if len(sources) == 0 {
		t.Fatal("there are no sources in pgext/server")
	}
	library := filepath.Join(dir, "server.so")
	args := append([]string{"-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-Wall", "-I../../../pgext",
		"-isystem", strings.TrimSpace(string(headers)), "-o", library, "testdata/server.c"}, sources...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return library
}

// preloaded is a setting with which the library is there from the server's start on.
func (w *world) preloaded() map[string]string {
	return map[string]string{"shared_preload_libraries": w.pg.module}
}

// end is what server_valid_end returns.
type end struct {
	start, end lsn // of the last record
	crc        uint32
	timeline   int
	records    int
	half       bool
	why        string
}

// validEnd asks the server where its WAL ends, from a record on, in a history.
func (s *server) validEnd(from lsn, history string) end {
	s.w.t.Helper()
	text := s.sql(fmt.Sprintf("SELECT server_valid_end('%s', '%s', true)", from, history))
	words, why, _ := strings.Cut(text, ": ")
	f := strings.Fields(words)
	if len(f) != 6 {
		s.w.t.Fatalf("server_valid_end returns %q", text)
	}
	e := end{half: f[5] == "half", why: why}
	var err error
	e.start, err = parseLSN(f[0])
	must(s.w.t, err)
	e.end, err = parseLSN(f[1])
	must(s.w.t, err)
	if _, err := fmt.Sscanf(strings.Join(f[2:5], " "), "%x %d %d", &e.crc, &e.timeline, &e.records); err != nil {
		s.w.t.Fatalf("server_valid_end returns %q: %v", text, err)
	}
	return e
}

// wantEnd compares what the server finds with the last of records.
func (s *server) wantEnd(from lsn, history string, timeline int, records ...record) end {
	s.w.t.Helper()
	got := s.validEnd(from, history)
	var want record
	if n := len(records); n > 0 {
		want = records[n-1]
	} else {
		timeline = 0
	}
	if got.start != want.at || got.end != want.end || got.crc != want.crc || got.timeline != timeline || got.records != len(records) {
		s.w.t.Errorf("%s: WAL of %s from %s ends with %+v, want %+v of timeline %d after %d records", s.name, history, from, got, want, timeline, len(records))
	}
	return got
}

// upTo are the records that end by an LSN.
func upTo(records []record, end lsn) []record {
	for i, r := range records {
		if r.end > end {
			return records[:i]
		}
	}
	return records
}

// redo is where the server's next recovery begins.
func (s *server) redo() lsn {
	s.w.t.Helper()
	l, err := parseLSN(s.sql("SELECT redo_lsn FROM pg_control_checkpoint()"))
	must(s.w.t, err)
	return l
}
