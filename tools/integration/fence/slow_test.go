//go:build integration

package fence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// What takes servers of its own. make test-fence leaves it out.

// reader looks for a row until its server is gone, and says whether it saw it.
func (w *world) reader(v string) (seen func() bool) {
	s := w.session()
	result := make(chan bool, 1)
	go func() {
		for {
			got, err := s.try("SELECT count(*) FROM rows WHERE v = '" + v + "'")
			if err != nil {
				result <- false
				return
			}
			if got != "0" {
				result <- true
				return
			}
		}
	}()
	return func() bool {
		select {
		case saw := <-result:
			return saw
		case <-w.ctx.Done():
			w.t.Fatal("the reader does not end")
			return false
		}
	}
}

// A commit that is held while the server ends is seen by nobody, and does not keep the
// server from ending.
func TestShutdown(t *testing.T) {
	for _, end := range []struct {
		name string
		stop func(w *world, holds *session) error
	}{
		{"fast", func(w *world, _ *session) error { return w.primary.Stop(w.ctx) }},
		{"immediate", func(w *world, _ *session) error { return w.primary.StopImmediate(w.ctx) }},
		{"kill -9 of the postmaster", func(w *world, _ *session) error { _, err := w.primary.Kill9(w.ctx); return err }},
		{"kill -9 of its backend", func(w *world, holds *session) error {
			return syscall.Kill(int(holds.conn.PgConn().PID()), syscall.SIGKILL)
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			w := newWorld(t, installed(t))
			ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
			defer cancel()
			w.ctx = ctx
			w.tell("engine up")
			w.freeze(w.b, w.c)
			seen := w.reader("held")
			p := w.session().start(insert("held")).waits(inSync)
			w.ends("pg_cancel_backend", p)
			q := w.session().start(insert("waits")).waits(inSync)
			began := time.Now()
			must(t, end.stop(w, p.s))
			t.Logf("it ended after %v", time.Since(began).Round(10*time.Millisecond))
			for _, p := range []*pending{p, q} {
				if err := p.end(); err == nil {
					t.Errorf("%s: its client is told that it succeeded", p.sql)
				}
			}
			if seen() {
				t.Error("a reader saw a row that is on no standby")
			}
		})
	}
}

// A smart shutdown waits for the sessions that are there: one that holds a commit shows it
// to the others as little as before.
func TestSmartShutdown(t *testing.T) {
	w := newWorld(t, installed(t))
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	defer cancel()
	w.ctx = ctx
	w.tell("engine up")
	w.freeze(w.b, w.c)
	p := w.session().start(insert("held")).waits(inSync)
	text, err := os.ReadFile(filepath.Join(w.primary.DataDir, "postmaster.pid"))
	must(t, err)
	var postmaster int
	_, err = fmt.Sscan(string(text), &postmaster)
	must(t, err)
	must(t, syscall.Kill(postmaster, syscall.SIGTERM))
	must(t, wait.Until(ctx, "the server to stop", func(context.Context) error {
		text, err := os.ReadFile(filepath.Join(w.primary.DataDir, "postmaster.pid"))
		if err == nil && !strings.Contains(string(text), "stopping") {
			err = errors.New("it does not say so")
		}
		return err
	}))
	w.ends("pg_terminate_backend", p)
	// it looks whether the server ends ten times a second
	end := time.Now().Add(500 * time.Millisecond)
	for time.Now().Before(end) {
		w.sees("held", 0)
	}
	w.thaw()
	if err := p.end(); err == nil {
		t.Error("a session that was terminated is told that its commit succeeded")
	}
	w.watch.until("SELECT count(*) FROM rows WHERE v = 'held'", "1")
}

// A subscriber that is fenced applies nothing, and confirms nothing to its publisher.
func TestSubscriber(t *testing.T) {
	w := newWorld(t, installed(t))
	ctx, cancel := context.WithTimeout(t.Context(), 2*caseLimit)
	defer cancel()
	w.ctx = ctx
	plain := newCluster(ctx, t, pgcluster.Config{Install: w.primary.Install, Nodes: 1, Plain: true, Settings: map[string]string{"wal_level": "logical"}})
	must(t, plain.Start(ctx))
	publisher, err := w.dial(plain.Servers[0].URL())
	must(t, err)
	publisher.run("CREATE TABLE rows (v text); CREATE PUBLICATION all_rows FOR TABLE rows")
	w.watch.run(fmt.Sprintf("CREATE SUBSCRIPTION from_there CONNECTION 'host=127.0.0.1 port=%d user=postgres dbname=postgres' PUBLICATION all_rows WITH (copy_data = false)", plain.Servers[0].Port))
	publisher.run(insert("at first"))
	w.watch.until("SELECT count(*) FROM rows WHERE v = 'at first'", "1")
	confirmed := func() string { return publisher.run("SELECT confirmed_flush_lsn FROM pg_replication_slots") }

	// F1: it tries again, until it may
	must(t, w.primary.Set(map[string]string{"pgraft.fence_wait": "100ms"}))
	w.watch.run("SELECT pg_reload_conf()")
	w.tell(noLease)
	size, err := w.primary.LogSize()
	must(t, err)
	publisher.run(insert("refused at first"))
	before := publisher.run("SELECT pg_current_wal_lsn()")
	must(t, wait.Until(ctx, "the subscriber to be refused twice", func(context.Context) error {
		log, err := os.ReadFile(w.primary.LogPath)
		if n := strings.Count(string(log[min(int(size), len(log)):]), "takes no writes now"); err == nil && n < 2 {
			err = fmt.Errorf("%d times", n)
		}
		return err
	}))
	w.sees("refused at first", 0)
	publisher.want("SELECT confirmed_flush_lsn < '"+before+"' FROM pg_replication_slots", "t")
	w.tell(open)
	w.watch.until("SELECT count(*) FROM rows WHERE v = 'refused at first'", "1")

	// F3: what is written is not confirmed before it may be
	w.freeze(w.b, w.c)
	at := confirmed()
	publisher.run(insert("written"))
	w.watch.until("SELECT wait_event FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%worker' AND wait_event = 'SyncRep'", "SyncRep")
	w.tell(noLease)
	w.thaw()
	w.watch.until("SELECT count(*) FROM rows WHERE v = 'written'", "1")
	publisher.want("SELECT confirmed_flush_lsn = '"+at+"' FROM pg_replication_slots", "t")
	w.tell(open)
	publisher.until("SELECT confirmed_flush_lsn > '"+at+"' FROM pg_replication_slots", "t")
}

type part struct{ name, file, is, becomes, fails string }

func (p part) edit() pgcluster.Edit {
	return pgcluster.Edit{File: "fence/" + p.file, Is: p.is, Becomes: p.becomes}
}

// parts are edits of the shim that switch a part of the fence off, and the test that must
// find it out.
var parts = []part{
	{"F1", "fence_rules.c", "if (!look->failover)\n\t\treturn PGRAFT_BEGIN_GO;", "if (look->waited <= 1)\n\t\treturn PGRAFT_BEGIN_GO;", "TestFence/refuses a commit, and nothing is left of it"},
	{"F1 before COMMIT PREPARED", "fence_statements.c", "if (kind == TRANS_STMT_COMMIT_PREPARED)", "if (kind == TRANS_STMT_BEGIN)", "TestFence/keeps prepared transactions"},
	{"F1 before what works beyond", "fence_statements.c", "(name = works_beyond(statement)) != NULL", "(name = works_beyond(statement)) == statement", "TestFence/refuses what works beyond its transaction"},
	{"F2", "fence_hold.c", "if (holding || ", "if (true || holding || ", "TestFence/stays invisible when the wait is canceled"},
	{"F2's end with the server", "fence_hold.c", "return ProcDiePending &&", "return false && ProcDiePending &&", "TestShutdown/fast"},
	{"F2's smart shutdown", "fence_hold.c", "!PGRAFT_ENGINE_UP(pg_atomic_read_u32(&pgraft_shared->engine_generation)) &&", "", "TestSmartShutdown"},
	{"F2's WARNING", "fence_xact.c", "|| pgraft_log_min_messages == LOG", "", "TestFence/stays invisible whatever is logged"},
	{"F2's synchronous_commit", "fence_xact.c", "if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)", "if (synchronous_commit > SYNCHRONOUS_COMMIT_REMOTE_APPLY)", "TestFence/stays invisible whatever synchronous_commit is"},
	{"F2's names", "fence_settings.c", "if (pgraft_fence_is_there() && !IsParallelWorker()", "if (false && !IsParallelWorker()", "TestFence/keeps the names"},
	{"names in parallel workers", "fence_settings.c", " && !IsParallelWorker()", "", "TestFence/leaves alone what commits nothing"},
	{"F3", "fence_rules.c", "if (!look->failover)\n\t\treturn PGRAFT_ACK;", "if (look->same <= 1)\n\t\treturn PGRAFT_ACK;", "TestFence/acknowledges nothing without the lease"},
	{"F3's end of an epoch", "fence_rules.c", "if (look->over)", "if (look->over > 1)", "TestFence/says that the outcome is unknown"},
	{"F3's lease", "fence_rules.c", "look->beyond || !look->lease)", "look->beyond)", "TestFence/acknowledges nothing without the lease"},
	{"F3's slots", "fence_senders.c", "&& token_of(pid, &sender->token) &&\n\t\t\tholds_slot_of(pid, sender->token.member))", "&& token_of(pid, &sender->token))", "TestFence/counts who holds the slot of its token"},
	{"F3's other set", "fence_rules.c", "(look->pending && look->next < look->next_w) ||", "", "TestFence/counts both sets"},
	{"F4", "fence_settings.c", "MyProcPort != NULL && pgraft_look_fenced()", "MyProcPort == NULL && pgraft_look_fenced()", "TestFence/shows that it is read-only"},
	{"reads", "fence_xact.c", "if (!pgraft_look_readable())", "if (false)", "TestFence/shows no data that may go away"},
	{"reads of tables", "fence_shows.c", "!= RELKIND_VIEW", "== RELKIND_INDEX", "TestFence/says of the cluster what shows no data"},
	{"reads in functions", "fence_shows.c", "else if (!is_immutable)", "else if (false && !is_immutable)", "TestFence/says of the cluster what shows no data"},
}

// TestPartsApply: what TestParts edits is still there, which nobody runs with each change.
func TestPartsApply(t *testing.T) {
	for _, part := range parts {
		must(t, pgcluster.CheckEdits("../../../pgext", part.edit()))
	}
}

// TestParts: without any part of the fence, a case fails. So none is decoration.
func TestParts(t *testing.T) {
	install, objects := installed(t), t.TempDir()
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			library, err := install.BuildShim("../../../pgext", objects, part.edit())
			must(t, err)
			t.Cleanup(func() { must(t, os.RemoveAll(filepath.Dir(library))) })
			program, err := os.Executable()
			must(t, err)
			cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run",
				"^"+strings.ReplaceAll(strings.ReplaceAll(part.fails, " ", "_"), "/", "$/^")+"$")
			cmd.Env = append(os.Environ(), "PGRAFT_FENCE_LIBRARY="+library)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), "--- FAIL: "+strings.ReplaceAll(part.fails, " ", "_")) {
				t.Errorf("%q does not fail without it: %v\n%s", part.fails, err, out)
			}
		})
	}
}
