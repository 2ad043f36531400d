package postgres

import (
	"strings"
	"testing"
	"time"
)

// The rows of rows_test.go that are about half records, and files of forks.

// shortSegment has server 2 promoted, and server 3, whose WAL ended where before says, with a
// first page of the new timeline.
func shortSegment(t *testing.T) (l *lab, before Position) {
	l = cluster(t, 3, Config{MaxSend: PageBytes, Window: PageBytes, PageWrites: 1 << 30})
	l.commits(1, 20)
	l.caughtUp(1, 2, 3)
	l.s[1].Kill(false)
	before = l.seal(3)
	l.promote(2)
	l.s[2].MakeSlot(name(3))
	l.s[3].SetConninfo(conninfo(2, 3))
	l.wait("a first page of timeline 2", func() bool { return l.s[3].Has(2, before.End.segment(), false) })
	return l, before
}

// With a short first segment of a fork, and a primary to follow, the
// startup process ends, and the server with it (xlogrecovery.c: curFileTLI).
func timelineGoesBack(t *testing.T) {
	l, _ := shortSegment(t)
	l.s[3].ImmediateStop()
	l.s[3].Start()
	l.run(10 * time.Second)
	if f := l.s[3].Fatal(); !strings.Contains(f, "previous recovered WAL file came from timeline 2") {
		t.Errorf("phase %d, %q", l.s[3].Phase(), f)
	}
}

// A promotion reads the last record once more, from the
// newest file, which does not have it (FinishWalRecovery): a PANIC.
func promotionBesideShortSegment(t *testing.T) {
	l, before := shortSegment(t)
	if p := l.seal(3); p.End != before.End {
		t.Fatalf("sealed at %v, before %v", p.End, before.End)
	}
	l.s[3].Promote()
	l.wait("its end", func() bool { return l.s[3].Fatal() != "" })
	if !l.s[3].PutAside(2, before.End.segment()) {
		t.Fatal("there is no such file")
	}
	l.start(3)
	l.promote(3)
	if h := l.s[3].History(3); h[len(h)-1].At != before.End {
		t.Errorf("with the file put aside it is promoted at %v, want %v", h, before.End)
	}
}

// A follower's half record ends with a segment. Recovery waits
// for the first page of the next one, and asks for the new timeline from there. Once that
// page exists it does not fit; the segment before is then taken for received, and is not
// there: a PANIC. The next start goes well.
func halfRecordToABoundary(t *testing.T) {
	l := cluster(t, 3, Config{MaxSend: PageBytes, RetryInterval: time.Second})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	end := l.s[1].Inserted()
	l.lose[[2]int{1, 2}] = 3
	l.half(3, 2*SegmentBytes, int(end.segmentEnd()-end)/PageBytes+1)
	l.seal(2)
	l.s[1].Kill(false)
	if r := l.s[3].Received(); r != end.segmentEnd() {
		t.Fatalf("D has received %v, the record begins at %v", r, end)
	}
	l.promote(2)
	l.s[2].MakeSlot(name(3))
	l.s[3].SetConninfo(conninfo(2, 3))
	r := l.commits(2, 5)
	l.run(20 * time.Second)
	if l.s[3].Visible(r.txn) || l.s[3].Fatal() != "" {
		t.Errorf("D follows: %v, %q", l.s[3].Visible(r.txn), l.s[3].Fatal())
	}
	l.s[2].Internal(Switch, 0)
	r = l.commits(2, 5)
	l.run(20 * time.Second)
	if f := l.s[3].Fatal(); !strings.Contains(f, "could not open the file of timeline 2") {
		t.Errorf("phase %d, %q", l.s[3].Phase(), f)
	}
	l.start(3)
	l.wait("D has the row", func() bool { return l.s[3].Visible(r.txn) })
}

// A restart in place leaves the file promote of an order that the startup process has not
// looked at, and the start of recovery then promotes, also without a primary to follow.
func promoteFileStays(t *testing.T) {
	for _, how := range []string{"left", "left without a source", "removed", "started anew"} {
		l := cluster(t, 2, Config{})
		s := l.s[2]
		s.Hooks.Boot = s.CreateStandbySignal
		s.BlockReplay(true)
		l.commits(1, 1)
		l.run(time.Second)
		s.Promote()
		l.run(time.Second)
		if how == "left without a source" {
			s.SetConninfo(Conninfo{})
		}
		if how == "started anew" {
			s.ImmediateStop()
			s.Start()
		} else {
			s.CrashRestart()
		}
		if how == "removed" {
			s.RemovePromote()
		}
		s.BlockReplay(false)
		l.run(20 * time.Second)
		if strings.HasPrefix(how, "left") != (s.Phase() == Production) {
			t.Errorf("%s: phase %d", how, s.Phase())
		}
	}
}

// The history of a promotion is that of the timeline that recovery aims
// at, not of the one that its WAL is on: a standby that has a new timeline's history file,
// and none of its WAL, becomes that timeline's child. One that is past the true fork then
// finds itself before the one that the history tells, and follows.
func historyOfTarget(t *testing.T) {
	l := cluster(t, 3, Config{})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	d := l.seal(3)
	l.commits(1, 3)
	l.caughtUp(1, 2)
	b := l.seal(2)
	l.s[1].Kill(false)
	l.promote(2)
	l.s[3].WriteHistory(History{2, l.s[2].History(2)})
	l.run(10 * time.Second) // recovery looks for a newer timeline
	if p := l.seal(3); p.TLI != 1 || p.End != d.End {
		t.Fatalf("D ends at %v on %d", p.End, p.TLI)
	}
	l.promote(3)
	h := l.s[3].History(3)
	if len(h) != 2 || h[0] != (Left{1, b.End}) || h[1] != (Left{2, d.End}) || d.End >= b.End {
		t.Errorf("D's history: %v", h)
	}
	l.s[3].MakeSlot(name(1))
	l.s[1].CreateStandbySignal()
	l.s[1].SetConninfo(conninfo(3, 1))
	l.start(1)
	l.wait("A streams D's timeline", func() bool { _, tli := l.s[1].Receiving(); return tli == 3 })
	if l.s[1].Replayed() <= d.End || l.s[1].Fatal() != "" {
		t.Errorf("A is at %v, %q", l.s[1].Replayed(), l.s[1].Fatal())
	}
}

// With archive_mode two promotions within a segment leave the first
// fork's file as .partial. A walsender reads the segment in which a timeline ends from the
// next one's file, and no other: a standby from before the first fork is told that the
// segment is gone.
func partialBetweenForks(t *testing.T) {
	for _, archive := range []bool{false, true} {
		l := cluster(t, 3, Config{Archive: archive, RetryInterval: time.Second})
		l.commits(1, 1)
		l.caughtUp(1, 2, 3)
		l.seal(3)
		l.commits(1, 3)
		l.caughtUp(1, 2)
		l.s[1].Kill(false)
		l.seal(2)
		l.promote(2)
		l.s[2].Hooks.Boot = l.s[2].CreateStandbySignal
		l.s[2].SetConninfo(Conninfo{})
		l.commits(2, 1)
		l.s[2].CrashRestart()
		l.wait("a standby", l.s[2].Reads)
		l.promote(2)
		r := l.commits(2, 1)
		l.s[2].MakeSlot(name(3))
		l.s[3].SetConninfo(conninfo(2, 3))
		l.run(30 * time.Second)
		if l.s[2].Timeline() != 3 || l.s[3].Visible(r.txn) == archive {
			t.Errorf("archive_mode %v: timeline %d, the standby has the row: %v", archive, l.s[2].Timeline(), l.s[3].Visible(r.txn))
		}
	}
}

// Recovery that streams the end of its own timeline has the next one's history file, and
// aims at that timeline once its source is taken away. If the file is gone by then, it
// does not.
func historyFoundLater(t *testing.T) {
	for _, gone := range []bool{false, true} {
		l := cluster(t, 3, Config{MaxSend: PageBytes, Window: PageBytes, PageWrites: 1 << 30})
		l.commits(1, 1)
		l.caughtUp(1, 2, 3)
		d := l.seal(3)
		l.commits(1, 20)
		l.caughtUp(1, 2)
		l.seal(2)
		l.s[1].Kill(false)
		l.promote(2)
		l.s[2].MakeSlot(name(3))
		l.s[3].SetConninfo(conninfo(2, 3))
		l.wait("WAL of timeline 1", func() bool { return l.s[3].ValidEnd(ByHistory).End > d.End })
		if !l.s[3].HasHistory(2) || l.s[3].Astray() {
			t.Fatalf("D has the history: %v, and is astray: %v; want the first only", l.s[3].HasHistory(2), l.s[3].Astray())
		}
		if gone {
			l.s[3].RemoveHistory(2)
		}
		l.seal(3)
		l.run(10 * time.Second) // recovery looks for a newer timeline
		if l.s[3].Astray() == gone {
			t.Errorf("the file is gone: %v; D is astray: %v", gone, l.s[3].Astray())
		}
		l.promote(3)
		want := TLI(3)
		if gone {
			want = 2
		}
		if got := l.s[3].Timeline(); got != want || len(l.s[3].History(want)) != int(want)-1 {
			t.Errorf("the file is gone: %v; D is on timeline %d with %v", gone, got, l.s[3].History(want))
		}
	}
}

// Half a record that ends with a segment is found again by a start, and keeps the standby
// from a fork before it, unless its first segment has zeros there. What is in later segments
// does no harm: it goes as the standby goes over to the new timeline.
func halfRecordCut(t *testing.T) {
	for _, cut := range []bool{false, true} {
		l := cluster(t, 3, Config{MaxSend: PageBytes, RetryInterval: time.Second})
		d := l.s[3]
		l.commits(1, 3)
		l.caughtUp(1, 2, 3)
		end := l.s[1].Inserted()
		l.lose[[2]int{1, 2}] = 3
		l.half(3, 3*SegmentBytes, int(end.segmentEnd()+SegmentBytes-end)/PageBytes+1)
		l.seal(2)
		l.s[1].Kill(false)
		later := end.segment() + 1
		if !d.HoldsHalf() || d.Received() != end.segmentEnd()+SegmentBytes || !d.Has(1, later, false) {
			t.Fatalf("D holds a half: %v, and has received %v of the record at %v", d.HoldsHalf(), d.Received(), end)
		}
		l.promote(2)
		l.s[2].MakeSlot(name(3))
		d.ImmediateStop()
		if cut {
			f := d.disk.wal.find(1, end.segment())
			f.parts = f.upTo(end)
		}
		d.SetConninfo(conninfo(2, 3))
		l.start(3)
		r := l.commits(2, 5)
		l.run(20 * time.Second)
		if d.Visible(r.txn) != cut || d.Has(1, later, false) == cut || d.Fatal() != "" {
			t.Errorf("cut: %v; D follows: %v, has the later segment: %v, %q", cut, d.Visible(r.txn), d.Has(1, later, false), d.Fatal())
		}
	}
}

// A walreceiver is told that the WAL is gone which it asks for, over and over, and its
// server goes on; pg_rewind finds nothing to do.
func walIsGone(t *testing.T) {
	l := cluster(t, 3, Config{RetryInterval: time.Second})
	a, b, d := l.s[1], l.s[2], l.s[3]
	l.commits(1, 1)
	l.caughtUp(1, 2, 3)
	p := l.seal(3)
	a.Internal(Switch, 0)
	l.commits(1, 1)
	l.caughtUp(1, 2)
	l.seal(2)
	a.Kill(false)
	l.promote(2)
	b.Internal(Switch, 0)
	l.commits(2, 1)
	b.Checkpoint(nil)
	l.wait("the WAL to be gone", func() bool { return !b.Has(1, p.End.segment(), false) })
	told := 0
	d.Hooks.Refused = func(why string) {
		if strings.Contains(why, "has already been removed") {
			told++
		}
	}
	b.MakeSlot(name(3))
	d.SetConninfo(conninfo(2, 3))
	l.wait("three answers", func() bool { return told == 3 })
	if d.Replayed() != p.End || d.Fatal() != "" {
		t.Errorf("D is at %v, and was at %v; %q", d.Replayed(), p.End, d.Fatal())
	}
	stopped := false
	d.FastStop(func() { stopped = true })
	l.wait("a stop", func() bool { return stopped })
	if got, why := d.Rewind(b, false); got != RewindNotRequired {
		t.Errorf("pg_rewind: %v, %s", got, why)
	}
}
