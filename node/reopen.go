package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/node/store"
)

// A data directory that cannot be reached may come back: a file system that is not
// mounted yet, a permission that somebody took away. Nothing is lost then, and
// nothing that was acknowledged is in doubt, so a node waits for it and goes on by
// itself. It never begins anew by itself: the marker says what must be there.

// MayPass says of an error of Open, or of what a node has failed with, that its
// data directory cannot be reached, and that nothing is known to be lost: it can
// be opened again, once somebody has put that right.
func MayPass(err error) bool {
	var refused *OpenError
	var final *finalError
	if errors.As(err, &final) {
		return false
	}
	if errors.As(err, &refused) {
		return refused.Passes
	}
	var damaged *store.CorruptError
	var lost *store.LostError
	switch {
	case errors.As(err, &damaged):
		return false
	case errors.As(err, &lost):
		return true
	}
	return unreached(err)
}

// unreached says that a file could not be opened, made, renamed or removed, for a
// reason that is outside of it. A write or a sync that failed is none of that,
// whatever the reason: what it was about may be lost.
func unreached(err error) bool {
	var at *fs.PathError
	var link *os.LinkError
	if !errors.As(err, &link) {
		if !errors.As(err, &at) || !slices.Contains([]string{"open", "access", "stat", "lstat", "mkdir", "remove", "unlinkat", "readdirent", "fdopendir"}, at.Op) {
			return false
		}
	}
	for _, reason := range []error{syscall.EACCES, syscall.EPERM, syscall.ENOENT, syscall.ENOTCONN, syscall.ESTALE, syscall.EMFILE, syscall.ENFILE, syscall.EROFS} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// reachable says why a log store cannot be opened in dir, before it is tried: a
// store that fails in the middle of it keeps its memory.
func reachable(dir string) error {
	if err := access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("node: data directory: %w", err)
	}
	for _, e := range names {
		mode := uint32(unix.R_OK)
		switch {
		case !e.Type().IsRegular():
			continue
		case e.Name() == "LOCK" || e.Name() == "SYNCED":
			mode |= unix.W_OK
		}
		if err := access(filepath.Join(dir, e.Name()), mode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func access(path string, mode uint32) error {
	if err := unix.Access(path, mode); err != nil {
		return fmt.Errorf("node: data directory: %w", &fs.PathError{Op: "access", Path: path, Err: err})
	}
	return nil
}

const (
	// watchEvery is how often a node looks whether its files are still there.
	watchEvery = time.Second
	// reopenFirst is how long after a failure it tries to open them again, and
	// reopenMost how long apart the tries get.
	reopenFirst = time.Second
	reopenMost  = 10 * time.Second
)

// watchFiles fails the node once its files were taken away: what it acknowledges
// after that would be gone with the process.
func (n *Node) watchFiles() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-n.ended:
			return
		}
		n.mu.Lock()
		s, state := n.store, n.state
		n.mu.Unlock()
		if s == nil || state != Running && state != Waiting {
			continue
		}
		if err := s.Present(); err != nil {
			n.mu.Lock()
			if n.store == s {
				n.failLocked(err)
			}
			n.mu.Unlock()
		}
	}
}

// comesBack says whether a node that failed with err opens its store again by
// itself. A file system that turned read-only may have lost writes.
func comesBack(err error) bool { return MayPass(err) && !errors.Is(err, syscall.EROFS) }

// comeBack opens the store of a failed node again, once that can be done, as a
// restart of the server would. failed is the runner that it had, if any.
func (n *Node) comeBack(failed *runner) {
	if !n.release(failed) {
		return
	}
	for wait := reopenFirst; ; wait = min(2*wait, reopenMost) {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-n.ended:
			t.Stop()
			return
		}
		if n.reopen(failed) {
			return
		}
	}
}

// release waits until nothing of what has failed is under way any more, and gives
// the directory free; false if the node is closed first.
func (n *Node) release(failed *runner) bool {
	n.mu.Lock()
	s := n.store
	n.mu.Unlock()
	done := make(chan struct{})
	n.cfg.Go(func() {
		defer close(done)
		if failed != nil {
			failed.wait(context.Background()) // its store answers every call by now
			n.note.settle()
		}
		if s != nil {
			_ = s.Close() // a failed store is only released, and says again what it failed with
		}
	})
	select {
	case <-done:
	case <-n.ended:
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.store == s && n.state == Failed {
		n.store = nil
	}
	return true
}

// reopen tries once. It returns whether that was the last time: the node runs, or
// it stays as it is.
func (n *Node) reopen(failed *runner) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != Failed || n.run != failed {
		return true // it was closed
	}
	n.run = nil
	found, err := n.openStore()
	if err == nil && !found {
		err = fmt.Errorf("its data and %s are gone", n.cfg.MarkerPath)
	}
	if err == nil {
		n.failure = nil
		if err = n.begin(); err == nil {
			n.cfg.Logger.Warn(fmt.Sprintf("node %d runs again: its data directory is back", n.id.NodeID))
			return true
		}
	}
	n.run = failed
	if !comesBack(err) || n.store != nil {
		n.state = Running // so that this failure takes the place of the first
		n.failLocked(&finalError{err})
		return true
	}
	if text := fmt.Sprintf("node %d waits for its data directory: %v", n.id.NodeID, err); n.failure == nil || n.failure.Error() != text {
		n.failure = fmt.Errorf("node %d waits for its data directory: %w", n.id.NodeID, err)
		n.cfg.Logger.Error(text)
		n.setState(Failed)
	}
	return false
}

// finalError is a failure that a node does not come back from by itself.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }
