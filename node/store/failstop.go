package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard holds the first failure of a store, which is final.
//
// Pebble answers a failed write in several ways, and none of them is right
// here: it panics when it cannot rotate its log, calls Logger.Fatalf (which ends
// the process, and with it every session of the server) when a commit or its
// manifest fails, and writes a table again when a flush fails. So Pebble never
// learns of a failure: the call that failed is kept, for good, inside the file
// system that Pebble was given, as is every later one that would change
// something. To Pebble it is as if the machine had stopped there; to the caller
// of the store, who waits on a channel and not on Pebble, it is an error.
//
// The price is that a failed store keeps its goroutines and its memory until
// the process ends, which the node does next.
//
// A full disk is no failure; see room.
type guard struct {
	log  *slog.Logger
	once sync.Once
	dead chan struct{} // closed after err is set
	err  error
}

func newGuard(log *slog.Logger) *guard {
	return &guard{log: log, dead: make(chan struct{})}
}

// fail makes err the store's last word, unless there is one already.
func (g *guard) fail(err error) {
	g.once.Do(func() {
		g.err = err
		if !errors.Is(err, ErrAbandoned) {
			g.log.Error("the log store has failed, the node must stop", "error", err)
		}
		close(g.dead)
	})
}

// failed returns what the store failed with, nil while it has not.
func (g *guard) failed() error {
	select {
	case <-g.dead:
		return g.err
	default:
		return nil
	}
}

// stop fails with err and never returns: the goroutine that calls it holds
// locks of Pebble over a state that is no longer whole.
func (g *guard) stop(err error) {
	g.fail(err)
	select {}
}

// do runs f, which may end up in stop, and returns its error or the failure of
// the store, whichever comes first. It turns a panic of f into a failure.
func (g *guard) do(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- g.caught(f) }()
	select {
	case err := <-done:
		if failed := g.failed(); failed != nil {
			return failed
		}
		return err
	case <-g.dead:
		return g.err
	}
}

// caught runs f and turns a panic of it into a failure.
func (g *guard) caught(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			g.fail(fmt.Errorf("store: panic: %v\n%s", r, debug.Stack()))
			err = g.failed()
		}
	}()
	return f()
}

// failStopFS passes every call on to FS until one that changes something fails. One
// that finds no room is made again.
// Reads are never held back: their errors harm nobody.
type failStopFS struct {
	vfs.FS
	g    *guard
	room *room

	mu   sync.Mutex
	lock io.Closer // on the directory, nil once released
}

// change runs a call that changes something on the disk.
func (f *failStopFS) change(what change, name string, call func() error) {
	waits := false
	for tries := 0; ; tries++ {
		if err := f.g.failed(); err != nil {
			f.g.stop(err)
		}
		err := call()
		if what.lacksRoom(err) {
			if err = f.room.wait(tries, err, &waits); err == nil {
				continue
			}
		}
		if waits {
			f.room.done()
		}
		if errors.Is(err, fs.ErrNotExist) { // not the file, which this makes: its directory
			f.g.stop(&LostError{Dir: f.PathDir(name), Path: f.PathDir(name)})
		}
		if err != nil {
			f.g.stop(fmt.Errorf("store: %s %s: %w", what, name, err))
		}
		return
	}
}

func (f *failStopFS) Create(name string, c vfs.DiskWriteCategory) (file vfs.File, err error) {
	f.change(changeCreate, name, func() error { file, err = f.FS.Create(name, c); return err })
	return &failStopFile{File: file, fs: f, name: name}, nil
}

func (f *failStopFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (file vfs.File, err error) {
	f.change(changeOpen, name, func() error { file, err = f.FS.OpenReadWrite(name, c, o...); return err })
	return &failStopFile{File: file, fs: f, name: name}, nil
}

// OpenDir opens a directory, which is there to be synced.
func (f *failStopFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &failStopFile{File: file, fs: f, name: name}, nil
}

// ReuseForWrite does not reuse: a log file never holds bytes of an older one,
// which a reader would have to tell from its own.
func (f *failStopFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(oldname); err != nil {
		return nil, err
	}
	return f.Create(newname, c)
}

func (f *failStopFS) Link(oldname, newname string) error {
	f.change(changeLink, newname, func() error { return f.FS.Link(oldname, newname) })
	return nil
}

func (f *failStopFS) Rename(oldname, newname string) error {
	f.change(changeRename, newname, func() error { return f.FS.Rename(oldname, newname) })
	return nil
}

func (f *failStopFS) MkdirAll(dir string, perm os.FileMode) error {
	f.change(changeMkdir, dir, func() error { return f.FS.MkdirAll(dir, perm) })
	return nil
}

// Remove returns an error only for a file that is not there, which Pebble asks
// for when it tidies up after a crash.
func (f *failStopFS) Remove(name string) (err error) {
	f.change(changeRemove, name, func() error {
		if err = f.FS.Remove(name); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return err
}

func (f *failStopFS) RemoveAll(name string) error {
	f.change(changeRemove, name, func() error { return f.FS.RemoveAll(name) })
	return nil
}

// Lock keeps the lock within reach of release.
func (f *failStopFS) Lock(name string) (io.Closer, error) {
	l, err := f.FS.Lock(name)
	switch {
	// The text is vfs.Default's answer to a second lock in one process.
	case errors.Is(err, syscall.EAGAIN), err != nil && err.Error() == "lock held by current process":
		return nil, ErrLocked
	case err != nil:
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lock = l
	return releaser{f}, nil
}

// release gives the directory free for another Store. Pebble does so when it
// closes, the store itself when it has failed, since it cannot close Pebble
// then; nothing that Pebble still has under way can reach the disk.
func (f *failStopFS) release() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		return nil
	}
	l := f.lock
	f.lock = nil
	return l.Close()
}

func (f *failStopFS) Unwrap() vfs.FS { return f.FS }

type releaser struct{ fs *failStopFS }

func (r releaser) Close() error { return r.fs.release() }

// failStopFile is a file of a failStopFS that was opened to be changed.
type failStopFile struct {
	vfs.File
	fs   *failStopFS
	name string
}

func (f *failStopFile) Write(p []byte) (n int, _ error) {
	f.fs.change(changeWrite, f.name, func() error {
		taken, err := f.File.Write(p[n:])
		n += taken // some of it, when there was no room for all
		return err
	})
	return n, nil
}

func (f *failStopFile) WriteAt(p []byte, off int64) (n int, err error) {
	f.fs.change(changeWrite, f.name, func() error { n, err = f.File.WriteAt(p, off); return err })
	return n, nil
}

func (f *failStopFile) Sync() error {
	f.fs.change(changeSync, f.name, f.File.Sync)
	return nil
}

func (f *failStopFile) SyncData() error {
	f.fs.change(changeSync, f.name, f.File.SyncData)
	return nil
}

func (f *failStopFile) SyncTo(length int64) (full bool, err error) {
	f.fs.change(changeSync, f.name, func() error { full, err = f.File.SyncTo(length); return err })
	return full, nil
}

func (f *failStopFile) Close() error {
	f.fs.change(changeClose, f.name, f.File.Close)
	return nil
}
