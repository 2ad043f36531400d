package store_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

// Batches of one call that only add to the log are one of Pebble's. One that replaces
// entries or is too large begins another, and what follows joins that.
func TestBatchesTogether(t *testing.T) {
	fs := vfs.NewMem()
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	count := func() uint64 {
		f, err := fs.Open("data/SYNCED")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return binary.LittleEndian.Uint64(b[8:])
	}
	add := func(from uint64, n int, term uint64, size int) core.Persist {
		return core.Persist{Entries: storetest.Entries(from, n, term, size), Sync: true}
	}
	commit := func(term, index uint64) core.Persist {
		return core.Persist{HardState: &core.HardState{Term: term, Commit: index}}
	}
	for _, x := range []struct {
		name    string
		batches []core.Persist
		want    uint64 // of Pebble's batches
		last    uint64
	}{
		{"appends", []core.Persist{add(1, 1, 1, 10), commit(1, 1), add(2, 3, 1, 10), {PromiseMillis: 5}, add(5, 1, 1, 10)}, 1, 5},
		{"replaced at once", []core.Persist{add(4, 1, 2, 10), add(5, 4, 2, 10)}, 1, 8},
		{"replaced in between", []core.Persist{add(9, 2, 2, 10), add(10, 1, 3, 10), commit(3, 9), add(11, 1, 3, 10)}, 2, 11},
		{"a shorter log", []core.Persist{add(12, 5, 3, 10), add(12, 1, 4, 10), add(13, 1, 4, 10)}, 2, 13},
		{"a snapshot", []core.Persist{add(14, 1, 4, 10), {Snapshot: &core.Snapshot{Index: 20, Term: 4}, Sync: true}, add(21, 1, 4, 10)}, 2, 21},
		{"large", []core.Persist{add(22, 1, 4, 600<<10), add(23, 1, 4, 600<<10), add(24, 1, 4, 400<<10)}, 2, 24},
		{"larger", []core.Persist{add(25, 1, 4, 3<<20), add(26, 1, 4, 10)}, 2, 26},
	} {
		before := count()
		if err := s.Write(x.batches); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		if got := count() - before; got != x.want {
			t.Errorf("%s: %d batches instead of %d", x.name, got, x.want)
		}
		if last := s.Bounds().Last; last != x.last {
			t.Errorf("%s: the log ends at %d instead of %d", x.name, last, x.last)
		}
		first := s.Bounds().First
		es, err := s.Entries(first, x.last, 1<<30)
		if err != nil || len(es) != int(x.last-first+1) {
			t.Errorf("%s: %d entries, %v", x.name, len(es), err)
		}
		for i, e := range es {
			if e.Index != first+uint64(i) || i > 0 && e.Term < es[i-1].Term {
				t.Errorf("%s: entry %d of term %d follows %d", x.name, e.Index, e.Term, i)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	d, err := again.Load()
	if err != nil || len(d.Entries) != 6 || d.PromiseMillis != 5 || d.HardState != (core.HardState{Term: 3, Commit: 9}) {
		t.Errorf("%d entries, %v, %d ms, %v", len(d.Entries), d.HardState, d.PromiseMillis, err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// Entries are encoded where Pebble wants them: what a call allocates does not grow with
// their number.
func TestWriteAllocatesLittle(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	const together, rounds, runs = 64, 20, 10
	batches := make([]core.Persist, 0, together*rounds*(runs+1))
	for i := uint64(1); i <= together*rounds*(runs+1); i++ {
		batches = append(batches, core.Persist{Entries: storetest.Entries(i, 1, 1, 280), HardState: &core.HardState{Term: 1, Commit: i - 1}})
	}
	err = s.Writer(func(write func([]core.Persist) error) (err error) {
		least := math.Inf(1) // flushes allocate, and what stores of other tests have left
		for range rounds {
			least = min(least, testing.AllocsPerRun(runs, func() {
				err = errors.Join(err, write(batches[:together]))
				batches = batches[together:]
			}))
		}
		if least > together/8 {
			t.Errorf("%v allocations for %d entries", least, together)
		}
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}
