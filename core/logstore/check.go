package logstore

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
)

// Check panics, with the numbers, if in breaks a log with bounds b whose newest
// snapshot is at snapshot and whose commit index is commit: a mistake of the core,
// or a store that is not what the core goes by. See Store.Write.
func Check(b Bounds, snapshot, commit uint64, in *core.Persist) {
	fail := func(format string, args ...any) {
		panic(fmt.Sprintf("store: batch %d: ", in.Seq) + fmt.Sprintf(format, args...))
	}
	switch s := in.Snapshot; {
	case s == nil && in.Keep > 0:
		fail("keep %d without a snapshot", in.Keep)
	case s == nil:
	case s.Index == 0:
		fail("snapshot at index 0")
	case in.Keep >= s.Index:
		fail("keep %d beside a snapshot at %d", in.Keep, s.Index)
	case in.Keep > b.Last:
		fail("keep %d, but the log ends at %d", in.Keep, b.Last)
	case in.Keep > 0 && in.Keep < snapshot:
		fail("keep %d, but the newest snapshot is at %d", in.Keep, snapshot)
	default:
		b, snapshot = b.install(s.Index, in.Keep), s.Index
	}
	for _, es := range [][]core.Entry{in.History, in.Entries} {
		for i := 1; i < len(es); i++ {
			if es[i].Index != es[i-1].Index+1 {
				fail("entry %d follows %d", es[i].Index, es[i-1].Index)
			}
		}
	}
	if h := History(in.History, b.First); len(h) > 0 && !b.fills(h[0].Index, h[len(h)-1].Index) {
		fail("history from %d to %d fills no gap of %v", h[0].Index, h[len(h)-1].Index, b.Gaps)
	}
	if n := len(in.Entries); n > 0 {
		switch first := in.Entries[0].Index; {
		case first > b.Last+1:
			fail("a gap: entry %d, but the log ends at %d", first, b.Last)
		case first <= snapshot:
			fail("entry %d replaces one of the snapshot at %d", first, snapshot)
		}
		b.Last = in.Entries[n-1].Index
	}
	if m := in.Mark; m != nil && (m.Index == 0 || m.Index > b.Last) {
		fail("mark at %d, but the log ends at %d", m.Index, b.Last)
	}
	if in.HardState != nil {
		commit = in.HardState.Commit
	}
	if commit > b.Last {
		fail("commit %d, but the log ends at %d", commit, b.Last)
	}
}

// install is b once a snapshot at index has taken the place of the log after keep.
// Its Bytes are not.
func (b Bounds) install(index, keep uint64) Bounds {
	if keep == 0 {
		return Bounds{First: index + 1, Last: index}
	}
	gap := core.Gap{From: keep + 1, To: index}
	gaps := b.Gaps
	if n := len(gaps); n > 0 && gaps[n-1].To == keep { // nothing was stored in between
		gap.From, gaps = gaps[n-1].From, gaps[:n-1]
	}
	return Bounds{First: b.First, Last: index, Gaps: append(gaps[:len(gaps):len(gaps)], gap)}
}

// fills says whether history from from to to begins where a gap does, and lies in it.
func (b Bounds) fills(from, to uint64) bool {
	return slices.ContainsFunc(b.Gaps, func(g core.Gap) bool { return g.From == from && to <= g.To })
}

// History is what is to be stored of h, which fills a gap, in a log that begins at
// first: retention has passed the rest.
func History(h []core.Entry, first uint64) []core.Entry {
	if len(h) > 0 && h[0].Index < first {
		return h[min(first-h[0].Index, uint64(len(h))):]
	}
	return h
}
