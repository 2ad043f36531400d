//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// crashRestart is what a server says that ends all sessions for a crash.
var crashRestart = regexp.MustCompile(`was terminated by signal|exited with exit code 2|reinitializing`)

// logFrom is a server's log from an offset on.
func logFrom(t *testing.T, server *pgcluster.Server, offset int64) string {
	t.Helper()
	log, err := os.ReadFile(server.LogPath)
	must(t, err)
	return string(log[min(offset, int64(len(log))):])
}

func waitState(ctx context.Context, t *testing.T, server *pgcluster.Server, want string) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, "the worker state "+want, func(ctx context.Context) error {
		conn, err := server.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		state, err := sqlapi.WorkerState(ctx, conn)
		if err == nil && state != want {
			err = fmt.Errorf("it is %q", state)
		}
		return err
	}))
}

// wantNoEngine checks what people hear of an engine that does not run.
func wantNoEngine(ctx context.Context, t *testing.T, conn *pgx.Conn, words ...string) {
	t.Helper()
	call{sql: "SELECT pgraft_propose('x')", state: "57P03", words: append([]string{"not running"}, words...)}.check(ctx, t, conn)
	found, err := sqlapi.HealthCheck(ctx, conn)
	if err != nil || len(found) != 1 || found[0].Status != "critical" || found[0].Value == nil {
		t.Errorf("pgraft_health_check() is %+v, %v", found, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(*found[0].Value, w) {
			t.Errorf("pgraft_health_check() does not say %q: %s", w, *found[0].Value)
		}
	}
}

// A server that may not have what Go's runtime needs runs without the engine, and
// says what is missing. With it, the node is there again.
func runsWithoutWhatTheEngineNeeds(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, nil).Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	for ulimit, says := range map[string]string{"-v 900000": "ulimit -v: 900000 kB", "-d 100000": "ulimit -d: 100000 kB"} {
		must(t, server.Stop(ctx))
		from := logSize(t, server)
		server.Ulimit = ulimit
		must(t, server.Start(ctx))
		waitState(ctx, t, server, "error")
		for range 20 {
			text(ctx, t, connect(ctx, t, server), "SELECT 1::text")
		}
		wantNoEngine(ctx, t, connect(ctx, t, server), "cannot have the memory", says)
		if line := crashRestart.FindString(logFrom(t, server, from)); line != "" {
			t.Errorf("ulimit %s: the server log says %q", ulimit, line)
		}
	}
	must(t, server.Stop(ctx))
	server.Ulimit = ""
	must(t, server.Start(ctx))
	s.leader(ctx, t, server)
	must(t, sqlapi.Replicate(ctx, connect(ctx, t, server), "with what it needs"))

	// room for the engine, beside the server's own launcher, but not for the apply worker
	must(t, server.Set(map[string]string{"max_worker_processes": "2"}))
	must(t, server.Restart(ctx))
	s.leader(ctx, t, server)
	asked := time.Now()
	call{sql: "SELECT pgraft_read_barrier()", state: "57P03", words: []string{"apply worker", "max_worker_processes"}}.check(ctx, t, connect(ctx, t, server))
	between(t, "to say that the apply worker has no slot", time.Since(asked), 0, 8*time.Second)
}

// crashEngine waits for an engine worker and has it crash; returns its pid.
func crashEngine(ctx context.Context, t *testing.T, server *pgcluster.Server, before int) int {
	t.Helper()
	pid, err := server.WaitEngineWorker(ctx, before)
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGABRT))
	return pid
}

// An engine that crashes each time it starts takes the server along ever less
// often. A reload starts it at once, and what others do does not count.
func waitsAfterCrashes(ctx context.Context, t *testing.T, s *suite) {
	server := s.extraCluster(ctx, t, 1, nil).Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	const crashes, pause = 6, 16 * time.Second // the last pause of 0, 1, 2, 4, 8, 16 s
	pid := 0
	for range crashes {
		pid = crashEngine(ctx, t, server, pid)
	}
	said := time.Now()
	waitLog(ctx, t, server, 0, fmt.Sprintf("crashed %d times in a row", crashes))
	for i, seconds := range []int{1, 2, 4, 8, 16} {
		if !regexp.MustCompile(fmt.Sprintf(`crashed %d times in a row\n.*DETAIL:  It is started again in %d s\.`, i+2, seconds)).MatchString(logFrom(t, server, 0)) {
			t.Errorf("the log does not say that the engine waits for %d s after crash %d", seconds, i+2)
		}
	}
	waitState(ctx, t, server, "error")
	conn := connect(ctx, t, server)
	wantNoEngine(ctx, t, conn, fmt.Sprintf("crashed %d times in a row", crashes))
	reload(ctx, t, conn)
	s.leader(ctx, t, server)
	if took := time.Since(said); took >= pause {
		t.Errorf("after a reload the node leads %v after the crash: it has waited for its %v", took, pause)
	}

	// another process of the server crashes: that is not the engine's
	from := logSize(t, server)
	checkpointer := text(ctx, t, conn, "SELECT pid::text FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
	if out, err := osexec.Command("kill", "-ABRT", checkpointer).CombinedOutput(); err != nil {
		t.Fatalf("kill the checkpointer: %v\n%s", err, out)
	}
	waitLog(ctx, t, server, from, "reinitializing")
	must(t, wait.For(ctx, settleLimit, "the node to lead again", func(ctx context.Context) error {
		conn, err := server.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		leads, err := sqlapi.IsLeader(ctx, conn)
		if err == nil && !leads {
			err = fmt.Errorf("not yet")
		}
		return err
	}))
	if log := logFrom(t, server, from); strings.Contains(log, "in a row") {
		t.Errorf("a crash of the checkpointer counts as one of the engine's:\n%s", log)
	}

	// it can be stopped while it waits, and a start waits for nothing
	crashEngine(ctx, t, server, 0)
	waitLog(ctx, t, server, from, fmt.Sprintf("crashed %d times in a row", crashes+1))
	count := filepath.Join(server.DataDir, "pgraft.engine")
	waits, err := os.ReadFile(count)
	must(t, err)
	stopping := time.Now()
	must(t, server.Stop(ctx))
	between(t, "to stop a server whose engine waits", time.Since(stopping), 0, 10*time.Second)
	from = logSize(t, server)
	must(t, server.Start(ctx))
	s.leader(ctx, t, server)
	if log := logFrom(t, server, from); strings.Contains(log, "in a row") {
		t.Errorf("after a start by hand it waits:\n%s", log)
	}

	// a copy of the count, as a base backup has it, is another file: it means nothing
	must(t, server.Stop(ctx))
	info, err := os.Stat(count)
	must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	must(t, os.WriteFile(count+".copy", waits, 0o600))
	must(t, os.Chown(count+".copy", int(owner.Uid), int(owner.Gid)))
	must(t, os.Rename(count+".copy", count))
	from = logSize(t, server)
	must(t, server.Start(ctx))
	s.leader(ctx, t, server)
	if log := logFrom(t, server, from); strings.Contains(log, "in a row") {
		t.Errorf("a copy of %q counts:\n%s", waits, log)
	}
}

// An entry whose apply function takes the server down does so ever less often, and
// another function gets past it.
func waitsAfterApplyCrashes(ctx context.Context, t *testing.T, s *suite) {
	server := s.applyCluster(ctx, t, 1, nil).Servers[0]
	conn := connect(ctx, t, server)
	define := func(conn *pgx.Conn, poison string) {
		exec(ctx, t, conn, `CREATE OR REPLACE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS $$
			BEGIN
				IF data = 'poison' THEN `+poison+` END IF;
				INSERT INTO applied (index, term, data) VALUES (index, term, data);
			END $$`)
	}
	define(conn, "COPY (SELECT 1) TO PROGRAM 'kill -ABRT $PPID';")
	must(t, sqlapi.Replicate(ctx, conn, "before"))
	if index, err := sqlapi.ReadBarrier(ctx, conn); err != nil || index == 0 {
		t.Fatalf("pgraft_read_barrier() = %d, %v", index, err)
	}
	must(t, sqlapi.Replicate(ctx, conn, "poison"))
	waitLog(ctx, t, server, 0, "It goes on in 8 s.")
	for i, seconds := range []int{1, 2, 4, 8} {
		if !regexp.MustCompile(fmt.Sprintf(`the apply worker has crashed %d times in a row .*\n.*DETAIL:  It goes on in %d s\.`, i+2, seconds)).MatchString(logFrom(t, server, 0)) {
			t.Errorf("the log does not say that the apply worker waits for %d s after crash %d", seconds, i+2)
		}
	}
	if log := logFrom(t, server, 0); strings.Contains(log, "the pgraft engine has crashed") {
		t.Error("a crash of the apply worker counts as one of the engine's")
	}
	conn = connect(ctx, t, server)
	if got := text(ctx, t, conn, "SELECT state || ': ' || last_error FROM pgraft_stat_apply"); !strings.HasPrefix(got, "failed: the apply worker has crashed 5 times in a row") {
		t.Errorf("pgraft_stat_apply says %q", got)
	}
	define(conn, "data := 'an antidote';")
	reload(ctx, t, conn)
	must(t, wait.For(ctx, settleLimit, "the entry to be applied", func(ctx context.Context) error {
		var n int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM applied WHERE data = 'an antidote'").Scan(&n)
		if err == nil && n != 1 {
			err = fmt.Errorf("not yet")
		}
		return err
	}))
}

// Libraries of two builds do not run together; the server does.
func refusesAnotherBuild(_ context.Context, t *testing.T, s *suite) {
	dir := t.TempDir()
	must(t, openToAll(dir))
	install := privateInstall(t, s.install, filepath.Join(dir, "postgresql"))
	library := filepath.Join(install.PkgLibDir, "pgraft_engine.so")
	right := filepath.Join(dir, "right.so")
	must(t, os.Rename(library, right))
	own, err := osexec.Command("../build-id.sh").Output()
	must(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), scenarioLimit)
	defer cancel()
	var server *pgcluster.Server
	for source, says := range map[string]string{
		`const char *pgraft_engine_build(void) { return "another"; }`: "It is build another;",
		`unsigned pgraft_engine_abi(void) { return 4; }`:              "(it does not say)",
	} {
		file := filepath.Join(dir, "other.c")
		must(t, os.WriteFile(file, []byte(source), 0o644))
		os.Remove(library) // its pages may be mapped
		if out, err := osexec.Command("cc", "-shared", "-fPIC", "-o", library, file).CombinedOutput(); err != nil {
			t.Fatalf("compile another engine: %v\n%s", err, out)
		}
		if server == nil {
			c, err := pgcluster.New(ctx, pgcluster.Config{Install: install, Nodes: 1, ClusterID: clusterID})
			must(t, err)
			t.Cleanup(func() { must(t, c.Destroy()) })
			server = c.Servers[0]
			must(t, server.Start(ctx))
			_, err = connect(ctx, t, server).Exec(ctx, "CREATE EXTENSION pgraft")
			must(t, err)
		} else {
			must(t, server.Restart(ctx))
		}
		waitState(ctx, t, server, "error")
		wantNoEngine(ctx, t, connect(ctx, t, server), "is of another build", says, strings.TrimSpace(string(own)), "Install both")
	}
	if line := crashRestart.FindString(logFrom(t, server, 0)); line != "" {
		t.Errorf("the server log says %q", line)
	}
	// a reload as the worker has just failed, and before the next one is there, counts
	os.Remove(library)
	const failures, pause = 4, 8 * time.Second // the pauses are 1, 2, 4, 8 s
	must(t, server.Restart(ctx))
	from := logSize(t, server)
	failed := regexp.MustCompile(`"pgraft engine" \(PID \d+\) exited with exit code 1`)
	conn := connect(ctx, t, server)
	must(t, wait.For(ctx, settleLimit, "the engine to fail again and again", func(context.Context) error {
		if n := len(failed.FindAllString(logFrom(t, server, from), -1)); n < failures {
			return fmt.Errorf("%d times", n)
		}
		return nil
	}))
	must(t, os.Rename(right, library))
	reload(ctx, t, conn)
	reloaded := time.Now()
	waitState(ctx, t, server, "initializing")
	between(t, "to start the engine after a reload", time.Since(reloaded), 0, pause/2)
	must(t, server.Restart(ctx))
	if ok, err := sqlapi.Init(ctx, connect(ctx, t, server)); err != nil || !ok {
		t.Errorf("with the right library pgraft_init() = %v, %v", ok, err)
	}
}

// hangingDisk is a file of the engine whose disk syncs nothing while another file is
// there. It is in no build but this test's.
const hangingDisk = `package main

import (
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var hangingDisk = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
	for op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo {
		if _, err := os.Stat(%q); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}))
`

// A disk that hangs holds up neither a fast shutdown, whether the node runs or is
// being opened, nor those who only look at the node. What it had not synced was
// not acknowledged.
func stopsWhileItsDiskHangs(_ context.Context, t *testing.T, s *suite) {
	dir := t.TempDir()
	trigger := filepath.Join(dir, "trigger", "hang")
	must(t, os.Mkdir(filepath.Dir(trigger), 0o777))
	must(t, openToAll(dir, filepath.Dir(trigger)))
	install := privateInstall(t, s.install, filepath.Join(dir, "postgresql"))
	buildEngine(t, dir, fmt.Sprintf(hangingDisk, trigger), filepath.Join(install.PkgLibDir, "pgraft_engine.so"),
		"c.Retention.RetainFrom = retainEverything", "c.Retention.RetainFrom, c.FS = retainEverything, hangingDisk")

	ctx, cancel := context.WithTimeout(t.Context(), scenarioLimit)
	defer cancel()
	c, err := pgcluster.New(ctx, pgcluster.Config{Install: install, Nodes: 1, ClusterID: clusterID})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Servers[0].LogTail(25))
		}
		must(t, c.Destroy())
	})
	server := c.Servers[0]
	must(t, server.Start(ctx))
	initialise(ctx, t, server)
	s.leader(ctx, t, server)
	must(t, sqlapi.Replicate(ctx, connect(ctx, t, server), "before"))

	must(t, os.WriteFile(trigger, nil, 0o666))
	answered := make(chan error, 1)
	waiting := connect(ctx, t, server)
	go func() { answered <- sqlapi.Replicate(ctx, waiting, "while it hangs") }()
	waitLog(ctx, t, server, 0, "has not finished a write for")
	conn := connect(ctx, t, server)
	found, err := sqlapi.HealthCheck(ctx, conn)
	if err != nil || len(found) < 2 {
		t.Errorf("pgraft_health_check() while the disk hangs is %+v, %v", found, err)
	}
	stop := func(when string) {
		t.Helper()
		from := logSize(t, server)
		began := time.Now()
		must(t, server.Stop(ctx))
		between(t, "a fast shutdown "+when, time.Since(began), 0, 12*time.Second)
		waitLog(ctx, t, server, from, "was not closed within")
		if line := crashRestart.FindString(logFrom(t, server, from)); line != "" {
			t.Errorf("the server log says %q", line)
		}
	}
	stop("while the disk hangs")
	if err := <-answered; err == nil {
		t.Error("an entry was acknowledged that the disk has not")
	}
	must(t, server.Start(ctx))
	stop("while the node is being opened")

	must(t, os.Remove(trigger))
	must(t, server.Start(ctx))
	s.leader(ctx, t, server)
	stats, err := sqlapi.Stats(ctx, connect(ctx, t, server))
	must(t, err)
	log, err := sqlapi.Entries(ctx, connect(ctx, t, server), 1, stats.LastApplied)
	if err != nil || len(log) == 0 || log[0].Data != "before" {
		t.Errorf("the log holds %+v, %v", log, err)
	}
}
