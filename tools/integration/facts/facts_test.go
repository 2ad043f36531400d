//go:build integration

package facts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// factLimit is how long one fact may take before its waits give up, on a machine that
// does other things too.
const factLimit = 90 * time.Second

// facts are the tests, by name. The comment of each function says which decision rests
// on it, and which row it repeats of RESULTS.md (R) or ATTACK.md (A, by number) of the
// prototypes that came before the design of failover.
var facts = []struct {
	name   string
	needs  string // a program that not every PostgreSQL comes with
	before int    // the major version from which on it is not looked at; 0: none
	run    func(*world)
}{
	{name: "diverged-counts", run: divergedCounts},
	{name: "equal-last-record", run: equalLastRecord},
	{name: "short-first-segment", run: shortFirstSegment},
	{name: "half-record", run: halfRecord},
	{name: "two-half-records", run: twoHalfRecords},
	{name: "end-of-valid-wal", run: endOfValidWAL},
	{name: "shutdown-record", run: shutdownRecord},
	{name: "partial-segment", run: partialSegment},
	{name: "gap-history", run: gapHistory},
	{name: "promotion-timeline", run: promotionTimeline},
	{name: "crash-while-promoting", run: crashWhilePromoting},
	{name: "seal-blocked-replay", run: sealBlockedReplay},
	{name: "checkpointer-names", run: checkpointerNames},
	{name: "clone-cut-short", run: cloneCutShort},
	{name: "timeline-goes-back", run: timelineGoesBack},
	{name: "promotion-beside-short-segment", run: promotionBesideShortSegment},
	{name: "promote-file-stays", run: promoteFileStays},
	{name: "half-record-to-a-boundary", run: halfRecordToABoundary},
	{name: "half-record-cut", run: halfRecordCut},
	{name: "history-of-target", run: historyOfTarget},
	{name: "history-found-later", run: historyFoundLater},
	{name: "partial-between-forks", run: partialBetweenForks},
	{name: "wal-gone", run: walIsGone},
	{name: "rewind-needs-checkpoint", needs: "pg_rewind", before: 16, run: rewindNeedsCheckpoint},
	{name: "rewind-equal-numbers", needs: "pg_rewind", run: rewindEqualNumbers},
	{name: "rewind-needs-recovery", needs: "pg_rewind", before: 16, run: rewindNeedsRecovery},
	{name: "rewind-needs-wal", needs: "pg_rewind", run: rewindNeedsWAL},
	{name: "rewind-cut-short", needs: "pg_rewind", before: 17, run: rewindCutShort},
}

func TestFacts(t *testing.T) {
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config; run make test-facts")
	}
	install, err := pgcluster.Find(pgConfig)
	must(t, err)
	t.Logf("%s, %s", install.Version, install.PGConfig)
	pg := &postgres{install: install, major: major(t, install)}
	pg.makeTemplate(t)
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if f.before != 0 && pg.major >= f.before {
				t.Skipf("said to be otherwise from PostgreSQL %d on, and not looked at", f.before)
			}
			if f.needs != "" {
				if _, err := os.Stat(filepath.Join(install.BinDir, f.needs)); errors.Is(err, os.ErrNotExist) {
					t.Skipf("%s comes without %s", install.Version, f.needs)
				}
			}
			f.run(pg.world(t))
		})
	}
}

// postgres is the PostgreSQL that is looked at.
type postgres struct {
	install  pgcluster.Install
	major    int
	template string // data directory of a server that was stopped: all others are copies
	module   string // the library of testdata/server.c, for TestServer
}

func major(t *testing.T, install pgcluster.Install) int {
	t.Helper()
	text := strings.TrimPrefix(install.Version, "PostgreSQL ")
	n, err := strconv.Atoi(text[:strings.IndexFunc(text+".", func(r rune) bool { return r < '0' || r > '9' })])
	if err != nil {
		t.Fatalf("the version of %q: %v", install.Version, err)
	}
	return n
}

// settings are those of every server. What writes WAL or pages by itself is off, and
// the checkpointer works only when it is asked to.
var settings = map[string]string{
	"fsync": "off", "autovacuum": "off", "bgwriter_lru_maxpages": "0", "checkpoint_timeout": "1h", "checkpoint_completion_target": "0",
	"wal_level": "replica", "wal_keep_size": "64MB", "wal_retrieve_retry_interval": "100ms", "hot_standby": "on",
	// A walreceiver that starts anew on a timeline that has ended says what it has flushed
	// once in this time only, and is counted only if that comes while it is served.
	"wal_receiver_status_interval": "1s",
}

// makeTemplate makes the data directory that all servers begin with: it has a table t
// with a column i, and what more there is of SQL.
func (pg *postgres) makeTemplate(t *testing.T, more ...string) {
	t.Helper()
	options := []string{fmt.Sprintf("--wal-segsize=%d", segmentSize>>20)}
	if pg.major >= 18 {
		// With checksums a hint bit writes WAL, which any SELECT may set.
		options = append(options, "--no-data-checksums")
	}
	c := newCluster(t, pgcluster.Config{Install: pg.install, Nodes: 1, Plain: true, Settings: settings, Initdb: options})
	ctx, cancel := context.WithTimeout(t.Context(), factLimit)
	defer cancel()
	must(t, c.Start(ctx))
	conn, err := c.Servers[0].Conn(ctx)
	must(t, err)
	for _, sql := range append(more, "CREATE TABLE t (i int)", "VACUUM FREEZE",
		// two thirds of what is copied for each server
		"UPDATE pg_database SET datistemplate = false", "DROP DATABASE template0", "DROP DATABASE template1",
	) {
		_, err = conn.Exec(ctx, sql)
		must(t, err)
	}
	must(t, conn.Close(ctx))
	must(t, c.Stop(ctx))
	pg.template = c.Servers[0].DataDir
}

// newCluster makes a cluster that is destroyed at the end of the test, and whose logs
// are shown if that failed.
func newCluster(t *testing.T, config pgcluster.Config) *pgcluster.Cluster {
	t.Helper()
	c, err := pgcluster.New(t.Context(), config)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range c.Servers {
				t.Log(s.LogTail(25))
			}
			t.Logf("to run this alone:\n\tPGRAFT_PG_CONFIG=%s go test -tags integration -count=1 -v -run '^%s$' ./tools/integration/facts",
				config.Install.PGConfig, strings.ReplaceAll(t.Name(), "/", "$/^"))
		}
		must(t, c.Destroy())
	})
	return c
}

// TestMain removes what the tests made also when a signal ends them.
func TestMain(m *testing.M) {
	pgcluster.DestroyOnSignal()
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
