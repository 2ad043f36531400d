package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// wantBounds fails unless the log begins at first and has these gaps.
func (b *bench) wantBounds(t TB, first uint64, gaps ...core.Gap) {
	t.Helper()
	if got := b.s.Bounds(); got.First != first || fmt.Sprint(got.Gaps) != fmt.Sprint(gaps) {
		t.Fatalf("the log begins at %d and has gaps %v, want %d and %v", got.First, got.Gaps, first, gaps)
	}
	b.check(t)
}

func snapshot(index, keep uint64) core.Persist {
	return core.Persist{Snapshot: &core.Snapshot{Index: index, Term: index, Data: fmt.Append(nil, index)}, Keep: keep,
		HardState: &core.HardState{Term: index, Commit: index}, Sync: true}
}

// A member that was away keeps what it had applied, and fills the gap up to the
// leader's snapshot from below.
func testGaps(t *testing.T, c Config) {
	b := start(t, c)
	b.setRetention(t, logstore.Retention{})
	b.write(t, core.Persist{Entries: Entries(1, 10, 1, 10), HardState: &core.HardState{Term: 1, Commit: 8}, Sync: true})
	b.write(t, snapshot(20, 8)) // 9 and 10 may be another history
	b.wantBounds(t, 1, core.Gap{From: 9, To: 20})
	b.reopen(t)
	b.write(t, core.Persist{Entries: Entries(21, 5, 20, 10), Sync: true})
	es, err := b.s.Entries(5, 25, ^uint64(0))
	if err != nil || len(es) != 4 {
		t.Errorf("entries 5 to 25: %d, %v; want those up to 8", len(es), err)
	}
	var gap *logstore.GapError
	if _, err := b.s.Entries(15, 25, 0); !errors.As(err, &gap) || gap.Gap != (core.Gap{From: 9, To: 20}) {
		t.Errorf("entry 15: %v", err)
	}

	b.write(t, core.Persist{History: Entries(9, 4, 2, 30)})
	b.wantBounds(t, 1, core.Gap{From: 13, To: 20})
	if c.Crashes {
		b.crash(t, 0, 1)
		b.wantBounds(t, 1, core.Gap{From: 9, To: 20})
		b.write(t, core.Persist{History: Entries(9, 4, 2, 30), Sync: true})
		b.crash(t, 0, 2)
	}
	b.wantBounds(t, 1, core.Gap{From: 13, To: 20})
	for want, in := range map[string]core.Persist{
		"history from 14 to 15 fills no gap": {History: Entries(14, 2, 2, 1)},
		"history from 12 to 13 fills no gap": {History: Entries(12, 2, 2, 1)},
		"history from 13 to 21 fills no gap": {History: Entries(13, 9, 2, 1)},
	} {
		b.writePanics(t, in, want)
	}

	b.write(t, snapshot(40, 25)) // away once more, before the gap was filled
	b.wantBounds(t, 1, core.Gap{From: 13, To: 20}, core.Gap{From: 26, To: 40})
	b.reopen(t)
	b.write(t, core.Persist{Entries: Entries(41, 2, 40, 10)}, core.Persist{History: Entries(26, 5, 30, 10), Sync: true})
	b.write(t, core.Persist{History: Entries(13, 8, 3, 50), Sync: true})
	b.wantBounds(t, 1, core.Gap{From: 31, To: 40})
	b.reopen(t)

	b.write(t, snapshot(60, 40)) // nothing between two snapshots was applied
	b.wantBounds(t, 1, core.Gap{From: 31, To: 60})
	b.reopen(t)
	b.write(t, core.Persist{History: Entries(31, 30, 50, 10), Entries: Entries(61, 1, 60, 10), Sync: true})
	b.wantBounds(t, 1)
	b.reopen(t)

	b.write(t, snapshot(70, 0)) // nothing is kept: the log begins anew
	b.wantBounds(t, 71)
	b.write(t, snapshot(80, 70)) // and begins with a gap
	b.wantBounds(t, 71, core.Gap{From: 71, To: 80})
	b.reopen(t)
	b.write(t, core.Persist{History: Entries(71, 10, 70, 10), Sync: true})
	b.wantBounds(t, 71)
	b.reopen(t)
}

// The log is cut at its beginning only: never after the newest snapshot, nor
// where somebody still needs it.
func testRetention(t *testing.T, c Config) {
	b := start(t, c)
	b.setRetention(t, logstore.Retention{})
	b.write(t, core.Persist{Entries: Entries(1, 100, 1, 10), Mark: &core.Snapshot{Index: 60, Term: 1},
		HardState: &core.HardState{Term: 1, Commit: 100}, Sync: true})
	b.wantBounds(t, 1)
	b.setRetention(t, logstore.Retention{RetainEntries: 16, RetainFrom: 30})
	b.wantBounds(t, 30)
	b.setRetention(t, logstore.Retention{RetainEntries: 16, RetainFrom: 20}) // too late
	b.wantBounds(t, 30)
	b.setRetention(t, logstore.Retention{RetainEntries: 16})
	b.wantBounds(t, 61)
	b.write(t, core.Persist{Mark: &core.Snapshot{Index: 100, Term: 1}})
	b.wantBounds(t, 85)
	b.setRetention(t, logstore.Retention{RetainBytes: 80})
	b.wantBounds(t, 93)
	b.reopen(t)
	b.wantBounds(t, 93)
	b.write(t, core.Persist{Entries: Entries(101, 1, 1, 10)}) // an eighth over the limit
	b.wantBounds(t, 93)
	if c.Crashes {
		b.crash(t, 0, 1)
	}
	b.write(t, core.Persist{Entries: Entries(101, 1, 1, 10), Sync: true})
	b.reopen(t)
	b.write(t, core.Persist{Snapshot: &core.Snapshot{Index: 300, Term: 2}, HardState: &core.HardState{Term: 2, Commit: 300}, Sync: true})
	b.wantBounds(t, 301)
}

// Retention that comes to a gap makes it smaller, and then there is none. History
// that comes later than it does is of no use.
func testRetentionOfGaps(t *testing.T, c Config) {
	b := start(t, c)
	b.setRetention(t, logstore.Retention{})
	b.write(t, core.Persist{Entries: Entries(1, 10, 1, 10), HardState: &core.HardState{Term: 1, Commit: 10}, Sync: true})
	in := snapshot(30, 10)
	in.Entries = Entries(31, 10, 30, 10)
	b.write(t, in, core.Persist{Mark: &core.Snapshot{Index: 35, Term: 30}, Sync: true})
	b.setRetention(t, logstore.Retention{RetainEntries: 35})
	b.wantBounds(t, 6, core.Gap{From: 11, To: 30})
	b.setRetention(t, logstore.Retention{RetainEntries: 25})
	b.wantBounds(t, 16, core.Gap{From: 16, To: 30})
	b.reopen(t)
	b.write(t, core.Persist{History: Entries(11, 5, 9, 10)})
	b.wantBounds(t, 16, core.Gap{From: 16, To: 30})
	b.write(t, core.Persist{History: Entries(12, 9, 9, 10)})
	b.wantBounds(t, 16, core.Gap{From: 21, To: 30})
	b.reopen(t)
	b.setRetention(t, logstore.Retention{RetainBytes: 160})
	b.wantBounds(t, 16, core.Gap{From: 21, To: 30})
	b.setRetention(t, logstore.Retention{RetainBytes: 130})
	b.wantBounds(t, 18, core.Gap{From: 21, To: 30})
	b.setRetention(t, logstore.Retention{RetainBytes: 90})
	b.wantBounds(t, 32)
	b.reopen(t)
	b.write(t, core.Persist{History: Entries(21, 10, 9, 10), Sync: true})
	b.wantBounds(t, 32)
	b.reopen(t)

	// A gap that is filled leaves no trace, also when the log begins where it ended.
	b.setRetention(t, logstore.Retention{})
	in = snapshot(60, 40)
	in.History, in.Entries = Entries(41, 20, 50, 30), Entries(61, 10, 60, 10)
	b.write(t, in, core.Persist{Mark: &core.Snapshot{Index: 70, Term: 60}, Sync: true})
	b.wantBounds(t, 32)
	b.setRetention(t, logstore.Retention{RetainEntries: 10})
	b.wantBounds(t, 61)
	b.reopen(t)
}
