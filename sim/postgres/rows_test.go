package postgres

import (
	"slices"
	"testing"
	"time"
)

// Each test of this file is a trap that was seen on real servers, by its name in the
// notes about failover and in the tests on real servers. It has no failover logic: it
// shows what PostgreSQL does.

func TestRows(t *testing.T) {
	for _, row := range []struct {
		name string
		f    func(*testing.T)
	}{
		{"diverged-counts", divergedCounts},
		{"short-first-segment", shortFirstSegment},
		{"half-record", halfRecord},
		{"two-half-records", twoHalfRecords},
		{"gap-history", gapHistory},
		{"checkpointer-names", checkpointerNames},
		{"crash-while-promoting", crashWhilePromoting},
		{"seal-blocked-replay", sealBlockedReplay},
		{"end-of-valid-wal", endOfValidWAL},
		{"promotion-timeline", promotionTimeline},
		{"equal-last-record", equalLastRecord},
		{"shutdown-record", shutdownRecord},
		{"partial-segment", partialSegment},
		{"timeline-goes-back", timelineGoesBack},
		{"promotion-beside-short-segment", promotionBesideShortSegment},
		{"promote-file-stays", promoteFileStays},
		{"half-record-to-a-boundary", halfRecordToABoundary},
		{"half-record-cut", halfRecordCut},
		{"history-of-target", historyOfTarget},
		{"history-found-later", historyFoundLater},
		{"partial-between-forks", partialBetweenForks},
		{"wal-gone", walIsGone},
		{"cut-clone", cutClone},
		{"rewind-done", rewindDone},
		{"rewind-before-checkpoint", rewindBeforeCheckpoint},
		{"rewind-needs-wal", rewindNeedsWAL},
		{"rewind-equal-numbers", rewindEqualNumbers},
		{"rewind-killed", rewindKilled},
		{"rewind-after-standby-boot", rewindAfterStandbyBoot},
		{"rewind-old-timeline", rewindOldTimeline},
	} {
		t.Run(row.name, row.f)
	}
}

// D is past the fork of B, on the old timeline. It follows B, its WAL never fits, and
// B's commits are counted as replicated to it (ATTACK 1).
func divergedCounts(t *testing.T) {
	for _, how := range []string{"reload", "restart"} {
		t.Run(how, func(t *testing.T) {
			l := cluster(t, 3, Config{})
			a, b, d := l.s[1], l.s[2], l.s[3]
			l.seal(2)
			l.commits(1, 20)
			l.caughtUp(1, 3)
			a.Kill(false)
			l.promote(2)
			b.MakeSlot(name(3))
			b.SetNames(Names{1, []string{name(3)}})
			l.wait("the names", func() bool { return b.NamesInForce(Names{1, []string{name(3)}}) })
			r := l.commit(2, 100)
			l.never("a commit without a standby", time.Second, func() bool { return r.out != 0 })
			if how == "restart" {
				d.FastStop(nil)
				l.wait("a stop", func() bool { return d.Phase() == Down })
				d.SetConninfo(conninfo(2, 3))
				l.start(3)
			} else {
				d.SetConninfo(conninfo(2, 3))
			}
			l.wait("the commit", func() bool { return r.out != 0 })
			if r.out != Committed || r.o.Warned() {
				t.Fatalf("the commit is %v, want acknowledged", r.out)
			}
			l.run(20 * time.Second)
			if d.Visible(r.txn) || b.ReplicatedTo() < r.o.end {
				t.Fatalf("D has the row: %v; replicated to %v", d.Visible(r.txn), b.ReplicatedTo())
			}
			if d.Timeline() != 1 {
				t.Errorf("D is on timeline %d", d.Timeline())
			}
		})
	}
}

// D's walreceiver begins the fork's first segment at its start and is cut before the
// switch. After a restart recovery prefers that file to the parent's whole one: a commit
// that D had flushed is gone (ATTACK 2).
func shortFirstSegment(t *testing.T) {
	l := cluster(t, 3, Config{MaxSend: PageBytes, Window: PageBytes, PageWrites: 1 << 30})
	both := Names{2, []string{name(2), name(3)}}
	l.s[1].SetNames(both)
	l.wait("the names", func() bool { return l.s[1].NamesInForce(both) })
	acked := l.commits(1, 20)
	l.s[1].Kill(false)
	before := l.seal(3)
	l.seal(2)
	l.promote(2)
	l.s[2].MakeSlot(name(3))
	l.s[3].SetConninfo(conninfo(2, 3))
	l.wait("a first page of timeline 2", func() bool { return l.s[3].Has(2, before.End.segment(), false) })
	l.s[3].ImmediateStop()
	l.s[3].SetConninfo(Conninfo{})
	l.s[3].Start()
	l.run(5 * time.Second)
	byHistory, asRecovery := l.s[3].ValidEnd(ByHistory), l.s[3].ValidEnd(AsRecovery)
	if byHistory.End != before.End || asRecovery.End >= before.End {
		t.Fatalf("by the history %v, as recovery reads %v, before %v", byHistory.End, asRecovery.End, before.End)
	}
	if l.s[3].Fatal() != "" || l.s[3].Replayed() != asRecovery.End {
		t.Fatalf("replayed %v, %q", l.s[3].Replayed(), l.s[3].Fatal())
	}
	l.promote(3)
	if h := l.s[3].History(3); l.s[3].Visible(acked.txn) || h[len(h)-1].At >= before.End {
		t.Errorf("D has the row that it had flushed: %v; its history: %v", l.s[3].Visible(acked.txn), h)
	}
}

// half has A write a record of n bytes, of which standby id gets the first messages,
// and seals it there.
func (l *lab) half(id, n, messages int) Position {
	l.t.Helper()
	l.lose[[2]int{1, id}] = messages
	l.s[1].Internal(Logical, n)
	l.s[1].Flush()
	l.wait("the cut", func() bool { return l.cut[[2]int{1, id}] })
	l.run(100 * time.Millisecond)
	return l.seal(id)
}

// B has half of a long record when it is promoted: the switch is before it, and nothing
// tells of the half. A follower with the whole record is past the switch. A primary that
// restarts in place behind a half says so, with a record.
func halfRecord(t *testing.T) {
	l := cluster(t, 3, Config{MaxSend: PageBytes})
	l.commits(1, 3)
	l.caughtUp(1, 2, 3)
	end := l.s[1].Inserted()
	p := l.half(2, 5000, 5)
	if p.End != end || l.s[2].Received() <= end {
		t.Fatalf("B ends at %v and has received %v; the long record begins at %v", p.End, l.s[2].Received(), end)
	}
	l.caughtUp(1, 3)
	l.s[1].Kill(false)
	l.promote(2)
	if h := l.s[2].History(2); !slices.Equal(h, []Left{{1, end}}) {
		t.Errorf("history %v, want the switch at %v", h, end)
	}
	for _, f := range l.s[2].disk.wal.files {
		for _, q := range f.parts {
			if f.tli == 2 && q.rec.Kind == OverwriteContrecord {
				t.Error("a promotion wrote an overwrite record")
			}
		}
	}
	l.s[2].MakeSlot(name(3))
	l.s[3].SetConninfo(conninfo(2, 3))
	l.run(20 * time.Second)
	if l.s[3].Timeline() != 1 || l.s[3].Replayed() <= end {
		t.Errorf("D, past the switch, is on %d at %v", l.s[3].Timeline(), l.s[3].Replayed())
	}

	// In place: the machine of a primary fails while it writes a long record.
	for seed := uint64(1); ; seed++ {
		if seed > 200 {
			t.Fatal("no power failure left half a record")
		}
		l := newLab(t, seed, 2, Config{})
		l.start(1)
		l.commits(1, 3)
		at := l.s[1].Inserted()
		l.s[1].Internal(Logical, 5000)
		l.s[1].Flush()
		l.s[1].Kill(true)
		l.start(1)
		first := l.s[1].disk.wal.find(1, at.segment()).at(at).rec
		if first.Kind != Logical {
			continue
		}
		end := l.s[1].Inserted()
		l.s[1].MakeSlot(name(2))
		l.s[2].CreateStandbySignal()
		l.s[2].SetConninfo(conninfo(1, 2))
		l.start(2)
		l.caughtUp(1, 2)
		if l.s[2].Replayed() != end || end <= at {
			t.Fatalf("a standby replays to %v, want %v, past the half at %v", l.s[2].Replayed(), end, at)
		}
		return
	}
}

// B and D have halves of one record, of different lengths. D follows B at once, also
// with more of it than B.
func twoHalfRecords(t *testing.T) {
	for _, c := range []struct{ b, d int }{{6, 3}, {3, 6}, {3, 40}, {40, 3}} {
		l := cluster(t, 3, Config{MaxSend: PageBytes})
		l.commits(1, 3)
		l.caughtUp(1, 2, 3)
		end := l.s[1].Inserted()
		l.lose[[2]int{1, 2}] = c.b
		l.half(3, 2*SegmentBytes, c.d)
		l.seal(2)
		l.s[1].Kill(false)
		if b, d := l.s[2].Received(), l.s[3].Received(); b == d || b <= end || d <= end {
			t.Fatalf("B has received %v, D %v", b, d)
		}
		l.promote(2)
		r := l.commits(2, 1)
		l.s[2].MakeSlot(name(3))
		l.s[3].SetConninfo(conninfo(2, 3))
		from := l.now
		l.wait("D has B's row", func() bool { return l.s[3].Visible(r.txn) })
		if took := l.now - from; took > time.Second || l.s[3].Timeline() != 2 {
			t.Errorf("with %d and %d messages, D has it after %v, on timeline %d", c.b, c.d, took, l.s[3].Timeline())
		}
	}
}

// Names that every walsender has in force make nobody wait before the checkpointer has
// them too (ATTACK 38).
func checkpointerNames(t *testing.T) {
	l := newLab(t, 1, 1, Config{})
	l.start(1)
	s := l.s[1]
	s.HoldCheckpointer(true)
	s.SetNames(Names{1, []string{"nobody"}})
	l.run(time.Second)
	r := l.commit(1, 100)
	l.wait("a commit that does not wait", func() bool { return r.out == Committed })
	if s.NamesInForce(Names{1, []string{"nobody"}}) {
		t.Error("the names are in force")
	}
	// A checkpoint, too, keeps the checkpointer from looking.
	s.Checkpoint(nil)
	s.HoldCheckpointer(false)
	l.wait("the names", func() bool { return s.NamesInForce(Names{1, []string{"nobody"}}) })
	r = l.commit(1, 100)
	l.never("a commit that does not wait", time.Second, func() bool { return r.out != 0 })
	if s.Visible(r.txn) {
		t.Error("it is visible while it waits")
	}
}

// The startup process does not look at an emptied primary_conninfo while replay is held:
// the walreceiver streams on. Ended by itself, it stays away.
func sealBlockedReplay(t *testing.T) {
	for _, how := range []string{"conflict", "pause"} {
		t.Run(how, func(t *testing.T) {
			l := cluster(t, 2, Config{})
			if how == "pause" {
				l.s[2].PauseReplay(true)
			} else {
				l.s[2].BlockReplay(true)
			}
			l.commits(1, 1)
			l.s[2].SetConninfo(Conninfo{})
			l.run(10 * time.Second)
			upTo := l.s[2].Received()
			l.commits(1, 1)
			l.wait("more WAL than at the reload", func() bool { return l.s[2].Received() > upTo })
			l.s[2].EndReceiver()
			l.never("a walreceiver again", 10*time.Second, l.s[2].Receives)
			l.commits(1, 1)
			if p := l.seal(2); p.End <= l.s[2].Replayed() || p.End != l.s[2].Received() {
				t.Errorf("sealed at %v, replayed %v, received %v", p.End, l.s[2].Replayed(), l.s[2].Received())
			}
		})
	}
}

// The position is the end of valid WAL in pg_wal: past what is replayed where replay is
// held, and before the flush position, which is ordinarily within a record (ATTACK 22).
func endOfValidWAL(t *testing.T) {
	l := cluster(t, 2, Config{WriterDelay: 10 * time.Millisecond})
	l.s[2].PauseReplay(true)
	past := false
	for range 30 {
		l.commits(1, 1)
		l.s[1].Internal(Logical, 700)
		l.run(100 * time.Millisecond)
		p := l.s[2].ValidEnd(ByHistory)
		if p.End <= l.s[2].Replayed() || p.End > l.s[2].Received() || p.Last.End() != p.End {
			t.Fatalf("position %v, replayed %v, received %v", p.End, l.s[2].Replayed(), l.s[2].Received())
		}
		past = past || l.s[2].Received() > p.End
	}
	if !past {
		t.Error("the flush position was never within a record")
	}
}
