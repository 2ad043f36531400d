package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"io"
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
	keptPrefix = "kept-"
	// maxKept is how many rings that were put aside at a panic stay; with the
	// next one the oldest goes.
	maxKept = 3
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

// keep puts the closed files aside, as links. The caller holds mu.
func (r *Recorder) keep() (string, error) {
	if len(r.ring) == 0 {
		return "", nil
	}
	dir := filepath.Join(r.dir, keptPrefix+r.now().UTC().Format("20060102T150405.000"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	for _, f := range r.ring {
		if err := os.Link(f.path, filepath.Join(dir, filepath.Base(f.path))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("recorder: %w", err)
		}
	}
	kept, err := filepath.Glob(filepath.Join(r.dir, keptPrefix+"*"))
	if err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	slices.Sort(kept) // by time
	for len(kept) > maxKept {
		if err := os.RemoveAll(kept[0]); err != nil {
			return "", fmt.Errorf("recorder: %w", err)
		}
		kept = kept[1:]
	}
	return dir, nil
}

// Save copies the ring as it is now into dir, which it makes, and returns the
// bytes copied. The recorder goes on meanwhile.
func (r *Recorder) Save(dir string) (int64, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return 0, fmt.Errorf("recorder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, fmt.Errorf("recorder: %w", err)
	}
	sources, err := r.sources()
	if err != nil {
		return 0, errors.Join(err, os.Remove(dir))
	}
	total := int64(0)
	for i, s := range sources {
		if err == nil {
			var n int64
			n, err = copyTo(filepath.Join(dir, filepath.Base(s.file.Name())), s)
			total += n
		}
		err = errors.Join(err, sources[i].file.Close())
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("recorder: save to %s: %w", dir, err), os.RemoveAll(dir))
	}
	return total, nil
}

type source struct {
	file  *os.File
	bytes int64
}

// sources opens all files: they can then go from the ring and stay readable.
func (r *Recorder) sources() ([]source, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == 1 {
		if err := r.scan(); err != nil {
			return nil, err
		}
	}
	if !r.inStep {
		r.flush()
	}
	files := slices.Clone(r.ring)
	if r.file != nil {
		files = append(files, ringFile{r.path, r.written})
	}
	var l []source
	for _, f := range files {
		o, err := os.Open(f.path)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed by hand
		}
		if err != nil {
			for _, s := range l {
				err = errors.Join(err, s.file.Close())
			}
			return nil, fmt.Errorf("recorder: %w", err)
		}
		l = append(l, source{o, f.bytes})
	}
	if len(l) == 0 {
		return nil, ErrEmpty
	}
	return l, nil
}

func copyTo(path string, s source) (n int64, err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if n, err = io.Copy(out, io.LimitReader(s.file, s.bytes)); err != nil {
		return n, err
	}
	return n, out.Sync()
}
