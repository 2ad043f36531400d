package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// An empty store is a node that waits to be invited, and stays one.
func testEmpty(t *testing.T, c Config) {
	b := start(t, c)
	b.check(t)
	if got := b.s.Bounds(); got.First != 1 || got.Last != 0 || got.Bytes != 0 || len(got.Gaps) != 0 {
		t.Errorf("bounds of an empty store: %+v", got)
	}
	b.reopen(t)
}

// An identity is there after SetIdentity, without any further write.
func testIdentity(t *testing.T, c Config) {
	b := start(t, c)
	id := core.Identity{ClusterID: "orders", NodeID: 4, ReplicaUUID: [16]byte{1, 15: 9}}
	b.setIdentity(t, id)
	b.check(t)
	id.ClusterUUID, id.RaftID = [16]byte{7}, core.RaftID(2, 4)
	b.setIdentity(t, id)
	if c.Crashes {
		b.crash(t, 0, 1)
	}
	id.Removed = true
	b.setIdentity(t, id)
	b.reopen(t)
}

// The life of a log, in one go, with a restart after each step.
func testStories(t *testing.T, c Config) {
	b := start(t, c)
	for i, in := range []core.Persist{
		{Entries: Entries(1, 5, 1, 10), HardState: &core.HardState{Term: 1, Vote: 2}, Sync: true},
		{HardState: &core.HardState{Term: 1, Vote: 2, Commit: 3}},
		{Entries: Entries(4, 1, 2, 7), HardState: &core.HardState{Term: 2, Commit: 3}, Sync: true}, // shorter than it was
		{Entries: Entries(5, 8, 2, 0), Sync: true},
		{Mark: &core.Snapshot{Index: 6, Term: 2, Data: []byte("six")}, PromiseMillis: 1500},
		{Mark: &core.Snapshot{Index: 4, Term: 2, Data: []byte("an older one")}, PromiseMillis: 900},
		{Entries: Entries(7, 2, 3, 100), HardState: &core.HardState{Term: 3, Commit: 7}, Sync: true}, // right after the mark
		{Snapshot: &core.Snapshot{Index: 20, Term: 4, Data: []byte("twenty")},
			HardState: &core.HardState{Term: 4, Commit: 20}, Sync: true},
		{Entries: Entries(21, 3, 4, 5), Sync: true},
		{Snapshot: &core.Snapshot{Index: 40, Term: 5}, Entries: Entries(41, 2, 5, 5),
			HardState: &core.HardState{Term: 5, Commit: 41}, Sync: true},
		{Mark: &core.Snapshot{Index: 42, Term: 5, Data: []byte("the very end")}, Sync: true},
		{}, // nothing at all
	} {
		in.Seq = uint64(i + 1)
		b.write(t, in)
		b.check(t)
		if c.Crashes && in.Sync {
			b.crash(t, 0, uint64(i))
		}
		b.reopen(t)
	}
}

// A read stops at its limit, but never without an entry.
func testEntries(t *testing.T, c Config) {
	b := start(t, c)
	b.write(t, core.Persist{Entries: Entries(1, 9, 1, 100), Sync: true})
	for _, x := range []struct {
		first, last, max uint64
		want             int
	}{
		{1, 9, ^uint64(0), 9}, {1, 9, 0, 1}, {1, 9, 1, 1}, {1, 9, 100, 1}, {1, 9, 101, 2}, {2, 9, 300, 3}, {9, 9, 0, 1}, {5, 4, 100, 0}, {3, 4, 1000, 2},
	} {
		es, err := b.s.Entries(x.first, x.last, x.max)
		if err != nil {
			t.Errorf("entries %d to %d: %v", x.first, x.last, err)
		} else if err := sameEntries(es, b.h.now().entries(x.first, x.first+uint64(x.want)-1)); err != nil {
			t.Errorf("entries %d to %d, at most %d bytes: %v", x.first, x.last, x.max, err)
		}
	}
	var beyond *logstore.BeyondError
	if _, err := b.s.Entries(1, 10, 1); !errors.As(err, &beyond) || beyond.Last != 9 {
		t.Errorf("entries past the end: %v", err)
	}
}

// What would break the log is a mistake of the caller, and panics with its
// numbers before anything is written.
func testInvariants(t *testing.T, c Config) {
	b := start(t, c)
	b.write(t, core.Persist{Entries: Entries(1, 5, 1, 1), Mark: &core.Snapshot{Index: 3, Term: 1},
		HardState: &core.HardState{Term: 1, Commit: 5}, Sync: true})
	for want, in := range map[string]core.Persist{
		"a gap: entry 7, but the log ends at 5":     {Entries: Entries(7, 1, 1, 1)},
		"entry 3 replaces one of the snapshot at 3": {Entries: Entries(3, 1, 1, 1)},
		"mark at 6, but the log ends at 5":          {Mark: &core.Snapshot{Index: 6, Term: 1}},
		"commit 6, but the log ends at 5":           {HardState: &core.HardState{Term: 1, Commit: 6}},
		"commit 5, but the log ends at 4":           {Entries: Entries(4, 1, 2, 1)},
		"a gap: entry 12, but the log ends at 10":   {Snapshot: &core.Snapshot{Index: 10, Term: 1}, Entries: Entries(12, 1, 1, 1)},
		"entry 8 follows 6":                         {Entries: append(Entries(6, 1, 1, 1), Entries(8, 1, 1, 1)...)},
		"snapshot at index 0":                       {Snapshot: &core.Snapshot{}},
		"mark at 0":                                 {Mark: &core.Snapshot{}},
		"keep 9 beside a snapshot at 9":             {Snapshot: &core.Snapshot{Index: 9, Term: 1}, Keep: 9},
		"keep 6, but the log ends at 5":             {Snapshot: &core.Snapshot{Index: 9, Term: 1}, Keep: 6},
		"keep 2, but the newest snapshot is at 3":   {Snapshot: &core.Snapshot{Index: 9, Term: 1}, Keep: 2},
		"keep 4 without a snapshot":                 {Keep: 4},
		"history from 6 to 7 fills no gap":          {History: Entries(6, 2, 1, 1)},
		"history from 4 to 4 fills no gap":          {History: Entries(4, 1, 1, 1)},
		"entry 9 follows 7":                         {History: append(Entries(7, 1, 1, 1), Entries(9, 1, 1, 1)...)},
	} {
		b.writePanics(t, in, want)
		if err := b.h.now().differs(b.s); err != nil {
			t.Errorf("after %q: %v", want, err)
		}
	}
	b.reopen(t)
}

// Entries of a megabyte, and batches larger than any buffer of the store.
func testLargeEntries(t *testing.T, c Config) {
	b := start(t, c)
	const mb = 1 << 20
	for i := range uint64(4) {
		b.write(t, core.Persist{Entries: Entries(1+i, 1, 1, mb), Sync: true})
	}
	b.write(t, core.Persist{Entries: Entries(5, 8, 1, mb), Sync: true})
	b.check(t)
	b.write(t, core.Persist{Entries: Entries(7, 3, 2, 3*mb), Sync: true})
	if c.Crashes {
		b.crash(t, 50, 1)
	}
	b.reopen(t)
}

// Readers never see a hole or an entry in the wrong place, whatever the writer
// replaces meanwhile.
func testReadWhileWriting(t *testing.T, c Config) {
	b := start(t, c)
	b.write(t, core.Persist{Entries: Entries(1, 20, 1, 10)})
	done := make(chan struct{})
	errs := make(chan error, 2)
	var readers sync.WaitGroup
	for r := range 2 {
		readers.Go(func() {
			for i := uint64(r); ; i++ {
				select {
				case <-done:
					errs <- nil
					return
				default:
				}
				if err := readSome(b.s, 1+i%300); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	for i := range uint64(200) {
		from := 11 + i%10
		b.write(t, core.Persist{Entries: Entries(from, 1, 2+i, 10)}, core.Persist{Entries: Entries(from+1, int(20-from)+1, 2+i, 10)})
	}
	// Gaps come, and are filled, behind the readers' backs too.
	last := uint64(20)
	for i := range uint64(40) {
		b.write(t, core.Persist{Snapshot: &core.Snapshot{Index: last + 5, Term: 300 + i}, Keep: last - i%3,
			HardState: &core.HardState{Term: 300 + i, Commit: last + 5}})
		gaps := b.h.now().bounds(1).Gaps
		gap := gaps[len(gaps)-1]
		if i%4 > 0 {
			b.write(t, core.Persist{History: Entries(gap.From, 3, 300+i, 10)})
		}
		if i%4 > 1 {
			b.write(t, core.Persist{History: Entries(gap.From+3, int(gap.To-gap.From)-2, 300+i, 10)})
		}
		b.write(t, core.Persist{Entries: Entries(last+6, 2, 300+i, 10)}, core.Persist{Mark: &core.Snapshot{Index: last + 5, Term: 300 + i}})
		last += 7
	}
	b.check(t)
	b.write(t, core.Persist{Snapshot: &core.Snapshot{Index: 500, Term: 500}, HardState: &core.HardState{Term: 500, Commit: 500}, Sync: true})
	close(done)
	readers.Wait()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	b.reopen(t)
}

func readSome(s logstore.Store, first uint64) error {
	bounds := s.Bounds()
	es, err := s.Entries(first, first+3, ^uint64(0))
	var compacted *logstore.CompactedError
	var beyond *logstore.BeyondError
	var gap *logstore.GapError
	switch {
	case errors.As(err, &compacted), errors.As(err, &beyond), errors.As(err, &gap):
		return nil
	case err != nil:
		return fmt.Errorf("entries from %d, bounds were %+v: %w", first, bounds, err)
	}
	for i, e := range es {
		if e.Index != first+uint64(i) {
			return fmt.Errorf("entry %d in place of %d", e.Index, first+uint64(i))
		}
		if err := sameEntries(es[i:i+1], Entries(e.Index, 1, e.Term, 10)); err != nil {
			return err
		}
	}
	return nil
}

// writePanics writes a batch that no store takes: it panics with a text that has want in it.
func (b *bench) writePanics(t TB, batch core.Persist, want string) {
	t.Helper()
	got := isPanic(func() {
		if err := b.s.Write([]core.Persist{batch}); err != nil {
			t.Errorf("%s: an error: %v", want, err)
		}
	})
	if !strings.Contains(got, want) {
		t.Errorf("panic %q instead of %q", got, want)
	}
}

func isPanic(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}
