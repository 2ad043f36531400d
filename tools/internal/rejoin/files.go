package rejoin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The server's own files, in its data directory: what makes data anew brings those of the source
// along. They are kept in a directory beside meanwhile. Small ones are copied, and not moved:
// with them in place the server's next start finds the marker, should this program be killed.

// ofPostgres are the files of a data directory that are the data, or of one server that runs.
var ofPostgres = []string{"PG_VERSION", "base", "global", "backup_label", "backup_manifest", "tablespace_map", "standby.signal", "recovery.signal",
	"backup_label.old", "tablespace_map.old", "promote", "current_logfiles", "postmaster.pid", "postmaster.opts", "logrotate"}

// isOwn says that an entry of a data directory is the server's own: settings, certificates, the
// Raft store, logs.
func isOwn(e fs.DirEntry) bool {
	if slices.Contains(ofPostgres, e.Name()) {
		return false
	}
	return e.Type().IsRegular() || !strings.HasPrefix(e.Name(), "pg_") // pg_hba.conf is, pg_wal is not
}

// smallBytes is up to which size a file or directory is copied.
const smallBytes = 1 << 20

// partSuffix is of a copy that is under way, beside the directory of the own files.
const partSuffix = ".part"

// asideReady lies in the directory of the own files once it has all of them.
const asideReady = ".complete"

// putAside keeps the own files outside the data directory. Once all are there it does nothing:
// what the data directory has then may be another server's.
func (h *helper) putAside() error {
	aside := h.asideDir()
	if _, err := os.Stat(filepath.Join(aside, asideReady)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Mkdir(aside, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	own, err := h.own()
	if err != nil {
		return err
	}
	for _, name := range own {
		if err := moveOrCopy(filepath.Join(h.DataDir, name), filepath.Join(aside, name)); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(aside), syncDir(h.DataDir), WriteDurably(filepath.Join(aside, asideReady), nil))
}

// moveOrCopy does nothing where to is there: that is whole, whatever from has become since.
func moveOrCopy(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	small, err := isSmall(from)
	if err != nil {
		return err
	}
	if small {
		part := filepath.Dir(to) + partSuffix
		if err := errors.Join(os.RemoveAll(part), copyTree(from, part), syncDirs(part)); err != nil {
			return err
		}
		from = part
	}
	return os.Rename(from, to)
}

// own are the names of the own files in the data directory.
func (h *helper) own() (names []string, err error) {
	entries, err := os.ReadDir(h.DataDir)
	for _, e := range entries {
		if isOwn(e) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// clearsOthers removes the source's own files that this server has none for.
func (h *helper) clearsOthers() error {
	own, err := h.own()
	for _, name := range own {
		if _, e := os.Lstat(filepath.Join(h.asideDir(), name)); errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(h.DataDir, name)))
		} else {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, syncDir(h.DataDir))
}

// putBack moves the own files back, over what the source has brought.
func (h *helper) putBack() error {
	entries, err := os.ReadDir(h.asideDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // all are, and the directory is gone
	}
	for _, e := range entries {
		if e.Name() == asideReady {
			continue
		}
		to := filepath.Join(h.DataDir, e.Name())
		if err = errors.Join(err, os.RemoveAll(to), os.Rename(filepath.Join(h.asideDir(), e.Name()), to)); err != nil {
			return err
		}
	}
	return errors.Join(err, syncDir(h.DataDir), syncDir(h.asideDir()))
}

// cloneMark lies in a clone that is whole.
const cloneMark = "pgraft.cloned"

// putInPlace exchanges the data directory and the clone, if there is one. The old one is kept.
func (h *helper) putInPlace() error {
	fresh := h.newDir()
	if _, err := os.Stat(filepath.Join(fresh, cloneMark)); err == nil {
		if err := h.putLock(fresh); err != nil {
			return err
		}
		if err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, h.DataDir, unix.RENAME_EXCHANGE); err != nil {
			return fmt.Errorf("exchange %s and %s: %w", fresh, h.DataDir, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(fresh); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for n := 1; ; n++ {
		old := fmt.Sprintf("%s.pgraft_old_%d", h.DataDir, n)
		if _, err := os.Lstat(old); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(fresh, old); err != nil {
			return err
		}
		h.say("the data of before is in %s", old)
		return errors.Join(os.RemoveAll(filepath.Join(old, lockFile)), syncDir(filepath.Dir(old)))
	}
}

// putLock has the server's lock file in the clone, too: who stops the server finds it at each instant.
func (h *helper) putLock(fresh string) error {
	text, err := os.ReadFile(filepath.Join(h.DataDir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a program has just removed it: it is written anew before the server starts
	} else if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(fresh, lockFile), text, 0o600)
}

// WriteDurably replaces a file; it is as it was, or has this text.
func WriteDurably(path string, text []byte) error {
	aside := path + ".new"
	f, err := os.OpenFile(aside, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", aside, err)
	}
	return errors.Join(os.Rename(aside, path), syncDir(filepath.Dir(path)))
}

// RemoveDurably removes a file.
func RemoveDurably(path string) error {
	return errors.Join(os.Remove(path), syncDir(filepath.Dir(path)))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncDirs makes the names in a directory durable, and in those below.
func syncDirs(path string) error {
	return filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = syncDir(path)
		}
		return err
	})
}

// isSmall says that a file or directory has few bytes.
func isSmall(path string) (bool, error) {
	var size int64
	err := filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if size += info.Size(); err == nil && size > smallBytes {
			err = fs.SkipAll
		}
		return err
	})
	return size <= smallBytes, err
}

// copyTree copies a file or directory, and syncs what it has written.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := to + strings.TrimPrefix(path, from)
		info, err := e.Info()
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.Mkdir(at, info.Mode().Perm())
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			return errors.Join(err, os.Symlink(target, at))
		case !e.Type().IsRegular():
			return nil // a socket, of a server that does not run
		}
		return copyFile(path, at, info.Mode().Perm())
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Sync(), w.Close())
}
