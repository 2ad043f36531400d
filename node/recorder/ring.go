package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ringFile is one that is no longer written to.
type ringFile struct {
	path  string
	bytes int64
}

const (
	suffix     = ".trace"
	nameFormat = "%08d" + suffix
)

// number reads a file's name; 0 for what is none of the recorder's.
func number(name string) uint64 {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// create opens the next file. Once it has succeeded, the files of earlier
// processes are known.
func (r *Recorder) create() error {
	if r.next == 1 {
		if err := r.scan(); err != nil {
			return err
		}
	}
	path := filepath.Join(r.dir, fmt.Sprintf(nameFormat, r.next))
	f, err := r.open(path)
	if err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	r.file, r.path, r.written = f, path, 0
	r.next++
	return nil
}

// scan makes the directory, or finds what earlier processes left in it.
func (r *Recorder) scan() error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	names, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	r.ring, r.ringBytes = nil, 0
	for _, e := range names {
		n := number(e.Name())
		if n == 0 {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("recorder: %w", err)
		}
		r.ring = append(r.ring, ringFile{filepath.Join(r.dir, e.Name()), info.Size()})
		r.ringBytes += info.Size()
		r.next = max(r.next, n+1)
	}
	slices.SortFunc(r.ring, func(a, b ringFile) int {
		return cmp.Compare(number(filepath.Base(a.path)), number(filepath.Base(b.path)))
	})
	return nil
}

// trim removes the oldest files while the ring is too large.
func (r *Recorder) trim() {
	for r.settings.Mode == Ring && len(r.ring) > 0 && r.ringBytes+r.written > r.settings.MaxBytes {
		oldest := r.ring[0]
		if err := os.Remove(oldest.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			// It would come up at every write: forget it, so it stays for good.
			r.logger.Warn(fmt.Sprintf("flight recorder: %v", err))
		}
		r.ring = r.ring[1:]
		r.ringBytes -= oldest.bytes
	}
}
