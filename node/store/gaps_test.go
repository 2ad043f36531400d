package store_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

func entryKey(index uint64) []byte { return binary.BigEndian.AppendUint64([]byte{'e'}, index) }

// gapStore is a closed store with entries 3 to 8, a gap from 9 to 20, entries 21 to
// 24 and a snapshot at 20.
func gapStore(t *testing.T, more ...core.Persist) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		s.SetIdentity(core.Identity{ClusterID: "c", NodeID: 1}),
		s.Write(append([]core.Persist{
			{Snapshot: &core.Snapshot{Index: 2, Term: 1}, Entries: storetest.Entries(3, 7, 1, 20)},
			{Snapshot: &core.Snapshot{Index: 20, Term: 3}, Keep: 8, Entries: storetest.Entries(21, 4, 3, 20),
				HardState: &core.HardState{Term: 3, Commit: 22}, PromiseMillis: 800, Sync: true},
		}, more...)),
		s.Close())
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func sealed(key string, values ...uint64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return store.SealForTest(key, b)
}

// A gap that is recorded is no damage. An entry that is missing at its ends is, and
// one that is in it.
func TestOnlyTheRecordedGapIsNoDamage(t *testing.T) {
	if err := openAndLoad(gapStore(t)); err != nil {
		t.Fatalf("as it is: %v", err)
	}
	gaps := func(values ...uint64) func(*pebble.DB) error {
		return func(db *pebble.DB) error { return db.Set([]byte("m/gaps"), sealed("m/gaps", values...), pebble.Sync) }
	}
	for _, c := range []struct {
		name, want string
		change     func(db *pebble.DB) error
	}{
		{"no entry before the gap", "log: a hole: entry 8 is missing",
			func(db *pebble.DB) error { return db.Delete(entryKey(8), pebble.Sync) }},
		{"no entry after the gap", "log: a hole: the first entry is 22 instead of 21",
			func(db *pebble.DB) error { return db.Delete(entryKey(21), pebble.Sync) }},
		{"no first entry", "log: a hole: the first entry is 4 instead of 3",
			func(db *pebble.DB) error { return db.Delete(entryKey(3), pebble.Sync) }},
		{"nothing before the gap", "log: a hole: the first entry is 21 instead of 3",
			func(db *pebble.DB) error { return db.DeleteRange(entryKey(3), entryKey(9), pebble.Sync) }},
		{"nothing after the gap", "log: it ends at 20, but the commit index is 22",
			func(db *pebble.DB) error { return db.DeleteRange(entryKey(21), entryKey(30), pebble.Sync) }},
		{"nothing at all", "log: a hole: entry 3 is missing",
			func(db *pebble.DB) error { return db.DeleteRange(entryKey(0), entryKey(30), pebble.Sync) }},
		{"no record of the gap", "gaps of the log: there is none, but the format is 2",
			func(db *pebble.DB) error { return db.Delete([]byte("m/gaps"), pebble.Sync) }},
		{"a record in the wrong format", "gaps of the log: there is one, but the format is 1",
			func(db *pebble.DB) error { return db.Set([]byte("m/format"), sealed("m/format", 1), pebble.Sync) }},
		{"a gap before the log", "gaps of the log: [{2 21}] in a log that begins at 3", gaps(2, 21)},
		{"a gap that ends before it begins", "gaps of the log: [{9 8}] in a log that begins at 3", gaps(9, 8)},
		{"two that overlap", "gaps of the log: [{5 9} {9 21}] in a log that begins at 3", gaps(5, 9, 9, 21)},
		{"half a gap", "gaps of the log: [{9 21}] in a log that begins at 3", gaps(9, 21, 30)},
		{"a gap after the snapshot", "gaps of the log: one ends at 21, but the newest snapshot is at 20", gaps(9, 22)},
		{"a larger gap than there is", "log: a hole: the first entry is 8 instead of 21", gaps(8, 21)},
		{"a smaller one", "log: a hole: entry 9 is missing", gaps(10, 21)},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := gapStore(t)
			if c.name == "a gap after the snapshot" {
				tamper(t, fs, func(db *pebble.DB) error { return db.Delete(entryKey(21), pebble.Sync) })
			}
			tamper(t, fs, c.change)
			refused(t, fs, c.want)
		})
	}
}

// Every bit of the record of gaps counts.
func TestFlippedBitOfGapsIsRefused(t *testing.T) {
	base := gapStore(t)
	value := values(t, base)["m/gaps"]
	for bit := range 8 * len(value) {
		fs := base.CrashClone(vfs.CrashCloneCfg{})
		bad := slices.Clone(value)
		bad[bit/8] ^= 1 << (bit % 8)
		tamper(t, fs, func(db *pebble.DB) error { return db.Set([]byte("m/gaps"), bad, pebble.Sync) })
		refused(t, fs, "gaps of the log: checksum")
	}
}

// A pgraft that does not know gaps refuses a store that has one, by its format. One
// without is as it was before there were any.
func TestFormatOfStoreWithGaps(t *testing.T) {
	format := func(fs vfs.FS) (version uint64, gaps bool) {
		all := values(t, fs)
		_, gaps = all["m/gaps"]
		return binary.LittleEndian.Uint64(all["m/format"]), gaps
	}
	for name, c := range map[string]struct {
		fs      *vfs.MemFS
		version uint64
	}{
		"never a gap":    {sampleStore(t), 1},
		"a gap":          {gapStore(t), 2},
		"a filled gap":   {gapStore(t, core.Persist{History: storetest.Entries(9, 12, 2, 20)}), 2},
		"log thrown off": {gapStore(t, core.Persist{Snapshot: &core.Snapshot{Index: 30, Term: 3}}), 1},
	} {
		if version, gaps := format(c.fs); version != c.version || gaps != (version == 2) {
			t.Errorf("%s: format %d, a record of gaps: %v", name, version, gaps)
		}
		if err := openAndLoad(c.fs); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	fs := gapStore(t)
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet, Retention: store.Retention{RetainEntries: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.SetRetention(store.Retention{RetainEntries: 1}), s.Close()); err != nil {
		t.Fatal(err)
	}
	if version, gaps := format(fs); version != 1 || gaps {
		t.Errorf("retention has passed the gap: format %d, a record of gaps: %v", version, gaps)
	}
	if err := openAndLoad(fs); err != nil {
		t.Errorf("retention has passed the gap: %v", err)
	}
}
