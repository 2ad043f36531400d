package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

// failNth fails one call that changes something on the disk, the nth, and lets
// all others pass: a disk that reports a failure once and then says all is well.
type failNth struct {
	n, calls atomic.Int64
	what     atomic.Value
}

func (f *failNth) String() string { return "failNth" }

func (f *failNth) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRename, errorfs.OpMkdirAll,
		errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData:
		if f.calls.Add(1) == f.n.Load() {
			f.what.Store(op.Path)
			return errorfs.ErrInjected
		}
	}
	return nil
}

// workload writes until it is done or something fails, as a Writer or by single calls of
// Write. It returns how many entries are in the log for certain, and how many may be.
func workload(o store.Options, asWriter bool) (s *store.Pebble, synced, written uint64, err error) {
	if s, err = store.Open("data", o); err != nil {
		return nil, 0, 0, err
	}
	s.WaitForRoom(make(chan struct{}))
	if err := s.SetIdentity(core.Identity{ClusterID: "c", NodeID: 1}); err != nil {
		return s, 0, 0, err
	}
	var last, durable atomic.Uint64 // a loop of a Writer stays where it is
	loop := func(write func([]core.Persist) error) error {
		for i := uint64(1); i <= 12; i++ {
			in := core.Persist{Entries: storetest.Entries(i, 1, 1, int(i%3)*60_000), Sync: i%2 == 0}
			if i%4 == 0 {
				in.Mark = &core.Snapshot{Index: i, Term: 1}
			}
			last.Store(i)
			if err := write([]core.Persist{in}); err != nil {
				return err
			}
			if in.Sync {
				durable.Store(i)
			}
		}
		return nil
	}
	if asWriter {
		err = s.Writer(loop)
	} else {
		err = loop(s.Write)
	}
	return s, durable.Load(), last.Load(), err
}

// Whichever single write, sync, rename or create fails: the store fails for
// good, in that very words, and what it acknowledged is there when it is opened
// again.
func TestFirstFailureIsFinal(t *testing.T) {
	failures, finished := 0, false
	for n := int64(1); !finished; n++ {
		base := vfs.NewCrashableMem()
		inj := &failNth{}
		inj.n.Store(n)
		o := store.Options{MemTableBytes: 256 << 10, Logger: quiet, Retention: store.Retention{RetainEntries: 2}}
		o.FS = errorfs.Wrap(base, inj)
		s, synced, written, err := workload(o, n%2 == 0)
		if err == nil {
			// The nth call may come in the background, or only in Close.
			err = s.Close()
			finished = inj.calls.Load() < n
			synced = 12
			s = nil
		}
		if finished {
			continue
		}
		failures++
		if err == nil {
			t.Fatalf("call %d: nobody learnt of the failure of %v", n, inj.what.Load())
		}
		if inj.what.Load() == nil {
			t.Fatalf("call %d: no fault was injected, yet: %v", n, err)
		}
		if s != nil {
			checkFailed(t, n, s, err)
		}
		keeps := []int{0, 100}
		if n%4 == 0 {
			// Pebble spends up to a second on a torn chunk, looking for the one
			// bit that would make it whole.
			keeps = append(keeps, 50)
		}
		for _, keep := range keeps {
			fs := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rand.New(rand.NewPCG(uint64(n), 0))})
			checkSurvived(t, n, keep, fs, synced, written)
		}
	}
	if failures < 50 {
		t.Errorf("%d calls failed in turn, fewer than the workload makes", failures)
	}
}

func checkFailed(t *testing.T, n int64, s *store.Pebble, first error) {
	t.Helper()
	if !errors.Is(first, errorfs.ErrInjected) {
		t.Errorf("call %d: the error does not say why: %v", n, first)
	}
	for what, err := range map[string]error{
		"write": s.Write([]core.Persist{{Sync: true}}), "load": second(s.Load()), "entry": second(s.Entry(1)),
		"identity": s.SetIdentity(core.Identity{}), "retention": s.SetRetention(store.Retention{}),
	} {
		if err != first {
			t.Errorf("call %d: %s after the failure: %v instead of %v", n, what, err, first)
		}
	}
	if err := s.Close(); err != first {
		t.Errorf("call %d: close after the failure: %v instead of %v", n, err, first)
	}
}

func second[T any](_ T, err error) error { return err }

func checkSurvived(t *testing.T, n int64, keep int, fs vfs.FS, synced, written uint64) {
	t.Helper()
	s, err := store.Open("data", store.Options{FS: fs, Logger: quiet})
	var damaged *store.CorruptError
	if written == 0 && errors.As(err, &damaged) {
		return // half a directory, of a store that was never open
	}
	if err != nil {
		t.Errorf("call %d, %d %% kept: %v", n, keep, err)
		return
	}
	d, err := s.Load()
	if err != nil {
		t.Errorf("call %d, %d %% kept: %v", n, keep, err)
	}
	if last := s.Bounds().Last; last < synced || last > written {
		t.Errorf("call %d, %d %% kept: the log ends at %d, synced %d, written %d", n, keep, last, synced, written)
	}
	for _, e := range d.Entries {
		if want := storetest.Entries(e.Index, 1, 1, int(e.Index%3)*60_000)[0]; string(e.Data) != string(want.Data) {
			t.Errorf("call %d, %d %% kept: entry %d is not what was written", n, keep, e.Index)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("call %d, %d %% kept: close: %v", n, keep, err)
	}
}

// A Writer returns what its loop returns, and panics as it does.
func TestWriter(t *testing.T) {
	s, err := store.Open("data", store.Options{FS: vfs.NewMem(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	mine := errors.New("the loop's")
	var outer func([]core.Persist) error
	err = s.Writer(func(write func([]core.Persist) error) error {
		outer = write
		if err := write([]core.Persist{{Entries: storetest.Entries(1, 3, 1, 10), Sync: true}}); err != nil {
			return err
		}
		return mine
	})
	if err != mine || s.Bounds().Last != 3 {
		t.Errorf("%v, the log ends at %d", err, s.Bounds().Last)
	}
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), what) {
				t.Errorf("panic %v instead of %q", r, what)
			}
		}()
		f()
	}
	panics("a gap: entry 9, but the log ends at 3", func() {
		err := s.Writer(func(write func([]core.Persist) error) error {
			return write([]core.Persist{{Entries: storetest.Entries(9, 1, 1, 10)}})
		})
		t.Errorf("it returned %v", err)
	})
	panics("the host's", func() {
		err := s.Writer(func(func([]core.Persist) error) error { panic("the host's") })
		t.Errorf("it returned %v", err)
	})
	if err := s.Write([]core.Persist{{Entries: storetest.Entries(4, 1, 1, 10), Sync: true}}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := outer(nil); err != store.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

// A store that failed in the process gives its directory free: whoever opens it
// next in the same process finds it whole.
func TestFailedStoreReleasesItsDirectory(t *testing.T) {
	inj := &failNth{}
	o := store.Options{FS: errorfs.Wrap(vfs.Default, inj), Logger: quiet}
	dir := t.TempDir()
	s, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write([]core.Persist{{Entries: storetest.Entries(1, 3, 1, 10), Sync: true}}); err != nil {
		t.Fatal(err)
	}
	inj.n.Store(inj.calls.Load() + 2) // the write, then the sync
	if err := s.Write([]core.Persist{{Entries: storetest.Entries(4, 1, 1, 10), Sync: true}}); err == nil || !strings.Contains(err.Error(), "sync ") {
		t.Fatalf("write with a failing sync: %v", err)
	}
	if err := s.Close(); !errors.Is(err, errorfs.ErrInjected) {
		t.Fatalf("close: %v", err)
	}
	again, err := store.Open(dir, store.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if last := again.Bounds().Last; last < 3 {
		t.Errorf("the log ends at %d", last)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Two stores in one directory would overwrite each other.
func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir, store.Options{Logger: quiet}); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second open: %v", err)
	}
	// The refusal must not have released the lock of the first.
	if _, err := store.Open(dir, store.Options{Logger: quiet}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("third open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Many batches cost one fsync, and those that need none cost none.
func TestOneSyncForAll(t *testing.T) {
	var syncs atomic.Int64
	count := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
			syncs.Add(1)
		}
		return nil
	})
	s, err := store.Open("data", store.Options{FS: errorfs.Wrap(vfs.NewMem(), count), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	write := func(batches []core.Persist, want int64) {
		t.Helper()
		before := syncs.Load()
		if err := s.Write(batches); err != nil {
			t.Fatal(err)
		}
		if got := syncs.Load() - before; got != want {
			t.Errorf("%d batches: %d syncs instead of %d", len(batches), got, want)
		}
	}
	var batches []core.Persist
	for i := uint64(1); i <= 64; i++ {
		batches = append(batches, core.Persist{Entries: storetest.Entries(i, 1, 1, 10), Sync: i%2 == 1})
	}
	write(batches, 1)
	write([]core.Persist{{HardState: &core.HardState{Term: 1, Commit: 64}}, {Mark: &core.Snapshot{Index: 60, Term: 1}}}, 0)
	write([]core.Persist{{PromiseMillis: 7, Sync: true}}, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// While an fsync is under way, readers see neither what it is for nor a hole
// where the new entries replace old ones.
func TestReadDuringSync(t *testing.T) {
	var armed atomic.Bool
	syncing, release := make(chan struct{}), make(chan struct{})
	slow := errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
		if sync && strings.HasSuffix(op.Path, ".log") && armed.CompareAndSwap(true, false) {
			close(syncing)
			<-release
		}
		return nil
	})
	s, err := store.Open("data", store.Options{FS: errorfs.Wrap(vfs.NewMem(), slow), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write([]core.Persist{{Entries: storetest.Entries(1, 9, 1, 10), Sync: true}}); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	written := make(chan error, 1)
	go func() { written <- s.Write([]core.Persist{{Entries: storetest.Entries(5, 1, 2, 10), Sync: true}}) }()
	<-syncing
	var beyond *store.BeyondError
	for _, index := range []uint64{5, 9} {
		if e, err := s.Entry(index); !errors.As(err, &beyond) || beyond.Last != 4 {
			t.Errorf("entry %d: %v, %v", index, e, err)
		}
	}
	if e, err := s.Entry(4); err != nil || e.Term != 1 {
		t.Errorf("entry 4: %v, %v", e, err)
	}
	close(release)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if e, err := s.Entry(5); err != nil || e.Term != 2 {
		t.Errorf("entry 5: %v, %v", e, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
