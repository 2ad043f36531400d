package store_test

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// realDisk is a directory of the operating system.
type realDisk struct {
	dir string
	o   store.Options
}

func (d *realDisk) Open() (logstore.Store, error) { return store.Open(d.dir, d.o) }

func (d *realDisk) Crash(int, uint64) { panic("a test cannot crash this machine") }

// memDisk is a disk in memory that forgets what was not synced.
type memDisk struct {
	t    storetest.TB
	fs   *vfs.MemFS
	o    store.Options
	open *store.Pebble
}

func newMemDisk(t storetest.TB, o store.Options) *memDisk {
	o.Logger = quiet
	return &memDisk{t: t, fs: vfs.NewCrashableMem(), o: o}
}

func (d *memDisk) Open() (logstore.Store, error) {
	o := d.o
	o.FS = d.fs
	s, err := store.Open("data", o)
	d.open = s
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (d *memDisk) Crash(keepPercent int, seed uint64) {
	old := d.open
	d.fs = d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keepPercent, RNG: rand.New(rand.NewPCG(seed, 0))})
	if err := old.Close(); err != nil { // on the disk that is no more, for its goroutines
		d.t.Fatal(err)
	}
}

func keepAll() vfs.CrashCloneCfg {
	return vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))}
}

func TestContractOnRealDisk(t *testing.T) {
	storetest.Run(t, storetest.Config{Histories: 15, Concurrent: true, New: func(t storetest.TB) storetest.Disk {
		dir, err := os.MkdirTemp("", "pgraft-store-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		return &realDisk{dir: filepath.Join(dir, "pgraft", "store"), o: store.Options{Logger: quiet, MemTableBytes: 256 << 10}}
	}})
}

func TestContractOnCrashingDisk(t *testing.T) {
	storetest.Run(t, storetest.Config{Histories: 30, Crashes: true, Concurrent: true, New: func(t storetest.TB) storetest.Disk {
		return newMemDisk(t, store.Options{MemTableBytes: 256 << 10})
	}})
}

func TestContractWithShortHistory(t *testing.T) {
	short := store.Retention{RetainEntries: 4, RetainBytes: 5000}
	storetest.Run(t, storetest.Config{Histories: 30, Crashes: true, Concurrent: true, Retention: short, New: func(t storetest.TB) storetest.Disk {
		return newMemDisk(t, store.Options{Retention: short})
	}})
}

func TestClosed(t *testing.T) {
	s, err := newMemDisk(t, store.Options{}).Open()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for what, err := range map[string]error{
		"write": s.Write(nil), "set identity": s.SetIdentity(core.Identity{}), "retention": s.SetRetention(store.Retention{}),
		"load": second(s.Load()), "entry": second(s.(store.Store).Entry(1)), "entries": second(s.Entries(1, 1, 1)),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s on a closed store: %v", what, err)
		}
	}
}
