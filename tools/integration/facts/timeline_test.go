//go:build integration

package facts

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pgraft/pgraft/tools/internal/wait"
)

// unused is what a file holds that stands for a timeline number that nobody used.
const unused = "# not used\n"

// A 54: with archive_mode a promotion renames the parent's last segment to .partial, and
// the copy under the new timeline's name is the only whole one. After a crash before the
// next checkpoint, who reads each LSN from its owner's file ends at the start of that
// segment, below the truth. So .partial is read too.
func partialSegment(w *world) {
	a, b := w.a, w.standby("B", nil)
	must(w.t, b.Set(map[string]string{"archive_mode": "on", "archive_command": "true", "restart_after_crash": "off"}))
	w.start(a, b)
	a.sql("SELECT pg_switch_wal()")
	from := a.inserted()
	a.sql("INSERT INTO t SELECT generate_series(1, 100)")
	b.catchUp(a)
	b.seal()
	a.die()
	checkpointer := b.freeze("checkpointer")
	fork := b.promote()

	owner, copied := segment(1, fork), segment(2, fork)
	check := func(when string) {
		w.t.Helper()
		if b.has(owner) || !b.has(owner+".partial") {
			w.t.Fatalf("%s: %s is there: %v, %s.partial: %v; want the second only", when, owner, b.has(owner), owner, b.has(owner+".partial"))
		}
		if _, end := b.records(1, from); end != from {
			w.t.Errorf("%s: timeline 1 is whole from %s to %s", when, from, end)
		}
		if n := fork.inSegment(); !bytes.Equal(b.get(owner + ".partial")[:n], b.get(copied)[:n]) {
			w.t.Errorf("%s: %s.partial and %s differ below the fork at %s", when, owner, copied, fork)
		}
	}
	check("promoted")
	b.crash(checkpointer)
	check("crashed")
	b.bootAs(nil)
	b.until(idle, "RecoveryRetrieveRetryInterval")
	check("restarted as a standby")
	b.want("SELECT timeline_id FROM pg_control_checkpoint()", "1")
	b.want("SELECT count(*) FROM t", "100")
	if got := b.replayed(); got < fork {
		w.t.Errorf("B has replayed to %s, below its own fork at %s", got, fork)
	}
}

// A 26: a standby that has got the history file of a number that was not used, and not
// yet that of the timeline itself, takes the first as its target; that the other is no
// child of it, it says over and over, until it is restarted. So a follower writes the
// timeline's own file first, then those of the gap downwards.
func gapHistory(w *world) {
	a, b := w.a, w.standby("B", nil)
	d, e := w.standby("D", nil), w.standby("E", nil)
	w.start(a, b, d, e)
	a.sql("INSERT INTO t VALUES (1)")
	for _, s := range []*server{b, d, e} {
		s.catchUp(a)
		s.seal()
	}
	a.die()
	gap := fmt.Appendf(nil, "1\t%s\tnot used\n", b.replayed())
	startup := b.freezeIdle()
	b.put(historyFile(2), gap)
	b.put("promote", nil)
	b.signalPostmaster(syscall.SIGUSR1)
	w.waitPending(startup, syscall.SIGUSR2)
	b.thaw()
	b.until("SELECT pg_is_in_recovery()", "f")
	if got := b.timeline(); got != 3 {
		w.t.Fatalf("B was promoted to timeline %d, want 3", got)
	}

	d.put(historyFile(2), gap)
	d.waitLog(0, "new target timeline is 2", 1)
	e.put(historyFile(3), b.get(historyFile(3)))
	e.put(historyFile(2), gap)
	e.waitLog(0, "new target timeline is 3", 1)
	d.follow(b)
	e.follow(b)
	b.sql("INSERT INTO t VALUES (2)")
	e.catchUp(b)
	e.want("SELECT i FROM t ORDER BY i", "1 2")
	d.waitLog(0, "new timeline 3 is not a child of ", 3)
	d.want("SELECT i FROM t ORDER BY i", "1")
	d.die()
	d.bootAs(b)
	d.catchUp(b)
	d.want("SELECT i FROM t ORDER BY i", "1 2")
}

// R, timeline T: a promotion takes one more than the last of an unbroken row of history
// files, so files for the numbers that were not used make it the granted one. Left there
// without that timeline, such a file keeps a standby from coming up: it looks for its own
// checkpoint on that timeline, for ever, or ends if the file forks below that. So it is
// written between grant and promotion only, and removed at boot above the highest real
// number.
func promotionTimeline(w *world) {
	b, d, e := w.standby("B", nil), w.standby("D", nil), w.standby("E", nil)
	w.start(w.a, b, d, e)
	for _, s := range []*server{b, d, e} {
		s.catchUp(w.a)
		s.seal()
	}
	for s, files := range map[*server][]int{b: {2, 3, 4}, d: {2, 4}} {
		for _, n := range files {
			s.put(historyFile(n), []byte(unused))
		}
	}
	for s, want := range map[*server]int{b: 5, d: 3} {
		s.promote()
		if got := s.timeline(); got != want {
			w.t.Errorf("%s was promoted to timeline %d, want %d", s.name, got, want)
		}
		if lines := strings.Count(string(s.get(historyFile(want))), "\n"); lines != 1 {
			w.t.Errorf("%s: the history of timeline %d has %d lines, want that of timeline 1 only", s.name, want, lines)
		}
	}

	e.die()
	e.put(historyFile(2), []byte(unused))
	size := e.logSize()
	e.startStuck("waiting for WAL to become available")
	e.waitLog(size, "waiting for WAL to become available", 5)
	if log := e.log(size); strings.Contains(log, "redo starts") || strings.Contains(log, "consistent") {
		w.t.Error("E recovers with a history file of a number that was not used")
	}
	e.die()
	// With a place below its checkpoint it says so, and ends.
	e.put(historyFile(2), []byte("1\t0/100000\tnot used\n"))
	if err := e.Start(w.ctx); err == nil || !strings.Contains(err.Error(), "requested timeline 2 is not a child of this server's history") {
		w.t.Fatalf("E's start with a history file that forks below its checkpoint: %v", err)
	}
	e.remove(historyFile(2))
	w.start(e)
	e.want("SELECT pg_is_in_recovery()", "t")
}

// A 35: a promotion removes standby.signal before it writes the history of its timeline.
// A server that crashes in between boots as a primary on its parent's timeline, and
// writes other bytes under the LSNs of the old primary. So every boot is as a standby.
func crashWhilePromoting(w *world) {
	a, b := w.a, w.standby("B", nil)
	// Between the two it asks restore_command for its parent's history.
	fifo := filepath.Join(filepath.Dir(b.DataDir), "asked")
	must(w.t, syscall.Mkfifo(fifo, 0o666))
	must(w.t, os.Chmod(fifo, 0o666)) // whatever the umask
	must(w.t, b.Set(map[string]string{"restore_command": "test %f = 00000001.history && cat " + fifo + " && false"}))
	w.start(a, b)
	b.catchUp(a)
	fork := b.replayed()
	startup := b.process("startup")
	b.sql("SELECT pg_promote(false)")
	var asked *os.File
	must(w.t, wait.Until(w.ctx, "B to ask for the history of timeline 1", func(_ context.Context) (err error) {
		asked, err = os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0) // fails while nobody reads
		return err
	}))
	if b.has("standby.signal") || b.has(historyFile(2)) {
		w.t.Errorf("standby.signal is there: %v, %s: %v; want neither", b.has("standby.signal"), historyFile(2), b.has(historyFile(2)))
	}
	must(w.t, syscall.Kill(startup, syscall.SIGKILL))
	must(w.t, asked.Close())
	b.ended()

	w.start(b)
	b.want("SELECT pg_is_in_recovery()", "f")
	b.sql("INSERT INTO t VALUES (2)")
	a.sql("INSERT INTO t VALUES (1)")
	for _, s := range []*server{a, b} {
		if got := s.timeline(); got != 1 || s.flushed() <= fork {
			w.t.Errorf("%s is on timeline %d at %s, want 1 and past %s", s.name, got, s.flushed(), fork)
		}
	}
	if b.has(historyFile(2)) {
		w.t.Errorf("B has written %s", historyFile(2))
	}
}
