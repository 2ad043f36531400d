package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core/failover/host"
)

// The Raft store's note of the server that takes part in failover: a small file beside the log
// store, which package host writes as text. C reads it, too, before the server recovers.

// noteAside is the file that a note is written into, before it is renamed.
const noteAside = host.StoreFile + ".new"

// storeNote has the lock that is held while the note is read or written. Who may write is the
// host of the runner that has not stopped: its successor reads what is there by then.
type storeNote struct{ mu sync.Mutex }

// settle waits for a write that is under way.
func (s *storeNote) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// errOver says that a note is another's to write by now.
var errOver = errors.New("node: the core was stopped")

// raiseBoot raises the boot number, durably, and returns the note.
func (n *Node) raiseBoot() (host.Store, error) {
	n.note.mu.Lock()
	defer n.note.mu.Unlock()
	s, err := n.readNote()
	if err != nil {
		return s, err
	}
	if s.Boot == 0 {
		s.Boot = firstBoot()
	}
	s = s.Begins().Store
	return s, n.writeNote(s)
}

// firstBoot is a random number that boots are counted from where there is no note: it may be one
// that was lost, and no boot number is given again. It leaves room to count.
func firstBoot() uint64 { return uint64(rand.Uint32()) }

// noteStore is host.NoteStore, of a host that goes on until over is closed. A disk that fails
// stops the node; one that is full does not.
func (n *Node) noteStore(s host.Store, over <-chan struct{}) bool {
	err := func() error {
		n.note.mu.Lock()
		defer n.note.mu.Unlock()
		select {
		case <-over:
			return errOver
		default:
		}
		return n.writeNote(s)
	}()
	var full *noteFullError
	switch {
	case errors.Is(err, errOver):
	case errors.As(err, &full):
		n.cfg.Logger.Warn(err.Error())
	case err != nil:
		n.fail(err)
	}
	return err == nil
}

// forgetNote removes the note of a store that was there before. A store that is made has none:
// it knows nothing of the server.
func (n *Node) forgetNote() error {
	fsys := n.noteFS()
	for _, name := range []string{host.StoreFile, noteAside} {
		if err := fsys.Remove(filepath.Join(n.cfg.DataDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("node: the server's note: %w", err)
		}
	}
	return n.syncNotes()
}

func (n *Node) noteFS() vfs.FS {
	if n.cfg.FS != nil {
		return n.cfg.FS
	}
	return vfs.Default
}

// readNote returns the zero value where there is none. One that is damaged is refused: the boot
// number in it must not be given again.
func (n *Node) readNote() (s host.Store, err error) {
	path := filepath.Join(n.cfg.DataDir, host.StoreFile)
	f, err := n.noteFS().Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("node: the server's note: %w", err)
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return s, fmt.Errorf("node: the server's note: %w", err)
	}
	if s, err = host.UnmarshalStore(b); err != nil {
		return s, fmt.Errorf("node: %s: %w; the way out: remove this node, empty its data_dir, add it again", path, err)
	}
	return s, nil
}

// noteFullError says that a note was not written, as there is no room for it; nothing happened.
type noteFullError struct{ err error }

func (e *noteFullError) Error() string { return e.err.Error() }

// writeNote is durable on return. What fails but for lack of room is final, as in the log
// store: what the disk has then is not known.
func (n *Node) writeNote(s host.Store) error {
	fsys, path := n.noteFS(), filepath.Join(n.cfg.DataDir, host.StoreFile)
	aside := filepath.Join(n.cfg.DataDir, noteAside)
	roomless := func(err error) error {
		err = fmt.Errorf("node: the server's note: %w", err)
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return &noteFullError{err}
		}
		return err
	}
	f, err := fsys.Create(aside, vfs.WriteCategoryUnspecified)
	if err != nil {
		return roomless(err)
	}
	if _, err := f.Write(s.Marshal()); err != nil {
		return errors.Join(roomless(err), f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("node: the server's note: %w", err)
	}
	if err := fsys.Rename(aside, path); err != nil {
		return roomless(err)
	}
	return n.syncNotes()
}

func (n *Node) syncNotes() error {
	dir, err := n.noteFS().OpenDir(n.cfg.DataDir)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("node: the server's note: %w", err)
	}
	return nil
}
