package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

const entriesOnDisk = 40

// kindOf is what a file of a store is for.
func kindOf(name string) string {
	switch {
	case strings.HasPrefix(name, "MANIFEST-"):
		return "MANIFEST"
	case strings.HasPrefix(name, "OPTIONS-"):
		return "OPTIONS"
	case strings.HasPrefix(name, "marker."):
		return strings.Join(strings.Split(name, ".")[:2], ".")
	}
	return strings.TrimPrefix(filepath.Ext(name), ".") + map[bool]string{true: name}[filepath.Ext(name) == ""]
}

// diskStore is a closed store on a disk, with every kind of file: entries in
// tables and in the write-ahead log. It returns one file of each kind.
func diskStore(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := store.Open(dir, store.Options{Logger: quiet, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetIdentity(core.Identity{ClusterID: "c", NodeID: 1}); err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i <= entriesOnDisk; i++ {
		if err := s.Write([]core.Persist{{Entries: storetest.Entries(i, 1, 1, 20_000), Sync: true}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return diskFiles(t, dir)
}

func diskFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		files[kindOf(e.Name())] = filepath.Join(dir, e.Name())
	}
	return files
}

// openAndRead opens a store on a disk and reads everything in it.
func openAndRead(dir string, o store.Options) error {
	o.Logger = quiet
	s, err := store.Open(dir, o)
	if err != nil {
		return err
	}
	_, err = s.Load()
	if last := s.Bounds().Last; err == nil && last != entriesOnDisk {
		err = fmt.Errorf("the log ends at %d", last)
	}
	if err == nil {
		_, err = s.Entries(1, entriesOnDisk, 1<<30)
	}
	if closed := s.Close(); err == nil { // else it may be another one about the same, met in the background
		err = closed
	}
	return err
}

// Whatever happens to whichever file, the store says that it is damaged, which
// file it is and the way out; or it opens, and has all that was in it.
func TestDamagedFile(t *testing.T) {
	damages := []struct {
		name string
		do   func(path string) error
	}{
		{"removed", os.Remove},
		{"emptied", func(path string) error { return os.Truncate(path, 0) }},
		{"halved", func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()/2)
		}},
		{"overwritten", func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i := range b {
				b[i] ^= 0x5a
			}
			return os.WriteFile(path, b, 0o600)
		}},
		{"flipped", func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil || len(b) == 0 {
				return err
			}
			b[len(b)/3] ^= 0x10
			return os.WriteFile(path, b, 0o600)
		}},
		{"a directory", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }},
	}
	whole := filepath.Join(t.TempDir(), "data")
	for kind := range diskStore(t, whole) {
		for _, d := range damages {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			path := diskFiles(t, dir)[kind]
			if err := d.do(path); err != nil {
				t.Fatal(err)
			}
			if err := openAndRead(dir, store.Options{}); err != nil {
				saysDamage(t, kind+" "+d.name, path, err)
				saysDamage(t, kind+" "+d.name+", once more", path, openAndRead(dir, store.Options{}))
			}
		}
	}
}

// Pebble names no file when its OPTIONS file is cut within a line, and takes a cut name
// for another's.
func TestOptionsCut(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "data")
	path := diskStore(t, whole)["OPTIONS"]
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for size := int64(0); size < info.Size(); size += 67 {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		cut := filepath.Join(dir, filepath.Base(path))
		if err := os.Truncate(cut, size); err != nil {
			t.Fatal(err)
		}
		if err := openAndRead(dir, store.Options{}); err != nil {
			refused++
			saysDamage(t, fmt.Sprintf("OPTIONS cut to %d bytes", size), cut, err)
		}
	}
	if refused == 0 {
		t.Error("every cut file was taken")
	}
}

// saysDamage wants a way out, and the file's path where the file alone says what is
// wrong. Pebble takes what it cannot read of a log, or of a manifest, for its end:
// what is missing then is known by what it was for.
func saysDamage(t *testing.T, what, path string, err error) {
	t.Helper()
	if kindOf(filepath.Base(path)) == "LOCK" { // holds nothing: it is only in the way
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var damaged *store.CorruptError
	if !errors.As(err, &damaged) || !strings.Contains(err.Error(), wayOut) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v", what, err)
		return
	}
	named := strings.Contains(err.Error(), path)
	for _, other := range []string{"write-ahead log", "file " + filepath.Dir(path) + "/marker.", "format version: it is missing", ".sst"} {
		named = named || strings.Contains(damaged.Record+": "+damaged.Detail, other)
	}
	if !named {
		t.Errorf("%s: the error does not name %s: %v", what, path, err)
	}
}

// goneFS makes no file any more once gone is set: its directory is not there.
type goneFS struct {
	vfs.FS
	gone atomic.Bool
}

func (f *goneFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f.gone.Load() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.FS.Create(name, c)
}

// A directory that is gone as Pebble makes a file in it is noticed by that.
func TestDirectoryGoneAsAFileIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	diskStore(t, dir)
	fsys := &goneFS{FS: vfs.Default}
	s, err := store.Open(dir, store.Options{Logger: quiet, MemTableBytes: 256 << 10, FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	fsys.gone.Store(true)
	var lost *store.LostError
	for i := uint64(entriesOnDisk + 1); err == nil && i <= entriesOnDisk+200; i++ {
		err = s.Write([]core.Persist{{Entries: storetest.Entries(i, 1, 1, 20_000), Sync: true}})
	}
	if !errors.As(err, &lost) || lost.Path != dir || lost.Dir != dir {
		t.Errorf("4 MB in small tables: %v", err)
	}
	if err := s.Close(); !errors.As(err, &lost) {
		t.Errorf("close: %v", err)
	}
}

// A file that is taken away under an open store is noticed, and nothing is
// acknowledged from then on; what Pebble itself removes is none. Moved back, the
// store has all that was acknowledged.
func TestFileTakenAway(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "data")
	diskStore(t, whole)
	for _, what := range []string{"directory", "exchanged directory", "watermark", "MANIFEST", "log", "sst"} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(dir, store.Options{Logger: quiet, MemTableBytes: 256 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := uint64(entriesOnDisk + 1); i <= entriesOnDisk+60; i++ { // Pebble makes and removes files
			if err := errors.Join(s.Write([]core.Persist{{Entries: storetest.Entries(i, 1, 1, 20_000), Sync: true}}), s.Present()); err != nil {
				t.Fatalf("%s: nothing was taken away: %v", what, err)
			}
		}
		path, away := dir, filepath.Join(t.TempDir(), "away")
		take := func() error {
			switch files := diskFiles(t, dir); what {
			case "watermark":
				path = filepath.Join(dir, "SYNCED")
			case "MANIFEST", "log":
				path = files[what] // the newest, as they are in order
			case "sst": // the oldest: the newest may be one that Pebble still writes
				tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
				if err != nil || len(tables) == 0 {
					t.Fatalf("tables: %v, %v", tables, err)
				}
				path = tables[0]
			}
			if err := os.Rename(path, away); what == "sst" && errors.Is(err, fs.ErrNotExist) {
				return nil // Pebble was faster
			} else if err != nil {
				t.Fatal(err)
			}
			if what == "exchanged directory" { // whole: Pebble may open a table of it at any time
				other := away + " other"
				if err := errors.Join(os.CopyFS(other, os.DirFS(away)), os.Rename(other, dir)); err != nil {
					t.Fatal(err)
				}
			}
			return s.Present()
		}
		err = take()
		for end := time.Now().Add(20 * time.Second); what == "sst" && err == nil && time.Now().Before(end); err = take() {
			os.Remove(away) // a table that Pebble needs no longer: it has others
		}
		var lost *store.LostError // Pebble may have met the loss of a directory by one of its files
		if !errors.As(err, &lost) || lost.Path != path && filepath.Dir(lost.Path) != path || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
		if err := s.Write([]core.Persist{{Sync: true}}); !errors.As(err, &lost) {
			t.Errorf("%s: write: %v", what, err)
		}
		if err := s.Close(); !errors.As(err, &lost) {
			t.Errorf("%s: close: %v", what, err)
		}
		if err := errors.Join(os.RemoveAll(path), os.Rename(away, path)); err != nil {
			t.Fatal(err)
		}
		s, err = store.Open(dir, store.Options{Logger: quiet})
		if err != nil {
			t.Fatalf("%s: moved back: %v", what, err)
		}
		if last := s.Bounds().Last; last != entriesOnDisk+60 {
			t.Errorf("%s: the log ends at %d", what, last)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// denied refuses to open one file.
type denied struct{ path string }

func (denied) String() string { return "denied" }

func (d denied) MaybeError(op errorfs.Op) error {
	if op.Path != d.path {
		return nil
	}
	switch op.Kind {
	case errorfs.OpLock, errorfs.OpOpen, errorfs.OpCreate, errorfs.OpList, errorfs.OpOpenDir:
		return &fs.PathError{Op: "open", Path: d.path, Err: syscall.EACCES}
	}
	return nil
}

// A file that may not be opened, and a directory, is not damaged: nobody shall
// empty the directory for it. Once it may be, the store opens.
func TestForbiddenFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	files := diskStore(t, dir)
	files["data_dir"] = dir
	for _, kind := range slices.Sorted(maps.Keys(files)) {
		path := files[kind]
		err := openAndRead(dir, store.Options{FS: errorfs.Wrap(vfs.Default, denied{path})})
		var damaged *store.CorruptError
		switch {
		case err == nil && (kind == "OPTIONS" || kind == "BALLAST" || strings.HasPrefix(kind, "marker.")): // looked at by name only
		case err == nil || errors.As(err, &damaged) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), path):
			t.Errorf("%s: %v", kind, err)
		}
		if err := openAndRead(dir, store.Options{}); err != nil {
			t.Fatalf("%s: with the permission again: %v", kind, err)
		}
		files = diskFiles(t, dir) // they have other names now
		files["data_dir"] = dir
	}
}
