package store_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

const wayOut = "remove this node, empty its data_dir, add it again"

// tamper changes a closed store through Pebble, behind its back.
func tamper(t *testing.T, fs vfs.FS, change func(db *pebble.DB) error) {
	t.Helper()
	db, err := pebble.Open("data", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatTableFormatV6, Logger: pebbleQuiet{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(db), db.Close()); err != nil {
		t.Fatal(err)
	}
}

type pebbleQuiet struct{}

func (pebbleQuiet) Infof(string, ...any)         {}
func (pebbleQuiet) Errorf(string, ...any)        {}
func (pebbleQuiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

// values reads all records of a closed store.
func values(t *testing.T, fs vfs.FS) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	tamper(t, fs, func(db *pebble.DB) error {
		it, err := db.NewIter(nil)
		if err != nil {
			return err
		}
		for ok := it.First(); ok; ok = it.Next() {
			all[string(it.Key())] = append([]byte(nil), it.Value()...)
		}
		return it.Close()
	})
	return all
}

func sampleStore(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		s.SetIdentity(core.Identity{ClusterID: "c", NodeID: 1}),
		s.Write([]core.Persist{
			{Snapshot: &core.Snapshot{Index: 2, Term: 1, Data: []byte("state")}, Entries: storetest.Entries(3, 6, 1, 20)},
			{HardState: &core.HardState{Term: 1, Vote: 1, Commit: 6}, PromiseMillis: 800},
			{Mark: &core.Snapshot{Index: 5, Term: 1, Data: []byte("later")}, Sync: true},
		}),
		s.Close())
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// refused opens and loads, and wants a refusal that names the record.
func refused(t *testing.T, fs vfs.FS, record string) {
	t.Helper()
	err := openAndLoad(fs)
	var damaged *store.CorruptError
	if !errors.As(err, &damaged) || !strings.Contains(err.Error(), wayOut) || !strings.Contains(damaged.Error(), record) {
		t.Errorf("%s: %v", record, err)
	}
}

func openAndLoad(fs vfs.FS) error {
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	if err != nil {
		return err
	}
	_, err = s.Load()
	return errors.Join(err, s.Close())
}

// Every bit of every record that a start needs is covered by a checksum.
func TestFlippedBitIsRefused(t *testing.T) {
	base := sampleStore(t)
	all := values(t, base)
	names := map[string]string{"m/batch": "batch counter", "m/format": "format version", "m/hard": "hard state",
		"m/identity": "identity", "m/promise": "promise", "m/snapshot": "snapshot", "m/start": "start of the log"}
	tested := 0
	for key, value := range all {
		name := names[key]
		if key[0] == 'e' {
			name = fmt.Sprintf("log entry %d", key[8])
			if key[8] == 4 || key[8] == 5 { // neither an end of the log nor after the snapshot
				continue
			}
		}
		if name == "" {
			t.Fatalf("unknown record %q", key)
		}
		for bit := 0; bit < 8*len(value); bit += 13 {
			fs := base.CrashClone(vfs.CrashCloneCfg{})
			bad := append([]byte(nil), value...)
			bad[bit/8] ^= 1 << (bit % 8)
			tamper(t, fs, func(db *pebble.DB) error { return db.Set([]byte(key), bad, pebble.Sync) })
			refused(t, fs, name)
			tested++
		}
	}
	if tested < 50 {
		t.Errorf("%d bits were flipped", tested)
	}
}

// A good record in another's place is not that record.
func TestSwappedRecordIsRefused(t *testing.T) {
	base := sampleStore(t)
	all := values(t, base)
	tamper(t, base, func(db *pebble.DB) error {
		return db.Set([]byte("e\x00\x00\x00\x00\x00\x00\x00\x07"), all["e\x00\x00\x00\x00\x00\x00\x00\x06"], pebble.Sync)
	})
	refused(t, base, "log entry 7: checksum")
}

// A damaged entry of the history does not keep the node from starting; it is
// refused when it is read.
func TestDamagedHistoryIsRefusedWhenRead(t *testing.T) {
	fs := sampleStore(t)
	tamper(t, fs, func(db *pebble.DB) error {
		return db.Set([]byte("e\x00\x00\x00\x00\x00\x00\x00\x04"), []byte("x"), pebble.Sync)
	})
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	var damaged *store.CorruptError
	if _, err := s.Entry(4); !errors.As(err, &damaged) || damaged.Record != "log entry 4" {
		t.Errorf("entry 4: %v", err)
	}
	if _, err := s.Entries(3, 8, ^uint64(0)); !errors.As(err, &damaged) {
		t.Errorf("entries 3 to 8: %v", err)
	}
	if _, err := s.Entry(5); err != nil {
		t.Errorf("entry 5: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A missing entry is a hole wherever it was.
func TestHoleIsRefused(t *testing.T) {
	for index, want := range map[byte]string{
		3: "a hole: the first entry is 4 instead of 3", 6: "a hole: entry 7 follows 5", 7: "a hole: entry 8 follows 6",
	} {
		fs := sampleStore(t)
		tamper(t, fs, func(db *pebble.DB) error {
			return db.Delete([]byte{'e', 0, 0, 0, 0, 0, 0, 0, index}, pebble.Sync)
		})
		refused(t, fs, want)
	}
	fs := sampleStore(t)
	tamper(t, fs, func(db *pebble.DB) error {
		return db.DeleteRange([]byte{'e', 0, 0, 0, 0, 0, 0, 0, 6}, []byte("f"), pebble.Sync)
	})
	refused(t, fs, "it ends at 5, but the commit index is 6")
}

func TestNewerFormatIsRefused(t *testing.T) {
	fs := sampleStore(t)
	tamper(t, fs, func(db *pebble.DB) error {
		return db.Set([]byte("m/format"), store.SealForTest("m/format", []byte{9, 0, 0, 0, 0, 0, 0, 0}), pebble.Sync)
	})
	if err := openAndLoad(fs); !errors.Is(err, store.ErrNewerFormat) || !strings.Contains(err.Error(), "format 9, this one knows up to 2") {
		t.Errorf("open: %v", err)
	}
}

// After a crash of the process, damage anywhere in the write-ahead log is seen
// as damage. The end of the log is where that is hard: Pebble alone takes it for
// a write that was cut short, and forgets what was acknowledged.
func TestDamagedWriteAheadLogIsNotATornTail(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i <= 10; i++ {
		if err := s.Write([]core.Persist{{Entries: storetest.Entries(i, 1, 1, 30), Sync: true}}); err != nil {
			t.Fatal(err)
		}
	}
	crashed := fs.CrashClone(keepAll())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name, data := writeAheadLog(t, crashed)
	for at := 0; at < len(data); at += 7 {
		fs := crashed.CrashClone(keepAll())
		f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{data[at] ^ 0x10}, int64(at)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		refused(t, fs, "")
		refused(t, fs, "") // and stays refused
	}
	if err := openAndLoad(crashed); err != nil {
		t.Errorf("the undamaged log: %v", err)
	}
}

// writeAheadLog returns the one log file that is not empty.
func writeAheadLog(t *testing.T, fs vfs.FS) (string, []byte) {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		f, err := fs.Open(fs.PathJoin("data", name))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if len(data) > 0 {
			return fs.PathJoin("data", name), data
		}
	}
	t.Fatalf("no log file among %v", names)
	return "", nil
}

func TestLostWatermarkIsRefused(t *testing.T) {
	fs := sampleStore(t)
	if err := fs.Remove("data/SYNCED"); err != nil {
		t.Fatal(err)
	}
	refused(t, fs, "watermark (file data/SYNCED): there is none")
}

// All that Pebble had is gone, but the watermark knows that there was something.
func TestLostDatabaseIsRefused(t *testing.T) {
	fs := sampleStore(t)
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name != "SYNCED" {
			if err := fs.RemoveAll(fs.PathJoin("data", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	refused(t, fs, "file data/marker.manifest.*: it is missing")
}

// The store's directory is nobody else's.
func TestDirectoryMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := store.Open(dir, store.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestOptionsValidate(t *testing.T) {
	if err := (store.Options{}).Validate(); err != nil {
		t.Errorf("zero value: %v", err)
	}
	if _, err := store.Open(t.TempDir(), store.Options{MemTableBytes: 1}); err == nil || !strings.Contains(err.Error(), "MemTableBytes 1 is not between") {
		t.Errorf("open: %v", err)
	}
}

// Another process that holds the directory is told apart from any other error.
func TestLockedByAnotherProcess(t *testing.T) {
	if dir := os.Getenv("PGRAFT_STORE_TEST_OPEN"); dir != "" {
		_, err := store.Open(dir, store.Options{Logger: quiet})
		fmt.Println("child:", errors.Is(err, store.ErrLocked), err)
		return
	}
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestLockedByAnotherProcess$")
	child.Env = append(os.Environ(), "PGRAFT_STORE_TEST_OPEN="+dir)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "child: true store: open "+dir+": another process has it open") {
		t.Errorf("child: %v\n%s", err, out)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
