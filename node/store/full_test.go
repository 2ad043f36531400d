package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
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

// fullAt has the nth call that changes something find no room, and the times-1 calls
// after it that are not syncs.
type fullAt struct {
	n, times, calls atomic.Int64
	sync            atomic.Bool // the nth was a sync
	what            atomic.Value
}

func (f *fullAt) String() string { return "fullAt" }

func (f *fullAt) MaybeError(op errorfs.Op) error {
	sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo || op.Kind == errorfs.OpFileClose
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRename, errorfs.OpMkdirAll, errorfs.OpOpen,
		errorfs.OpFileWrite, errorfs.OpFileWriteAt:
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
	default:
		if !sync {
			return nil
		}
	}
	c := f.calls.Add(1)
	if c == f.n.Load() {
		f.sync.Store(sync)
		f.what.Store(fmt.Sprint(op.Kind, " ", op.Path))
		return syscall.ENOSPC
	}
	if !sync && c > f.n.Load() && c < f.n.Load()+f.times.Load() {
		return syscall.EDQUOT
	}
	return nil
}

// Whichever single call finds no room: if it was a sync, the store fails for good. If
// not, the store goes on once there is some, and has everything. It never loses what
// it acknowledged, and a store that could not be opened can be once there is room.
func TestFullDiskAtEveryCall(t *testing.T) {
	waited, failed := 0, 0
	for _, times := range []int64{1, 3} {
		for n, finished := int64(1), false; !finished; n++ {
			base := vfs.NewCrashableMem()
			inj := &fullAt{}
			inj.n.Store(n)
			inj.times.Store(times)
			o := store.Options{MemTableBytes: 256 << 10, Logger: quiet, Retention: store.Retention{RetainEntries: 2}}
			o.FS = errorfs.Wrap(base, inj)
			s, synced, written, err := workload(o, n%2 == 0)
			if err == nil {
				wantRoomAgain(t, s)
				if last := s.Bounds().Last; last != 12 {
					t.Fatalf("call %d: the log ends at %d", n, last)
				}
				err = s.Close()
				finished = inj.calls.Load() < n
				synced = 12
			}
			if finished {
				continue
			}
			switch opened := s != nil; {
			case err == nil && inj.sync.Load():
				t.Fatalf("call %d: nobody learnt of the failure of %v", n, inj.what.Load())
			case err == nil:
				waited++
			case opened && !inj.sync.Load():
				t.Fatalf("call %d: %v found no room, and the store failed: %v", n, inj.what.Load(), err)
			case !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT):
				t.Fatalf("call %d: %v: the error does not say why: %v", n, inj.what.Load(), err)
			default:
				failed++
			}
			for _, keep := range []int{0, 100} {
				fs := base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rand.New(rand.NewPCG(uint64(n), 0))})
				checkSurvived(t, n, keep, fs, synced, written)
			}
		}
	}
	if waited < 50 || failed < 20 {
		t.Errorf("%d calls waited and %d failed, fewer than the workload makes", waited, failed)
	}
}

// wantRoomAgain waits until the last call that found no room has been made again.
func wantRoomAgain(t *testing.T, s *store.Pebble) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		switch r, err := s.Room(); {
		case err != nil:
			return // it failed in the background, as Close will say
		case !r.Full:
			return
		case time.Now().After(deadline):
			t.Fatalf("there is room, and the store says %+v", r)
		}
	}
}

// A disk fills up. First the store says so, while there is still the reserve; then the
// ballast goes; then a write waits, half written, and readers do not; then there is
// room, and the write ends, and all is there, after a crash too.
func TestDiskFillsUp(t *testing.T) {
	const reserve, size = 2 << 20, 1 << 20 // of 20 MB
	base := vfs.NewCrashableMem()
	d := newSmallDisk(base, 8<<20)
	var told atomic.Int32
	s, err := store.Open("data", store.Options{FS: d, Logger: quiet, OnFull: func() { told.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	s.WaitForRoom(make(chan struct{}))
	write := func(i uint64, size int) {
		t.Helper()
		if err := s.Write([]core.Persist{{Entries: storetest.Entries(i, 1, 1, size), Sync: true}}); err != nil {
			t.Fatal(err)
		}
	}
	d.wantRoom(t, s, false)
	if d.ballast != size {
		t.Errorf("the ballast has %d bytes", d.ballast)
	}
	write(1, 1000)
	d.add(reserve - d.free - 1)
	if r := d.wantRoom(t, s, true); r.Cause != nil {
		t.Errorf("little is free, and the cause is %v", r.Cause)
	}
	d.add(-d.free)
	write(2, 1000) // into the room of the ballast
	if r := d.wantRoom(t, s, true); !errors.Is(r.Cause, syscall.ENOSPC) || d.ballast != 0 || told.Load() != 1 {
		t.Errorf("cause %v, ballast %d, told %d times", r.Cause, d.ballast, told.Load())
	}
	select {
	case <-d.met:
	default:
	}
	d.add(30_000 - d.free)
	written := make(chan error, 1)
	go func() {
		written <- s.Write([]core.Persist{{Entries: storetest.Entries(3, 3, 1, 20_000), Sync: true}})
	}()
	<-d.met
	if e, err := s.Entry(2); err != nil || len(e.Data) == 0 {
		t.Errorf("a read meanwhile: %v", err)
	}
	other := make(chan error, 1)
	d.whenMetAgain(func() { // as the call is made once more
		answer := make(chan error, 1)
		go func() { answer <- s.SetIdentity(core.Identity{}) }()
		select {
		case err := <-answer:
			other <- err
		case <-time.After(5 * time.Second):
			other <- errors.New("it waits too")
		}
	})
	if err := <-other; !errors.Is(err, store.ErrFull) {
		t.Errorf("another write meanwhile: %v", err)
	}
	if err := s.SetRetention(store.Retention{RetainEntries: 100}); err != nil {
		t.Errorf("the retention meanwhile: %v", err)
	}
	select {
	case err := <-written:
		t.Fatalf("a write without room: %v", err)
	default:
	}
	d.add(8 << 20)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	d.wantRoom(t, s, false)
	if d.ballast != size || told.Load() != 1 {
		t.Errorf("the ballast has %d bytes again; told %d times", d.ballast, told.Load())
	}
	write(6, 1000)
	after := base.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open("data", store.Options{FS: after, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	durable, err := again.Load()
	if err != nil || len(durable.Entries) != 6 {
		t.Fatalf("after a crash: %d entries, %v", len(durable.Entries), err)
	}
	for _, e := range durable.Entries {
		size := map[bool]int{true: 20_000, false: 1000}[e.Index >= 3 && e.Index <= 5]
		if string(e.Data) != string(storetest.Entries(e.Index, 1, 1, size)[0].Data) {
			t.Errorf("entry %d is not what was written", e.Index)
		}
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Whoever closes the store, or says that nobody waits any longer, is not held up by a
// full disk. What was acknowledged is there, and what was not is not claimed.
func TestAbandonFullDisk(t *testing.T) {
	for name, abandon := range map[string]func(*store.Pebble, chan struct{}) error{
		"close": func(s *store.Pebble, _ chan struct{}) error { return s.Close() },
		"until": func(s *store.Pebble, until chan struct{}) error { close(until); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			base := vfs.NewCrashableMem()
			d := newSmallDisk(base, 8<<20)
			s, err := store.Open("data", store.Options{FS: d, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			until := make(chan struct{})
			s.WaitForRoom(until)
			if err := s.Write([]core.Persist{{Entries: storetest.Entries(1, 3, 1, 1000), Sync: true}}); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			d.free, d.ballast = 0, 0 // which somebody else takes
			d.mu.Unlock()
			written := make(chan error, 1)
			go func() {
				written <- s.Write([]core.Persist{{Entries: storetest.Entries(4, 1, 1, 100_000), Sync: true}})
			}()
			<-d.met
			if err := abandon(s, until); err != nil {
				t.Errorf("it says %v", err)
			}
			select {
			case err := <-written:
				if !errors.Is(err, store.ErrAbandoned) || !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("the write: %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the write still waits")
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			again, err := store.Open("data", store.Options{FS: base.CrashClone(vfs.CrashCloneCfg{}), Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			if last := again.Bounds().Last; last != 3 {
				t.Errorf("the log ends at %d", last)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A node that is started on a full disk has the ballast to come up with.
func TestOpenOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	d := newSmallDisk(vfs.Default, 8<<20)
	s, err := store.Open(dir, store.Options{FS: d, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	d.wantRoom(t, s, false)
	if err := errors.Join(s.Write([]core.Persist{{Entries: storetest.Entries(1, 3, 1, 1000), Sync: true}}), s.Close()); err != nil {
		t.Fatal(err)
	}
	d.add(-d.free)
	if s, err = store.Open(dir, store.Options{FS: d, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	d.wantRoom(t, s, true)
	if _, err := os.Stat(dir + "/" + ballast); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the ballast: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.add(-d.free)
	if _, err = store.Open(dir, store.Options{FS: d, Logger: quiet}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("open without a ballast: %v", err)
	}
	d.add(8 << 20)
	if s, err = store.Open(dir, store.Options{FS: d, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	if last := s.Bounds().Last; last != 3 {
		t.Errorf("the log ends at %d", last)
	}
	d.wantRoom(t, s, false)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
