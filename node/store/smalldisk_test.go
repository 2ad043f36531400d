package store_test

import (
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/node/store"
)

const ballast = "BALLAST"

// smallDisk is a disk in memory with so much room. A write that does not fit is taken
// in part. What is removed gives no room back, but for the ballast.
type smallDisk struct {
	vfs.FS
	mu      sync.Mutex
	free    int64
	ballast int64
	met     chan struct{} // a call found no room
	again   func()        // unless nil: the next call that finds none calls it, once
}

func newSmallDisk(base vfs.FS, free int64) *smallDisk {
	return &smallDisk{FS: base, free: free, met: make(chan struct{}, 1)}
}

func (d *smallDisk) add(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free += n
}

// whenMetAgain has the next call that finds no room call f.
func (d *smallDisk) whenMetAgain(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.again = f
}

func (d *smallDisk) take(n int64, all bool) (int64, error) {
	d.mu.Lock()
	if n <= d.free {
		d.free -= n
		d.mu.Unlock()
		return n, nil
	}
	again := d.again
	d.again = nil
	defer func() {
		d.mu.Unlock()
		if again != nil {
			again()
		}
	}()
	if all {
		n = 0
	} else {
		n = max(0, d.free)
		d.free -= n
	}
	select {
	case d.met <- struct{}{}:
	default:
	}
	return n, syscall.ENOSPC
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return vfs.DiskUsage{AvailBytes: uint64(max(0, d.free)), TotalBytes: 20 << 20}, nil
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return &smallFile{f, d, d.PathBase(name) == ballast}, err
}

func (d *smallDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, o...)
	return &smallFile{f, d, d.PathBase(name) == ballast}, err
}

func (d *smallDisk) Remove(name string) error {
	err := d.FS.Remove(name)
	if err == nil && d.PathBase(name) == ballast {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.free, d.ballast = d.free+d.ballast, 0
	}
	return err
}

type smallFile struct {
	vfs.File
	d       *smallDisk
	ballast bool
}

func (f *smallFile) Write(p []byte) (int, error) {
	n, full := f.d.take(int64(len(p)), false)
	if n > 0 {
		if n, err := f.File.Write(p[:n]); err != nil {
			return n, err
		}
	}
	return int(n), full
}

func (f *smallFile) Preallocate(_, length int64) error {
	if !f.ballast { // Pebble does so to be faster, and does without
		return nil
	}
	n, err := f.d.take(length, true)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.ballast += n
	return err
}

func (d *smallDisk) wantRoom(t *testing.T, s *store.Pebble, full bool) store.Room {
	t.Helper()
	r, err := s.Room()
	if err != nil || r.Full != full {
		t.Fatalf("room: %+v, %v; want full: %v", r, err, full)
	}
	return r
}
