package postgres

import (
	"strings"
	"testing"
	"time"
)

// parted is a cluster whose old primary, server 1, has a row that nobody else has, and
// whose server 2 was promoted; it returns both sides' rows. The old one is Down.
func parted(t *testing.T, checkpoint bool) (l *lab, old, own *result) {
	t.Helper()
	l = cluster(t, 2, Config{KeepSegments: 64})
	l.commits(1, 3)
	l.caughtUp(1, 2)
	l.seal(2)
	l.s[2].HoldCheckpointer(!checkpoint)
	old = l.commits(1, 1)
	l.s[1].Kill(false)
	l.promote(2)
	own = l.commits(2, 2)
	l.run(time.Second)
	l.s[2].MakeSlot(name(1))
	l.s[1].SetConninfo(Conninfo{})
	return l, old, own
}

// rejoin has the rewound server follow.
func (l *lab) rejoin() {
	l.s[1].CreateStandbySignal()
	l.s[1].SetConninfo(conninfo(2, 1))
	l.s[1].SetNames(Names{})
	l.s[1].Start()
	l.run(20 * time.Second)
}

// pg_rewind of an old primary with a row of its own: that goes, the others come. Its
// settings are the source's afterwards.
func rewindDone(t *testing.T) {
	l, old, own := parted(t, true)
	l.s[2].SetNames(Names{1, []string{"x"}})
	l.run(time.Second)
	if out, why := l.s[1].Rewind(l.s[2], false); out != RewindDone {
		t.Fatalf("%v: %s", out, why)
	}
	if !l.s[1].disk.names.equal(Names{1, []string{"x"}}) || l.s[1].IsStandby() {
		t.Error("the settings are not the source's")
	}
	l.rejoin()
	l.caughtUp(2, 1)
	if l.s[1].Visible(old.txn) || !l.s[1].Visible(own.txn) || l.s[1].Timeline() != 2 || l.s[1].Damaged() {
		t.Errorf("old row %v, new row %v, timeline %d", l.s[1].Visible(old.txn), l.s[1].Visible(own.txn), l.s[1].Timeline())
	}
}

// Before the source's first checkpoint on its timeline: "no rewind required". The server
// then streams nothing, or wrong data.
func rewindBeforeCheckpoint(t *testing.T) {
	l, old, own := parted(t, false)
	out, why := l.s[1].Rewind(l.s[2], false)
	if out != RewindNotRequired || !strings.Contains(why, "same timeline") {
		t.Fatalf("%v: %s", out, why)
	}
	l.rejoin()
	if !l.s[1].Visible(old.txn) || l.s[1].Visible(own.txn) {
		t.Errorf("old row %v, new row %v", l.s[1].Visible(old.txn), l.s[1].Visible(own.txn))
	}
}

// Two timelines of one number: "no rewind required" though the rows differ.
func rewindEqualNumbers(t *testing.T) {
	l := cluster(t, 3, Config{KeepSegments: 64})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	l.seal(2)
	l.seal(3)
	l.s[1].Kill(false)
	l.promote(2)
	l.promote(3)
	r := l.commits(3, 5)
	l.run(time.Second)
	l.s[3].FastStop(nil)
	l.wait("a stop", func() bool { return l.s[3].Phase() == Down })
	if out, why := l.s[3].Rewind(l.s[2], false); out != RewindNotRequired || l.s[2].Visible(r.txn) {
		t.Errorf("%v: %s", out, why)
	}
}

// Killed half way: the server starts and serves pages of two servers. A second one mends
// it.
func rewindKilled(t *testing.T) {
	l, old, own := parted(t, true)
	if out, why := l.s[1].Rewind(l.s[2], true); out != RewindFailed || why != "killed" {
		t.Fatalf("%v: %s", out, why)
	}
	l.s[1].Start()
	l.run(5 * time.Second)
	if !l.s[1].Reads() || !l.s[1].Damaged() {
		t.Fatalf("it reads: %v, damaged: %v", l.s[1].Reads(), l.s[1].Damaged())
	}
	l.s[1].Kill(false)
	if out, why := l.s[1].Rewind(l.s[2], false); out != RewindDone {
		t.Fatalf("again: %v: %s", out, why)
	}
	l.rejoin()
	if l.s[1].Damaged() || l.s[1].Visible(old.txn) || !l.s[1].Visible(own.txn) {
		t.Errorf("damaged %v, old row %v, new row %v", l.s[1].Damaged(), l.s[1].Visible(old.txn), l.s[1].Visible(own.txn))
	}
}

// With a standby.signal pg_rewind cannot recover the target alone, and refuses. Recovered
// without it first, it is right.
func rewindAfterStandbyBoot(t *testing.T) {
	l, old, own := parted(t, true)
	l.s[1].CreateStandbySignal()
	l.s[1].Start()
	l.run(5 * time.Second)
	l.s[1].ImmediateStop()
	if out, why := l.s[1].Rewind(l.s[2], false); out != RewindFailed || !strings.Contains(why, "single-user") {
		t.Fatalf("with standby.signal: %v: %s", out, why)
	}
	l.s[1].RemoveStandbySignal()
	if why := l.s[1].RecoverAlone(); why != "" || l.s[1].Control().State != ShutDown {
		t.Fatalf("alone: %s", why)
	}
	if out, why := l.s[1].Rewind(l.s[2], false); out != RewindDone {
		t.Fatalf("%v: %s", out, why)
	}
	l.rejoin()
	if l.s[1].Visible(old.txn) || !l.s[1].Visible(own.txn) {
		t.Errorf("old row %v, new row %v", l.s[1].Visible(old.txn), l.s[1].Visible(own.txn))
	}
}

// The deposed primary of timeline 2 boots as a standby, and is stopped before it has a
// restartpoint there: pg_control names timeline 1, and pg_rewind misses WAL of that past
// its end. Recovered alone first, it is right.
func rewindOldTimeline(t *testing.T) {
	l := cluster(t, 3, Config{KeepSegments: 64})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	l.seal(3)
	l.seal(2)
	l.s[1].Kill(false)
	l.s[2].HoldCheckpointer(true) // no checkpoint on timeline 2
	l.promote(2)
	r := l.commits(2, 3)
	l.s[3].PromoteTo(3)
	l.wait("a promotion", func() bool { return l.s[3].Phase() == Production })
	own := l.commits(3, 3)
	l.run(time.Second)
	l.s[2].Hooks.Boot = l.s[2].CreateStandbySignal
	l.s[2].SetConninfo(Conninfo{})
	l.s[2].CrashRestart()
	l.wait("a standby", l.s[2].Reads)
	stopped := false
	l.s[2].FastStop(func() { stopped = true })
	l.wait("a stop", func() bool { return stopped })
	if c := l.s[2].Control(); c.State != ShutDownInRecovery || c.CheckpointTLI != 1 {
		t.Fatalf("control %+v", c)
	}
	if out, why := l.s[2].Rewind(l.s[3], false); out != RewindFailed || !strings.Contains(why, "could not find the WAL") {
		t.Fatalf("%v: %s", out, why)
	}
	l.s[2].RemoveStandbySignal()
	if why := l.s[2].RecoverAlone(); why != "" {
		t.Fatalf("alone: %s", why)
	}
	if out, why := l.s[2].Rewind(l.s[3], false); out != RewindDone {
		t.Fatalf("%v: %s", out, why)
	}
	l.s[3].MakeSlot(name(2))
	l.s[2].SetConninfo(conninfo(3, 2))
	l.s[2].Start()
	l.run(20 * time.Second)
	if l.s[2].Visible(r.txn) || !l.s[2].Visible(own.txn) || l.s[2].Timeline() != 3 {
		t.Errorf("old row %v, new row %v, timeline %d", l.s[2].Visible(r.txn), l.s[2].Visible(own.txn), l.s[2].Timeline())
	}
}

// A clone whose WAL does not reach the end of its backup, booted once: its backup_label is
// renamed, pg_control alone remembers, and its promotion fails (ATTACK 27). A whole one
// follows.
func cutClone(t *testing.T) {
	for _, whole := range []bool{true, false} {
		l := cluster(t, 2, Config{})
		l.commits(1, 3)
		var backup Image
		ready := false
		l.s[1].Backup(func(i Image) { backup, ready = i, true })
		l.commits(1, 3)
		l.wait("a backup", func() bool { return ready })
		r := l.commits(1, 3)
		l.run(time.Second)
		if !whole {
			backup.CutWAL(l.s[1].Control().Checkpoint + 120)
		}
		l.s[2].Kill(false)
		l.s[2].Restore(backup)
		l.s[2].CreateStandbySignal()
		l.s[2].SetConninfo(Conninfo{})
		for range 2 {
			l.s[2].Start()
			l.run(time.Second)
			if l.s[2].Reads() != whole || (l.s[2].Control().BackupStart == 0) != whole {
				t.Fatalf("whole %v: it reads: %v; %+v", whole, l.s[2].Reads(), l.s[2].Control())
			}
			if !whole {
				l.s[2].ImmediateStop()
			}
		}
		if whole {
			l.s[2].SetConninfo(conninfo(1, 2))
			l.wait("it follows", func() bool { return l.s[2].Visible(r.txn) })
			continue
		}
		l.s[2].Start()
		l.s[2].RemoveStandbySignal()
		l.run(time.Second)
		if f := l.s[2].Fatal(); f != "WAL ends before end of online backup" {
			t.Errorf("started as a primary: %q", f)
		}
		l.s[2].CreateStandbySignal()
		l.s[2].Start()
		l.run(time.Second)
		l.s[2].Promote()
		l.run(time.Second)
		if f := l.s[2].Fatal(); f != "WAL ends before end of online backup" {
			t.Errorf("promoted: %q", f)
		}
	}
}

// A server that was rewound needs WAL up to where its source was by then: before that it
// takes no sessions, and ends at its promotion.
func rewindNeedsWAL(t *testing.T) {
	l, _, own := parted(t, true)
	if got, why := l.s[1].Rewind(l.s[2], false); got != RewindDone {
		t.Fatalf("pg_rewind: %v, %s", got, why)
	}
	fork := l.s[2].History(2)[0].At
	f := l.s[1].disk.wal.find(2, fork.segment())
	f.parts = f.upTo(fork)
	for range 2 {
		l.s[1].CreateStandbySignal()
		l.s[1].SetConninfo(Conninfo{})
		l.s[1].Start()
		l.run(10 * time.Second)
		if !l.s[1].Short() || l.s[1].Reads() {
			t.Errorf("without that WAL it is short: %v, and takes sessions: %v", l.s[1].Short(), l.s[1].Reads())
		}
		l.s[1].Promote()
		l.wait("its end", func() bool { return l.s[1].Fatal() != "" })
	}
	l.rejoin()
	if l.s[1].Short() || !l.s[1].Visible(own.txn) {
		t.Errorf("with a primary it is short: %v, and has the row: %v", l.s[1].Short(), l.s[1].Visible(own.txn))
	}
}
