package postgres

import (
	"slices"
	"testing"
	"time"
)

// What a failover does by these calls: seal all, promote the one with the greatest
// position to a number of its own, have the others follow, wait until they are counted.
// Nothing that was acknowledged is lost, three times in a row.
func TestFailoverByHand(t *testing.T) {
	l := cluster(t, 3, Config{})
	all := Names{1, []string{name(1), name(2), name(3)}}
	primary := 1
	var acked []uint64
	for tli := TLI(3); tli <= 9; tli += 3 {
		l.s[primary].SetNames(all)
		l.wait("the names", func() bool { return l.s[primary].NamesInForce(all) })
		lagging := 1 + primary%3
		l.delayed(lagging, func() {
			for range 10 {
				acked = append(acked, l.commits(primary, 1).txn)
			}
		})
		l.s[primary].Kill(true)
		best, end := 0, LSN(0)
		for id := 1; id <= 3; id++ {
			if id == primary {
				continue
			}
			if p := l.seal(id); p.End > end {
				best, end = id, p.End
			}
		}
		if best == lagging {
			t.Errorf("server %d, which got nothing, is the greatest", best)
		}
		l.s[best].PromoteTo(tli)
		l.wait("a promotion", func() bool { return l.s[best].Phase() == Production })
		if got := l.s[best].Timeline(); got != tli {
			t.Fatalf("promoted to %d, want %d", got, tli)
		}
		old := primary
		primary = best
		l.s[primary].EndSessions()
		l.s[old].Start()
		l.wait("the old primary", func() bool { return l.s[old].Phase() != Down })
		l.s[old].Kill(false)
		if !l.s[old].Clone(l.s[primary]) {
			t.Fatal("no clone")
		}
		for id := 1; id <= 3; id++ {
			if id != primary {
				l.s[primary].MakeSlot(name(id))
				l.s[id].Follow(conninfo(primary, id))
			}
		}
		l.s[old].Start()
		l.wait("both stream", func() bool { return l.streams(primary) == 2 })
		l.caughtUp(primary, old, lagging)
		for id := 1; id <= 3; id++ {
			for _, txn := range acked {
				if !l.s[id].Visible(txn) {
					t.Fatalf("timeline %d: server %d lacks transaction %d", tli, id, txn)
				}
			}
		}
	}
}

// delayed has a standby get nothing while f runs.
func (l *lab) delayed(id int, f func()) {
	for from := 1; from <= 3; from++ {
		l.cut[[2]int{from, id}] = true
	}
	f()
	clear(l.cut)
	l.s[id].EndReceiver()
}

// Data that goes back under a server: it ends before what it told as flushed, and says
// so to nobody (ATTACK 5).
func TestRestoredImage(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 3)
	l.caughtUp(1, 2)
	yesterday := l.s[2].Image()
	r := l.commits(1, 3)
	l.caughtUp(1, 2)
	told := l.s[1].Walsenders()[0].Flush
	if l.s[2].Restore(yesterday) {
		t.Error("a running server takes another disk")
	}
	l.s[2].Kill(false)
	if !l.s[2].Restore(yesterday) {
		t.Fatal("it does not")
	}
	l.s[2].SetConninfo(Conninfo{})
	l.start(2)
	if p := l.seal(2); p.End >= told || l.s[2].Visible(r.txn) {
		t.Errorf("ends at %v, told %v", p.End, told)
	}
}

// A follower's last record is where the primary has it, or is not.
func TestRecordAt(t *testing.T) {
	l := cluster(t, 3, Config{})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	l.seal(2)
	l.commits(1, 1)
	l.caughtUp(1, 3)
	l.s[1].Kill(false)
	b, d := l.s[2].ValidEnd(ByHistory), l.seal(3)
	if b.Last.End() != b.End || d.Last.End() != d.End || b.TLI != 1 {
		t.Fatalf("positions %+v and %+v", b, d)
	}
	if r, ok := l.s[3].RecordAt(b.Last.Start); !ok || r.CRC() != b.Last.CRC() {
		t.Errorf("D has %+v where B has %+v", r, b.Last)
	}
	l.promote(2)
	l.commits(2, 3)
	if r, ok := l.s[2].RecordAt(d.Last.Start); ok && r.CRC() == d.Last.CRC() {
		t.Error("B has D's last record")
	}
	if r, ok := l.s[2].RecordAt(b.Last.Start); !ok || r.CRC() != b.Last.CRC() {
		t.Error("B lacks what was its last record")
	}
	if _, ok := l.s[2].RecordAt(l.s[2].Inserted()); ok {
		t.Error("B has a record at its end")
	}
}

// The library may refuse a walreceiver by its name, and end its walsender.
func TestReplicateHook(t *testing.T) {
	l := cluster(t, 2, Config{RetryInterval: 100 * time.Millisecond})
	let := false
	l.s[1].Hooks.Replicate = func(to int, n string) bool { return let && to == 2 && n == name(2) }
	l.s[1].TerminateWalsenders(func(w Walsender) bool { return w.Name == name(2) })
	l.wait("its end", func() bool { return l.streams(1) == 0 })
	l.never("a walsender", 5*time.Second, func() bool { return l.streams(1) > 0 })
	let = true
	l.wait("a walsender", func() bool { return l.streams(1) == 1 })
}

// A standby whose signal file somebody takes away comes up writable on its timeline.
func TestHandPromotion(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 3)
	l.caughtUp(1, 2)
	l.s[2].ImmediateStop()
	l.s[2].RemoveStandbySignal()
	l.s[2].Start()
	l.wait("it is open", func() bool { return l.s[2].Phase() == Production })
	r := l.commits(2, 1)
	if l.s[2].Timeline() != 1 || l.s[1].Visible(r.txn) {
		t.Errorf("on timeline %d", l.s[2].Timeline())
	}
}

// A standby whose WAL ends before its minRecoveryPoint serves nothing, and cannot be
// promoted (ATTACK 7).
func TestMinRecovery(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 3)
	l.caughtUp(1, 2)
	early := l.s[2].Image()
	l.s[1].Internal(Switch, 0)
	l.commits(1, 3)
	done := false
	l.s[1].Checkpoint(func() { done = true })
	l.wait("a checkpoint", func() bool { return done })
	l.commits(1, 3)
	l.caughtUp(1, 2)
	l.s[2].Kill(false)
	// The data pages of now, and the WAL of before.
	early.disk.control.MinRecovery, early.disk.control.MinRecoveryTLI = l.s[1].Inserted(), 1
	l.s[2].Restore(early)
	l.s[2].SetConninfo(Conninfo{})
	l.s[2].Start()
	l.run(time.Second)
	if l.s[2].Reads() || l.s[2].Phase() != Recovery || l.s[2].Connect() != nil {
		t.Error("it lets sessions read")
	}
	l.s[2].Promote()
	l.run(time.Second)
	if f := l.s[2].Fatal(); f != "WAL ends before consistent recovery point" {
		t.Errorf("the promotion ended with %q", f)
	}
}

// Where the parent's segment is gone, the fork's copy has what was before the switch.
func TestDescendantsCopy(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 3)
	l.caughtUp(1, 2)
	l.s[1].Kill(false)
	p := l.seal(2)
	l.promote(2)
	l.commits(2, 1)
	if !l.s[2].PutAside(1, p.End.segment()) || l.s[2].PutAside(1, p.End.segment()) {
		t.Fatal("the parent's segment is not gone")
	}
	if r, ok := l.s[2].RecordAt(p.Last.Start); !ok || r != p.Last {
		t.Errorf("the record before the switch: %+v", r)
	}
}

// What a walsender refuses: a history file that it lacks, a slot that is not there or in
// use, a timeline that it was never on.
func TestRefusedWalreceivers(t *testing.T) {
	l := cluster(t, 3, Config{RetryInterval: 100 * time.Millisecond})
	l.s[3].SetConninfo(Conninfo{Primary: 1, Name: name(3), Slot: name(2)})
	l.run(time.Second)
	l.never("a walsender on a slot in use", 3*time.Second, func() bool { p, _ := l.s[3].Receiving(); return p != 0 })
	l.s[3].SetConninfo(Conninfo{Primary: 1, Name: name(3), Slot: "none"})
	l.run(time.Second)
	l.never("a walsender without a slot", 3*time.Second, func() bool { p, _ := l.s[3].Receiving(); return p != 0 })
	l.s[3].SetConninfo(Conninfo{})
	l.seal(2)
	l.s[2].PromoteTo(3)
	l.wait("a promotion", func() bool { return l.s[2].Phase() == Production })
	lines := l.s[2].History(2)
	l.s[2].RemoveHistory(2)
	l.s[3].SetConninfo(Conninfo{Primary: 2, Name: name(3)})
	l.never("a walsender without a history file", 3*time.Second, func() bool { p, _ := l.s[3].Receiving(); return p != 0 })
	l.s[2].WriteHistory(History{2, lines})
	l.wait("a walsender", func() bool { p, tli := l.s[3].Receiving(); return p == 2 && tli == 3 })
	l.s[3].EndReceiver()
	l.s[2].SetConninfo(Conninfo{Primary: 1, Name: name(2)})
	l.s[2].Hooks.Boot = l.s[2].CreateStandbySignal
	l.s[2].CrashRestart()
	l.run(time.Second)
	if p, _ := l.s[2].Receiving(); p != 0 || l.s[2].Timeline() != 3 {
		t.Errorf("a server on timeline %d streams from one on 1", l.s[2].Timeline())
	}
}

// A conflict holds replay, and a promotion does not end it.
func TestBlockedReplay(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.s[2].BlockReplay(true)
	r := l.commits(1, 1)
	l.run(time.Second)
	l.s[2].Promote()
	l.never("an end of recovery", 10*time.Second, func() bool { return l.s[2].Phase() != Recovery })
	l.s[2].BlockReplay(false)
	l.wait("an end of recovery", func() bool { return l.s[2].Phase() == Production })
	if !l.s[2].Visible(r.txn) {
		t.Error("the row is not there")
	}
}

// What ends without a row, or waits for the server to go on.
func TestWithoutARow(t *testing.T) {
	l := newLab(t, 1, 1, Config{})
	l.start(1)
	o := l.s[1].Connect()
	o.Write(1, 100)
	o.Rollback()
	r := &result{o: o, txn: 1}
	o.CommitPrepared(1, r.done(l))
	l.run(time.Second)
	if r.out != Refused || len(l.s[1].Rows()) != 0 || o.Server() != l.s[1] {
		t.Errorf("answered %v, rows %v", r.out, l.s[1].Rows())
	}
	// A commit that arrives while the server is frozen is done when it goes on.
	o.Write(2, 100)
	l.s[1].Freeze()
	r.out = 0
	o.Commit(r.done(l))
	l.never("an answer", 10*time.Second, func() bool { return r.out != 0 })
	l.s[1].Thaw()
	l.wait("an answer", func() bool { return r.out == Committed })
	// One whose server ends in that time is never done.
	o.Write(3, 100)
	l.s[1].Freeze()
	last := &result{o: o, txn: 3}
	o.Commit(last.done(l))
	l.s[1].Kill(false)
	l.wait("an answer", func() bool { return last.out == Unknown })
}

// The numbers that a promotion skips name no parent until it has ended: recovery looks for newer
// timelines until it has seen the request, and would aim at one that is a child of its own.
func TestSkippedNumbers(t *testing.T) {
	astray := 0
	for ms := 0; ms < 120; ms += 3 {
		for _, parent := range []bool{false, true} {
			l := cluster(t, 2, Config{RetryInterval: 40 * time.Millisecond, Step: 20 * time.Millisecond})
			l.commits(1, 3)
			l.caughtUp(1, 2)
			l.s[1].Kill(false)
			own := []Left{{1, l.seal(2).End}}
			l.run(time.Duration(ms) * time.Millisecond)
			s := l.s[2]
			if s.PromoteTo(5); parent {
				for tli := TLI(4); tli > 1; tli-- {
					s.WriteHistory(History{tli, own})
				}
			}
			l.wait("a promotion", func() bool { return s.Phase() == Production })
			if parent {
				if !slices.Equal(s.History(5), own) {
					astray++
				}
				continue
			}
			if s.Timeline() != 5 || !slices.Equal(s.History(5), own) || len(s.History(3)) != 0 {
				t.Errorf("after %d ms it is on timeline %d, %v, and 3 was %v", ms, s.Timeline(), s.History(5), s.History(3))
			}
			if s.PromotionEnded(); !slices.Equal(s.History(3), own) || !slices.Equal(s.History(5), own) {
				t.Errorf("once it has ended, 3 is %v and 5 is %v", s.History(3), s.History(5))
			}
		}
	}
	if astray == 0 {
		t.Error("with a parent in the files, the new timeline was a child of its own each time")
	}
}
