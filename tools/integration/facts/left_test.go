//go:build integration

package facts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// PostgreSQL's source: a restart in place leaves the file promote of an order that the
// startup process has not looked at, and whatever signals the postmaster next, promotes
// the server: the start of recovery does, without a source of WAL. Only the postmaster's
// own start removes the file. So a seal takes it away.
func promoteFileStays(w *world) {
	left, removed, anew := w.standby("left", nil), w.standby("removed", nil), w.standby("anew", nil)
	all := []*server{left, removed, anew}
	w.start(append(all, w.a)...)
	for _, s := range all {
		s.catchUp(w.a)
		s.seal()
		startup := s.freezeIdle()
		s.put("promote", nil)
		s.signalPostmaster(syscall.SIGUSR1)
		w.waitPending(startup, syscall.SIGUSR2)
	}
	anew.die()
	anew.bootAs(nil)
	removed.remove("promote")
	for _, s := range []*server{left, removed} {
		s.restartInPlace()
	}
	left.until("SELECT pg_is_in_recovery()", "f")
	for _, s := range []*server{removed, anew} {
		s.until(idle, "RecoveryRetrieveRetryInterval")
		s.want("SELECT pg_is_in_recovery()", "t")
	}
	for _, s := range all {
		if s.has("promote") {
			w.t.Errorf("%s: the file promote is there still", s.name)
		}
	}
}

// restartInPlace has a standby restart as after a crash: without its postmaster.
func (s *server) restartInPlace() {
	s.w.t.Helper()
	size := s.logSize()
	var backend int
	if _, err := fmt.Sscan(s.sql("SELECT pg_backend_pid()"), &backend); err != nil {
		s.w.t.Fatal(err)
	}
	must(s.w.t, syscall.Kill(backend, syscall.SIGKILL))
	s.waitLog(size, "terminating any other active server processes", 1)
	s.thaw()
	s.waitLog(size, "all server processes terminated; reinitializing", 1)
	s.waitLog(size, "database system is ready to accept", 1)
}

// walGone is what a walreceiver says of WAL that its primary has removed, as it says it:
// the walreceiver, with the SQLSTATE of a broken protocol.
const walGone = " walreceiver 08P01 FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment %s has already been removed"

// The walreceiver itself reports, so that a hook of the log sees it in that process, that
// the primary has removed the WAL that it asked for. It does so over and over. The SQLSTATE
// says nothing: only the text does, which is in the language of the primary's lc_messages.
// pg_rewind finds nothing to do on such a server. So a server that lacks WAL is cloned.
func walIsGone(w *world) {
	a := w.a
	must(w.t, a.Set(hints))
	b, d := w.standby("B", hints), w.standby("D", hints)
	must(w.t, b.Set(map[string]string{"wal_keep_size": "0"}))
	must(w.t, d.Set(map[string]string{"log_line_prefix": "%m [%p] %b %e "}))
	w.start(a, b, d)
	a.sql("INSERT INTO t VALUES (1)")
	d.catchUp(a)
	d.seal()
	at := d.replayed()
	a.sql("SELECT pg_switch_wal()")
	a.sql("INSERT INTO t VALUES (2)")
	b.catchUp(a)
	b.seal()
	a.die()
	fork := b.promote()
	b.checkpointed(2)
	b.sql("SELECT pg_switch_wal()")
	b.sql("CHECKPOINT")
	gone := segment(1, at)
	if b.has(gone) {
		w.t.Fatalf("B has %s still", gone)
	}
	size := d.logSize()
	d.follow(b)
	d.waitLog(size, fmt.Sprintf(walGone, filepath.Base(gone)), 3)
	if got := d.replayed(); got != at {
		w.t.Errorf("D is at %s, and was at %s", got, at)
	}
	if strings.Contains(d.log(size), "PANIC") {
		w.t.Error("D has ended")
	}
	d.stop()
	if _, err := os.Stat(filepath.Join(w.pg.install.BinDir, "pg_rewind")); err != nil {
		w.t.Logf("%s comes without pg_rewind: %v", w.pg.install.Version, err)
		return
	}
	out, err := d.rewind(b)
	if want := fmt.Sprintf("servers diverged at WAL location %s on timeline 1", fork); err != nil || !strings.Contains(out, want) || !strings.Contains(out, nothingToDo) {
		w.t.Errorf("pg_rewind does not say %q and %q: %v", want, nothingToDo, err)
	}
}
