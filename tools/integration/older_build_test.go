//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/printed"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// olderCommit is the last one before members said which versions they know: version 1.
const olderCommit = "c947f649e668360cbe07cf0bd3b70f7324b4c56d"

// olderSources are its sources without tests: a clone need not have the whole history.
const olderSources = "../../testdata/builds/c947f64.tar.gz"

// olderBuild is that commit, installed into a PostgreSQL of its own.
type olderBuild struct {
	install pgcluster.Install
	command string // pgraft
}

const olderBuildLimit = 8 * time.Minute

// buildOlder builds olderCommit.
func buildOlder(ctx context.Context, t *testing.T, in pgcluster.Install) olderBuild {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, olderBuildLimit)
	defer cancel()
	dir := t.TempDir()
	must(t, openToAll(dir))
	source := filepath.Join(dir, "source")
	must(t, os.Mkdir(source, 0o755))
	run := func(what, name string, args ...string) []byte {
		t.Helper()
		cmd := osexec.CommandContext(ctx, name, args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s%s", what, err, stderr.Bytes(), stdout.Bytes())
		}
		return stdout.Bytes()
	}
	run("unpack the sources of commit "+olderCommit, "tar", "-xz", "-C", source, "-f", olderSources)
	began := time.Now()
	run("build it", "make", "-s", "-C", source, "all", "PG_CONFIG="+in.PGConfig)
	t.Logf("commit %.7s is built after %v", olderCommit, time.Since(began).Round(time.Second))

	b := olderBuild{install: privateInstall(t, in, filepath.Join(dir, "postgresql")), command: filepath.Join(source, "build/pgraft")}
	shims, err := filepath.Glob(filepath.Join(source, "build/pg*/pgraft.so"))
	must(t, err)
	files := append(shims, filepath.Join(source, "build/pgraft_engine.so"))
	if len(files) != 2 {
		t.Fatalf("the build made the shims %q, want one", shims)
	}
	for _, f := range files {
		run("install it", "install", "-m", "755", f, b.install.PkgLibDir)
	}
	scripts, err := filepath.Glob(filepath.Join(b.install.ShareDir, "extension/pgraft*"))
	must(t, err)
	for _, f := range scripts {
		must(t, os.Remove(f))
	}
	for _, pattern := range []string{"pgraft.control", "pgraft--*.sql"} {
		scripts, err := filepath.Glob(filepath.Join(source, "pgext", pattern))
		must(t, err)
		for _, f := range scripts {
			run("install it", "install", "-m", "644", f, filepath.Join(b.install.ShareDir, "extension"))
		}
	}
	return b
}

// witness runs its `pgraft node`, as node witnessID, until the function is called.
func (b olderBuild) witness(t *testing.T, dir string, port int) (stop func()) {
	t.Helper()
	log := &printed.Text{}
	cmd := osexec.Command(b.command, "node", "--cluster-id", clusterID, "--node-id", fmt.Sprint(witnessID), "--address", "127.0.0.1",
		"--port", fmt.Sprint(port), "--data-dir", dir, "--http", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		if err := cmd.Wait(); err != nil {
			t.Errorf("the older witness: %v\n%s", err, log)
		}
	}
	t.Cleanup(stop)
	return stop
}

// A cluster of the build of before, two servers and a witness, is upgraded under load,
// one member after the other. The builds work together, no acknowledged entry is lost,
// and with the last member the cluster goes over to the newer version. From there no
// member goes back, and none of the older build is added.
func worksBesideAnOlderBuild(_ context.Context, t *testing.T, s *suite) {
	older := buildOlder(t.Context(), t, s.install)
	ctx, cancel := context.WithTimeout(t.Context(), 2*scenarioLimit)
	defer cancel()

	x := &suite{install: s.install, ledger: newLedger()}
	x.cluster = s.extraCluster(ctx, t, 2, nil)
	servers := x.cluster.Servers
	for _, server := range servers {
		server.Install = older.install
		must(t, server.Start(ctx))
		initialise(ctx, t, server)
	}
	dir, port := t.TempDir(), portForLong(t)
	stopWitness := older.witness(t, dir, port)
	conn := connect(ctx, t, x.leader(ctx, t))
	addNode(ctx, t, conn, servers[1])
	must(t, wait.For(ctx, settleLimit, "the older witness to be a member", func(ctx context.Context) error {
		added, err := sqlapi.AddNode(ctx, conn, witnessID, "127.0.0.1", port)
		if err == nil && !added {
			err = fmt.Errorf("pgraft_add_node() is false")
		}
		return err
	}))

	observer := observe(ctx, servers)
	load := startLoad(ctx, "upgrade", x.ledger, servers)
	x.ledger.waitFor(ctx, t, entriesBetween)
	for _, server := range []*pgcluster.Server{servers[1], servers[0]} {
		must(t, server.Stop(ctx))
		server.Install = s.install
		must(t, server.Start(ctx))
		x.leader(ctx, t)
		x.ledger.waitFor(ctx, t, entriesBetween)
		servesOldSQL(ctx, t, server)
	}
	for _, server := range servers {
		if kinds := raises(ctx, t, server); len(kinds) > 0 {
			t.Errorf("node %d: the log has %q before the last member knows what that is", server.NodeID, kinds)
		}
	}
	// Leadership goes back and forth between the builds.
	must(t, wait.For(ctx, settleLimit, "a transfer of leadership", func(ctx context.Context) error {
		conn, err := dial(ctx, x.leader(ctx, t))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "SELECT pgraft_transfer_leadership()")
		return err
	}))
	x.ledger.waitFor(ctx, t, entriesBetween)

	stopWitness()
	runWitness(ctx, t, dir, clusterID, port)
	for _, server := range servers {
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to go over to version 3", server.NodeID), func(ctx context.Context) error {
			if kinds := raises(ctx, t, server); !slices.Equal(kinds, []string{"cluster version 3"}) {
				return fmt.Errorf("its log has %q", kinds)
			}
			return nil
		}))
	}
	x.ledger.waitFor(ctx, t, entriesBetween)
	load.stop(t)
	observer.stop(t)
	for _, server := range servers {
		conn := connect(ctx, t, server)
		exec(ctx, t, conn, "ALTER EXTENSION pgraft UPDATE")
		exec(ctx, t, conn, "SELECT pgraft_read_barrier()")
		if got := text(ctx, t, conn, "SELECT concat_ws(' ', cluster_version, newest_version, alarm) FROM pgraft_stat_node"); got != "3 3" {
			t.Errorf("node %d: versions and alarm are %q", server.NodeID, got)
		}
		// the other server, and the witness
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to know what the others know", server.NodeID), func(ctx context.Context) error {
			if got := text(ctx, t, conn, "SELECT string_agg(concat_ws(' ', newest_version, connection_version, alarm), ', ' ORDER BY node_id) FROM pgraft_stat_peers"); got != "3 3, 3 3" {
				return fmt.Errorf("versions, connections and alarms are %q", got)
			}
			return nil
		}))
	}
	x.ledger.check(ctx, t, servers...)

	noWayBack(ctx, t, x, older)
}

// servesOldSQL has the SQL of version 1.0 answered by the newer libraries.
func servesOldSQL(ctx context.Context, t *testing.T, server *pgcluster.Server) {
	t.Helper()
	conn := connect(ctx, t, server)
	if got := text(ctx, t, conn, "SELECT extversion FROM pg_extension WHERE extname = 'pgraft'"); got != "1.0" {
		t.Fatalf("the extension is version %s", got)
	}
	exec(ctx, t, conn, "SELECT pgraft_read_barrier()")
	for _, sql := range []string{
		"SELECT count(*)::text FROM pgraft_stat_node", "SELECT count(*)::text FROM pgraft_stat_apply",
		"SELECT (count(*) - 1)::text FROM pgraft_stat_peers", "SELECT (count(*) - 2)::text FROM pgraft_get_nodes",
		"SELECT (count(*) - 2)::text FROM pgraft_get_cluster_status()", "SELECT count(*)::text FROM pgraft_log_get_stats()",
		"SELECT count(*)::text FROM pgraft_health_check() WHERE metric = 'alarm'",
	} {
		if got := text(ctx, t, conn, sql); got != "1" {
			t.Errorf("node %d, newer libraries: %s is %s", server.NodeID, sql, got)
		}
	}
}

// raises are the kinds of the entries that raised the cluster's version.
func raises(ctx context.Context, t *testing.T, server *pgcluster.Server) (kinds []string) {
	t.Helper()
	conn, err := dial(ctx, server)
	must(t, err)
	defer conn.Close(ctx) // it is asked often
	rows, err := sqlapi.LogEntries(ctx, conn, 1, 1<<62)
	must(t, err)
	for _, r := range rows {
		if strings.HasPrefix(r.Kind, "cluster version") {
			kinds = append(kinds, r.Kind)
		}
	}
	return kinds
}

// noWayBack: the older build does not start on what the newer one has written, and is
// not added. The cluster goes on, and the newer build starts again.
func noWayBack(ctx context.Context, t *testing.T, x *suite, older olderBuild) {
	t.Helper()
	server := x.cluster.Servers[1]
	must(t, server.Stop(ctx))
	newer := server.Install
	server.Install = older.install
	from := logSize(t, server)
	must(t, server.Start(ctx))
	waitLog(ctx, t, server, from, "written by a newer pgraft: format 2, this one knows up to 1")
	waitState(ctx, t, server, "error")
	// Its SQL is the newer one still: a standby with older libraries would look like this.
	call{sql: "SELECT * FROM pgraft_stat_node", state: "08P01"}.check(ctx, t, connect(ctx, t, server))
	x.ledger.replicate(ctx, t, connect(ctx, t, x.leader(ctx, t, x.cluster.Servers[0])), "without the one that went back")
	must(t, server.Stop(ctx))
	server.Install = newer
	must(t, server.Start(ctx))

	stranger, err := x.cluster.AddServer(ctx, nil)
	must(t, err)
	stranger.Install = older.install
	const id = 4 // node 3 is the witness
	must(t, stranger.Set(map[string]string{"pgraft.node_id": fmt.Sprint(id)}))
	must(t, stranger.Start(ctx))
	conn := connect(ctx, t, stranger)
	exec(ctx, t, conn, "CREATE EXTENSION pgraft")
	exec(ctx, t, conn, "SELECT pgraft_init(false)")
	servers := x.cluster.Servers[:2]
	leader := x.leader(ctx, t, servers...)
	call{sql: "SELECT pgraft_add_node($1, '127.0.0.1', $2)", args: []any{id, stranger.RaftPort}, state: "55000",
		words: []string{"refuses", "speaks protocol 3", "speaks 1"}, hint: []string{"Install the same pgraft"}}.check(ctx, t, connect(ctx, t, leader))
	for _, s := range servers {
		exec(ctx, t, connect(ctx, t, s), "SELECT pgraft_read_barrier()")
	}
	x.ledger.check(ctx, t, servers...)
}
