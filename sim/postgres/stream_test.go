package postgres

import (
	"slices"
	"testing"
	"time"
)

// A fast stop of the primary waits until its standbys have the last record: no
// divergence, and the old primary follows without a rewind.
func TestFastStopDrains(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 5)
	stopped := false
	l.s[1].FastStop(func() { stopped = true })
	l.wait("a stop", func() bool { return stopped })
	if c := l.s[1].Control(); c.State != ShutDown || l.s[2].ValidEnd(ByHistory).End != l.s[1].ValidEnd(ByHistory).End {
		t.Fatalf("stopped in state %d at %v, the standby at %v", c.State, l.s[1].ValidEnd(ByHistory).End, l.s[2].ValidEnd(ByHistory).End)
	}
	l.seal(2)
	l.promote(2)
	l.s[2].MakeSlot(name(1))
	l.s[1].CreateStandbySignal()
	l.s[1].SetConninfo(conninfo(2, 1))
	l.start(1)
	r := l.commits(2, 3)
	l.wait("the old primary has it", func() bool { return l.s[1].Visible(r.txn) })
	if l.s[1].Timeline() != 2 || len(l.s[1].Rows()) != 8 {
		t.Errorf("on timeline %d, with %d rows", l.s[1].Timeline(), len(l.s[1].Rows()))
	}
}

// A frozen standby holds a fast stop up for wal_sender_timeout.
func TestFrozenStandbyHoldsStop(t *testing.T) {
	l := cluster(t, 2, Config{SenderTimeout: 5 * time.Second})
	l.s[2].Freeze()
	from, stopped := l.now, false
	l.s[1].FastStop(func() { stopped = true })
	l.wait("a stop", func() bool { return stopped })
	if took := l.now - from; took < 2*time.Second || took > 11*time.Second {
		t.Errorf("the stop took %v", took)
	}
	l.s[2].Thaw()
	l.wait("it notices", func() bool { return !l.s[2].Receives() })
}

// A server that is frozen for longer than the timeouts goes on where it was, and
// connects again.
func TestFreeze(t *testing.T) {
	for id := 1; id <= 2; id++ {
		l := cluster(t, 2, Config{SenderTimeout: 2 * time.Second, ReceiverTimeout: 2 * time.Second, RetryInterval: time.Second})
		l.s[id].Freeze()
		if id == 1 && l.s[1].Connect() != nil {
			t.Error("a frozen server takes a session")
		}
		l.run(20 * time.Second)
		if l.streams(1) != 0 && id == 2 {
			t.Error("the walsender of a frozen standby is still there")
		}
		l.s[id].Thaw()
		l.wait("it streams", func() bool { return l.streams(1) == 1 })
		r := l.commits(1, 1)
		l.wait("the row is there", func() bool { return l.s[2].Visible(r.txn) })
	}
}

// A cut link is noticed by timeouts only; a walreceiver begins again at a segment's
// start.
func TestCutLink(t *testing.T) {
	l := cluster(t, 2, Config{SenderTimeout: 2 * time.Second, ReceiverTimeout: 2 * time.Second, RetryInterval: time.Second})
	l.commits(1, 3)
	l.caughtUp(1, 2)
	l.cut[[2]int{1, 2}] = true
	r := l.commits(1, 3)
	l.run(500 * time.Millisecond)
	if l.streams(1) != 1 || l.s[2].Visible(r.txn) {
		t.Error("the cut is noticed at once, or lets WAL through")
	}
	l.run(10 * time.Second)
	l.cut = map[[2]int]bool{}
	from := l.s[2].Replayed()
	l.wait("it connects", func() bool { return l.s[2].receiver.state == receiverStreams })
	if start := l.s[2].receiver.from; start != from.segmentStart() {
		t.Errorf("it begins at %v, replayed %v", start, from)
	}
	l.wait("the row is there", func() bool { return l.s[2].Visible(r.txn) })
}

// Checkpoints let WAL go unless a slot or a setting holds it; a standby that lacks it
// cannot follow.
func TestRecycling(t *testing.T) {
	for _, slot := range []bool{true, false} {
		l := cluster(t, 2, Config{RecycleSegments: 2, RetryInterval: time.Second})
		first := l.s[2].Replayed().segment()
		l.seal(2)
		l.wait("no walsender", func() bool { return len(l.s[1].Walsenders()) == 0 })
		if !slot {
			l.s[1].DropSlot(name(2))
		}
		var r *result
		for range 3 {
			r = l.commits(1, 5)
			l.s[1].Internal(Switch, 0)
			done := false
			l.s[1].Checkpoint(func() { done = true })
			l.wait("a checkpoint", func() bool { return done })
		}
		if l.s[1].Has(1, first, false) != slot {
			t.Errorf("slot %v: the segment is there: %v", slot, !slot)
		}
		if ahead := l.s[1].Has(1, l.s[1].Inserted().segment()+1, false); !slot && !ahead {
			t.Error("no segment was recycled")
		}
		c := conninfo(1, 2)
		if !slot {
			c.Slot = ""
		}
		l.s[2].SetConninfo(c)
		l.run(10 * time.Second)
		if l.s[2].Visible(r.txn) != slot {
			t.Errorf("slot %v: the standby has the row: %v", slot, !slot)
		}
	}
}

// A restartpoint moves a standby's redo, and a restart begins there; a power failure
// takes nothing that was told as flushed.
func TestRestartpoint(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 5)
	done := 0
	l.s[1].Checkpoint(func() { done++ })
	l.wait("a checkpoint", func() bool { return done == 1 })
	r := l.commits(1, 5)
	l.caughtUp(1, 2)
	l.s[2].Checkpoint(func() { done++ })
	l.wait("a restartpoint", func() bool { return done == 2 })
	c := l.s[2].Control()
	if c.Redo != l.s[1].Control().Redo || c.MinRecovery < c.Checkpoint {
		t.Errorf("the standby's control file: %+v", c)
	}
	told := l.s[1].Walsenders()[0].Flush
	l.s[2].Kill(true)
	l.s[2].SetConninfo(Conninfo{})
	l.start(2)
	l.run(time.Second)
	if p := l.s[2].ValidEnd(ByHistory); p.End != told || !l.s[2].Visible(r.txn) || len(l.s[2].Rows()) != 10 {
		t.Errorf("after a power failure at %v, told %v, %d rows", p.End, told, len(l.s[2].Rows()))
	}
}

// A standby of a standby stays with it when that one is promoted.
func TestCascade(t *testing.T) {
	l := cluster(t, 3, Config{RetryInterval: time.Second})
	l.s[2].MakeSlot(name(3))
	l.s[3].SetConninfo(conninfo(2, 3))
	r := l.commits(1, 3)
	l.wait("it has the row", func() bool {
		p, _ := l.s[3].Receiving()
		return l.s[3].Visible(r.txn) && l.streams(2) == 1 && p == 2
	})
	names := Names{1, []string{"*"}}
	l.s[2].SetNames(names)
	l.run(time.Second)
	if p, tli := l.s[3].Receiving(); p != 2 || tli != 1 || !l.s[2].senders[0].names.equal(names) || l.s[2].senders[0].priority() {
		t.Errorf("it receives timeline %d from %d, counted %v", tli, p, l.s[2].senders[0].priority())
	}
	l.s[1].Kill(false)
	l.promote(2)
	r = l.commits(2, 3)
	l.wait("it has the new row", func() bool { return l.s[3].Visible(r.txn) })
	if l.s[3].Timeline() != 2 {
		t.Errorf("on timeline %d", l.s[3].Timeline())
	}
}

// A pause holds what sessions see and not what is received; a promotion ends it and
// replays all.
func TestPausedReplay(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.s[2].PauseReplay(true)
	r := l.commits(1, 3)
	l.run(time.Second)
	if l.s[2].Visible(r.txn) || l.s[2].Received() < r.o.end {
		t.Fatalf("visible %v, received %v", l.s[2].Visible(r.txn), l.s[2].Received())
	}
	l.s[1].Kill(false)
	l.promote(2)
	if !l.s[2].Visible(r.txn) {
		t.Error("the promotion lost it")
	}
}

// recovery_min_apply_delay holds commits; a promotion ends it.
func TestDelayedReplay(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.s[2].DelayReplay(10 * time.Second)
	r := l.commits(1, 1)
	from := l.now
	l.wait("it is visible", func() bool { return l.s[2].Visible(r.txn) })
	if took := l.now - from; took < 9*time.Second {
		t.Errorf("visible after %v", took)
	}
	r = l.commits(1, 1)
	l.run(time.Second)
	l.promote(2)
	if !l.s[2].Visible(r.txn) {
		t.Error("the promotion lost it")
	}
}

// The library's hook makes a crashed primary a standby, under the same postmaster; it
// can be promoted in place.
func TestCrashRestartAsStandby(t *testing.T) {
	l := newLab(t, 1, 1, Config{})
	s := l.s[1]
	l.start(1)
	r := l.commits(1, 3)
	s.Hooks.Boot = s.CreateStandbySignal
	s.CrashRestart()
	l.wait("it is a standby", s.Reads)
	l.run(time.Second)
	if !s.InRecovery() || !s.Visible(r.txn) || s.Timeline() != 1 {
		t.Fatalf("in recovery %v, row %v, timeline %d", s.InRecovery(), s.Visible(r.txn), s.Timeline())
	}
	l.promote(1)
	if s.Timeline() != 2 || !s.Visible(r.txn) {
		t.Errorf("timeline %d, row %v", s.Timeline(), s.Visible(r.txn))
	}
}

// The parts of a file are one run of bytes each, in order, whatever is written over what.
func TestFileWrites(t *testing.T) {
	l := newLab(t, 1, 1, Config{})
	for range 2000 {
		f := file{no: 1, tli: 1}
		want := map[LSN]Record{}
		for range 1 + l.random.IntN(12) {
			r := Record{Start: FirstLSN, Len: SegmentBytes, Payload: uint64(l.random.IntN(3))}
			from := FirstLSN + LSN(l.random.IntN(20))
			to := from + LSN(1+l.random.IntN(8))
			f.put(part{from, to, r})
			for p := from; p < to; p++ {
				want[p] = r
			}
		}
		for p := FirstLSN; p < FirstLSN+30; p++ {
			q := f.at(p)
			if r, ok := want[p]; ok != (q.to != 0) || ok && q.rec != r {
				t.Fatalf("at %v: %+v, want %+v in %+v", p, q, r, f.parts)
			}
		}
		if !slices.IsSortedFunc(f.parts, func(a, b part) int { return int(a.from) - int(b.from) }) {
			t.Fatalf("not in order: %+v", f.parts)
		}
		for i := 1; i < len(f.parts); i++ {
			if f.parts[i].from < f.parts[i-1].to {
				t.Fatalf("parts overlap: %+v", f.parts)
			}
		}
	}
}
