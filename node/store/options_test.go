package store_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

// An entry is written to the log and to one table, which compactions hand on as it is,
// also while the log's head is cut: of what is flushed they rewrite next to nothing.
func TestEntriesAreNotRewritten(t *testing.T) {
	const entries, together, keep = 80_000, 32, 20_000
	o := store.Options{FS: vfs.NewMem(), Logger: quiet, MemTableBytes: 256 << 10, Retention: store.Retention{RetainEntries: keep}}
	s, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i <= entries; i += together {
		in := core.Persist{Entries: storetest.Entries(i, together, 1, 280), Sync: true, HardState: &core.HardState{Term: 1, Commit: i}}
		if i > together {
			in.Mark = &core.Snapshot{Index: i - 1, Term: 1}
		}
		if err := s.Write([]core.Persist{in}); err != nil {
			t.Fatal(err)
		}
	}
	// What retention has dropped goes a while later; it cuts off an eighth at a time.
	const limit = keep * 340 * 5 / 4
	flushed, compacted, tables := tableBytes(s)
	for end := time.Now().Add(20 * time.Second); tables > limit && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		_, _, tables = tableBytes(s)
	}
	if tables > limit {
		t.Errorf("tables of %d bytes for %d entries\n%s", tables, s.Bounds().Last-s.Bounds().First+1, s.Metrics())
	}
	if flushed < entries*280*9/10 {
		t.Fatalf("%d bytes were flushed, too few to see anything\n%s", flushed, s.Metrics())
	}
	// A part of the table where the log's head is cut is written once more: an eighth
	// here, far less with tables of the usual size. It is more than a half for all of
	// them if only one table in a few is not handed on.
	if compacted > flushed/2 {
		t.Errorf("compactions wrote %d bytes, %d were flushed\n%s", compacted, flushed, s.Metrics())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// tableBytes are how many bytes were flushed into tables so far, how many compactions
// have written, and how many the tables have now.
func tableBytes(s *store.Pebble) (flushed, compacted, now uint64) {
	m := s.Metrics()
	for _, l := range m.Levels {
		compacted += l.TableBytesCompacted
		now += uint64(l.TablesSize)
	}
	return m.Levels[0].TableBytesFlushed, compacted, now
}
