//go:build integration

package fence

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgraft/pgraft/tools/internal/wait"
)

// F2: what is visible is on enough standbys.

// ends ends a session's wait for standbys early, and waits until the fence holds it on.
func (w *world) ends(how string, p *pending) {
	w.t.Helper()
	w.watch.want("SELECT "+how+"("+p.s.pid()+")", "t")
	p.waits(inHold)
}

func holdsCanceled(w *world) {
	w.freeze(w.b, w.c)
	s := w.session()
	s.run("SET log_duration = on") // then a cancel that is left over meets the client's answer
	p := s.start(insert("canceled once")).waits(inSync)
	w.ends("pg_cancel_backend", p)
	w.sees("canceled once", 0)
	w.watch.run("SELECT pg_cancel_backend(" + s.pid() + ")") // again, while it is held
	w.watch.run("CHECKPOINT")                                // what else the server does goes on
	w.sees("canceled once", 0)
	w.thaw()
	p.succeeds()
	w.sees("canceled once", 1)
	for _, n := range s.said {
		w.t.Errorf("the client is told %s: %s", n.Severity, n.Message)
	}
	s.want("SELECT 'not canceled'", "not canceled")

	w.freeze(w.b, w.c)
	p = s.startWith("extended", func() error {
		_, err := s.conn.Exec(w.ctx, "INSERT INTO rows VALUES ($1)", "extended")
		return err
	}).waits(inSync)
	w.ends("pg_cancel_backend", p)
	w.sees("extended", 0)
	w.thaw()
	p.succeeds()
	w.sees("extended", 1)
}

// The fence learns of it by a WARNING, also where the session would not log one.
func holdsUnlogged(w *world) {
	for _, level := range []string{"error", "log", "fatal", "panic"} {
		s := w.session()
		s.run("SET log_min_messages = " + level)
		w.freeze(w.b, w.c)
		p := s.start(insert("logged at " + level)).waits(inSync)
		w.ends("pg_cancel_backend", p)
		w.sees("logged at "+level, 0)
		w.thaw()
		p.succeeds()
		s.want("SHOW log_min_messages", level)
		s.want("SHOW synchronous_commit", "on")
	}
}

func holdsTerminated(w *world) {
	w.freeze(w.b, w.c)
	p := w.session().start(insert("terminated")).waits(inSync)
	w.ends("pg_terminate_backend", p)
	w.sees("terminated", 0)
	w.thaw()
	if err := p.end(); err == nil {
		w.t.Error("a session that was terminated is told that its commit succeeded")
	}
	w.watch.until("SELECT count(*) FROM rows WHERE v = 'terminated'", "1")
	w.underWay(0)
}

func holdsElsewhere(w *world) {
	s := w.session()
	s.run("SET statement_timeout = '300ms'")
	w.freeze(w.b, w.c)
	p := s.start("DO $$ BEGIN INSERT INTO rows VALUES ('timed out'); COMMIT; END $$").waits(inHold)
	w.sees("timed out", 0)
	w.thaw()
	p.succeeds()
	w.sees("timed out", 1)
	s.run("SET statement_timeout = 0")

	w.freeze(w.b, w.c)
	p = s.start("BEGIN; " + insert("two phases") + "; PREPARE TRANSACTION 'held'").waits(inSync)
	w.ends("pg_cancel_backend", p)
	w.thaw()
	p.succeeds()
	w.freeze(w.b, w.c)
	p = s.start("COMMIT PREPARED 'held'").waits(inSync)
	w.ends("pg_cancel_backend", p)
	w.sees("two phases", 0)
	w.thaw()
	p.succeeds()
	w.sees("two phases", 1)
}

func raisesSynchronousCommit(w *world) {
	for _, level := range []string{"off", "local", "remote_write"} {
		s := w.session()
		s.run("SET synchronous_commit = " + level)
		w.freeze(w.b, w.c)
		p := s.start(insert("committed " + level)).waits(inSync)
		w.sees("committed "+level, 0)
		w.thaw()
		p.succeeds()
		w.sees("committed "+level, 1)
		s.want("SHOW synchronous_commit", level)
		s.run("BEGIN; SET LOCAL synchronous_commit = on; " + insert("locally") + "; COMMIT")
		s.want("SHOW synchronous_commit", level)
		w.tell(noLease)
		s.run("SET pgraft.fence_wait = 0")
		s.refused(insert("refused"), "25006")
		s.want("SHOW synchronous_commit", level)
		w.tell(open)
	}
}

// Emptied names would let all go that wait. Nobody empties them while commits need standbys.
func keepsNames(w *world) {
	names := w.watch.run("SHOW synchronous_standby_names")
	w.freeze(w.b, w.c)
	p := w.session().start(insert("named")).waits(inSync)
	err := w.watch.refused("ALTER SYSTEM SET synchronous_standby_names = ''", "22023")
	if !strings.Contains(err.Detail, "pgraft") {
		w.t.Errorf("%#v", err)
	}
	for _, published := range []string{"open=0 lease=-1", "pending=1 next_w=1 w=0", "w=0"} {
		w.tell("publish " + published)
		w.watch.refused("ALTER SYSTEM SET synchronous_standby_names = ''", "22023")
		w.tell(open)
	}
	// by the file, and by nothing in the file
	for _, line := range []string{"synchronous_standby_names = ''", "#synchronous_standby_names = ''"} {
		path := filepath.Join(w.primary.DataDir, "postgresql.conf")
		text, err := os.ReadFile(path)
		must(w.t, err)
		size, err := w.primary.LogSize()
		must(w.t, err)
		must(w.t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "synchronous_standby_names =", line+" #")), 0o600))
		w.watch.run("SELECT pg_reload_conf()")
		must(w.t, wait.Until(w.ctx, "the server to refuse it", func(context.Context) error {
			log, err := os.ReadFile(w.primary.LogPath)
			if err == nil && !strings.Contains(string(log[size:]), "parameter \"synchronous_standby_names\"") {
				err = fmt.Errorf("it says %q", log[size:])
			}
			return err
		}))
		w.watch.want("SHOW synchronous_standby_names", names)
		w.sees("named", 0)
		must(w.t, os.WriteFile(path, text, 0o600))
		w.watch.run("SELECT pg_reload_conf()")
	}
	p.waits(inSync)
	w.thaw()
	p.succeeds()
	// where pgraft puts them so, in an epoch that is not open yet, too, and where there is no
	// failover, they may be empty
	for _, told := range [][2]string{{"publish open=0 founding=1", "names empty"}, {"publish failover=0"}} {
		for _, line := range told {
			if line != "" {
				w.tell(line)
			}
		}
		w.names("")
		if told[0] == "publish failover=0" { // a commit waits until the checkpointer has them, too, which refuses them once failover is on
			w.session().run(insert("let go"))
		}
		w.tell(open)
		w.tell("publish w=0")
		w.session().run(insert("needs none"))
		w.names(names)
		w.tell("names needed")
		w.tell(open)
	}
}
