package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The rows of rows_test.go that are about timelines.

// D has the history file of a gap and not the one of the timeline after it: it cannot
// follow before it is restarted (ATTACK 26).
func gapHistory(t *testing.T) {
	l := cluster(t, 3, Config{RetryInterval: 200 * time.Millisecond})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	l.s[1].Kill(false)
	p := l.seal(2)
	l.seal(3)
	gap := History{TLI: 2, Lines: []Left{{1, p.End}}}
	l.s[2].WriteHistory(gap)
	l.promote(2)
	if l.s[2].Timeline() != 3 || !slices.Equal(l.s[2].History(3), gap.Lines) {
		t.Fatalf("B is on timeline %d with %v", l.s[2].Timeline(), l.s[2].History(3))
	}
	l.s[3].WriteHistory(gap)
	l.run(time.Second) // D looks for newer timelines
	l.s[2].MakeSlot(name(3))
	l.s[3].SetConninfo(conninfo(2, 3))
	r := l.commits(2, 1)
	l.never("D follows", 10*time.Second, func() bool { return l.s[3].Visible(r.txn) })
	if !l.s[3].HasHistory(3) {
		t.Error("D has not fetched the history of timeline 3")
	}
	l.s[3].FastStop(nil)
	l.wait("a stop", func() bool { return l.s[3].Phase() == Down })
	l.start(3)
	l.wait("D follows after its restart", func() bool { return l.s[3].Visible(r.txn) })
}

// A crash between the removal of standby.signal and the first record of the new timeline:
// the server comes up writable, on the old timeline, whether the history file is there
// or not (ATTACK 35).
func crashWhilePromoting(t *testing.T) {
	ends := map[string]int{}
	for ms := range 60 {
		l := cluster(t, 2, Config{})
		l.commits(1, 3)
		l.caughtUp(1, 2)
		l.s[1].Kill(false)
		l.s[2].Promote()
		l.run(time.Duration(ms) * time.Millisecond)
		signal, history, forked := l.s[2].IsStandby(), l.s[2].HasHistory(2), l.s[2].Control().MinRecoveryTLI == 2 || l.s[2].Control().CheckpointTLI == 2
		l.s[2].Kill(false)
		l.s[2].SetConninfo(Conninfo{})
		l.start(2)
		l.run(time.Second)
		tli, writes := l.s[2].Timeline(), l.s[2].Phase() == Production
		switch {
		case signal && !writes && tli == 1:
			ends["a standby"]++
		case !signal && !history && writes && tli == 1:
			ends["writable on 1"]++
		case !signal && history && !forked && writes && tli == 1:
			ends["writable on 1, with a history of 2"]++
		case forked && writes && tli == 2:
			ends["promoted"]++
		default:
			t.Errorf("signal %v, history %v, forked %v: then timeline %d, writable %v", signal, history, forked, tli, writes)
		}
	}
	if len(ends) != 4 {
		t.Errorf("not all ends were met: %v", ends)
	}
}

// A promotion takes one more than the last of an unbroken row of history files. Such a
// file that stays above the newest real timeline stops the next boot.
func promotionTimeline(t *testing.T) {
	for _, c := range []struct {
		files []TLI
		to    bool // PromoteTo, not Promote
		want  TLI
	}{{nil, false, 2}, {[]TLI{2, 3}, false, 4}, {[]TLI{2, 4}, false, 3}, {[]TLI{3}, false, 2}, {nil, true, 5}} {
		l := cluster(t, 2, Config{})
		l.commits(1, 3)
		l.caughtUp(1, 2)
		l.s[1].Kill(false)
		p := l.seal(2)
		for _, tli := range c.files {
			l.s[2].WriteHistory(History{TLI: tli, Lines: []Left{{1, p.End}}})
		}
		if c.to {
			l.s[2].PromoteTo(c.want)
		}
		l.promote(2)
		if tli := l.s[2].Timeline(); tli != c.want {
			t.Errorf("with the files of %v it took %d, want %d", c.files, tli, c.want)
		}
		if len(c.files) > 0 || c.to {
			continue
		}
		l.s[2].WriteHistory(History{TLI: 3, Lines: []Left{{1, p.End}}})
		l.run(time.Second)
		done := false
		l.s[2].Checkpoint(func() { done = true })
		l.wait("a checkpoint", func() bool { return done })
		l.s[2].CreateStandbySignal()
		l.s[2].CrashRestart()
		l.run(time.Second)
		if f := l.s[2].Fatal(); !strings.Contains(f, "not a child of this server's history") {
			t.Errorf("the boot ended with %q", f)
		}
	}
}

// Two standbys are promoted by hand at the same place, write different rows and switch
// their WAL: equal last records, equal histories. One then follows the other and is
// counted (ATTACK 51).
func equalLastRecord(t *testing.T) {
	l := cluster(t, 3, Config{})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	l.seal(2)
	l.seal(3)
	l.s[1].Kill(false)
	var last [4]Record
	for id := 2; id <= 3; id++ {
		l.promote(id)
		l.run(time.Second)
		l.commits(id, 1)
		l.s[id].Internal(Switch, 0)
		l.run(time.Second)
		prev := l.s[id].wal.prev
		last[id] = l.s[id].disk.wal.find(2, prev.segment()).at(prev).rec
	}
	if last[2] != last[3] || !slices.Equal(l.s[2].History(2), l.s[3].History(2)) {
		t.Fatalf("last records %+v and %+v", last[2], last[3])
	}
	l.s[3].ImmediateStop()
	l.s[3].CreateStandbySignal()
	l.s[3].SetConninfo(conninfo(2, 3))
	l.s[2].MakeSlot(name(3))
	l.start(3)
	names := Names{1, []string{name(3)}}
	l.s[2].SetNames(names)
	l.wait("the names", func() bool { return l.s[2].NamesInForce(names) })
	r := l.commits(2, 1)
	l.wait("D replays it", func() bool { return l.s[3].Visible(r.txn) })
	lost := 0
	for _, row := range l.s[2].Rows() {
		if !l.s[3].Visible(row.Txn) {
			lost++
		}
	}
	if lost != 1 {
		t.Errorf("%d of B's rows are not on D, want the one from before", lost)
	}
}

// Crash recovery in place writes a shutdown checkpoint, on the same timeline, and the
// reign goes on behind it (ATTACK 16).
func shutdownRecord(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 3)
	l.s[1].CrashRestart()
	l.wait("it is back", func() bool { return l.s[1].Phase() == Production })
	if l.s[1].Timeline() != 1 {
		t.Fatalf("it is on timeline %d", l.s[1].Timeline())
	}
	l.caughtUp(1, 2)
	if p := l.seal(2); p.End != l.s[1].Inserted() || l.s[2].startup.last.Kind != CheckpointShutdown || l.s[2].startup.last.End() != p.End {
		t.Errorf("the standby ends at %v with %+v", p.End, l.s[2].startup.last)
	}
	l.commits(1, 1)
}

// With archive_mode a promotion renames the parent's last segment to .partial. A crash
// before the next checkpoint leaves a server that reads from there, and whose recovery
// finds the WAL only in the fork's copy (ATTACK 54).
func partialSegment(t *testing.T) {
	l := cluster(t, 2, Config{Archive: true})
	l.commits(1, 3)
	l.caughtUp(1, 2)
	l.s[1].Kill(false)
	p := l.seal(2)
	l.s[2].HoldCheckpointer(true)
	l.promote(2)
	seg := p.End.segment()
	if l.s[2].Has(1, seg, false) || !l.s[2].Has(1, seg, true) || !l.s[2].Has(2, seg, false) {
		t.Fatal("the parent's segment is not .partial, or the fork has no copy")
	}
	l.s[2].ImmediateStop()
	spans := l.s[2].disk.wal.spans(1)
	at, last := l.s[2].Control().Redo, TLI(0)
	plain := func(q LSN) *file { return l.s[2].disk.wal.asRecovery(spans, &last, q) }
	if r := readRecord(at, 0, ^LSN(0), plain); r.end == readDone {
		t.Error("the parent's WAL is found without its .partial")
	}
	if q := l.s[2].ValidEnd(ByHistory); q.End <= p.End || q.TLI != 2 {
		t.Errorf("position %v on %d, want past the fork at %v", q.End, q.TLI, p.End)
	}
}
