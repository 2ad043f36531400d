package recorder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Save copies the ring as it is now into dir, which it makes, and returns the
// bytes copied. The recorder goes on meanwhile. It fails with ErrEmpty if there
// is nothing, with fs.ErrExist if dir is there already, and with what the
// operating system says; then nothing is left of what it made.
func (r *Recorder) Save(dir string) (int64, error) {
	sources, err := r.sources()
	if err != nil {
		return 0, err
	}
	made, err := makeNew(dir)
	if err != nil {
		for _, s := range sources {
			err = errors.Join(err, s.file.Close())
		}
		return 0, fmt.Errorf("recorder: %w", err)
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
		return 0, errors.Join(fmt.Errorf("recorder: save to %s: %w", dir, err), os.RemoveAll(made))
	}
	return total, nil
}

// makeNew makes dir, which must not be there yet, and the directories above it
// that are missing. It returns the uppermost that it made.
func makeNew(dir string) (made string, err error) {
	made = dir
	for {
		above := filepath.Dir(made)
		if _, err := os.Lstat(above); !errors.Is(err, os.ErrNotExist) || above == made {
			break
		}
		made = above
	}
	if err = os.MkdirAll(filepath.Dir(dir), dirMode); err == nil {
		err = os.Mkdir(dir, dirMode)
	}
	if err != nil && made != dir {
		err = errors.Join(err, os.RemoveAll(made))
	}
	return made, err
}

type source struct {
	file  *os.File
	bytes int64
}

// sources opens all files: they can then go from the ring and stay readable.
func (r *Recorder) sources() ([]source, error) {
	files, err := r.recorded()
	if err != nil {
		return nil, err
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

// recorded is the files, with all that was recorded in them.
func (r *Recorder) recorded() ([]ringFile, error) {
	r.mu.Lock()
	if !r.ring.scanned {
		if err := r.ring.scan(); err != nil {
			r.mu.Unlock()
			return nil, err
		}
	}
	if !r.inStep {
		r.flush()
	}
	r.mu.Unlock()
	if !r.ring.wait() {
		return nil, fmt.Errorf("recorder: %s takes nothing, so what was recorded is not in its files", r.ring.dir)
	}
	return r.ring.list(), nil
}

func copyTo(path string, s source) (n int64, err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if n, err = io.Copy(out, io.LimitReader(s.file, s.bytes)); err != nil {
		return n, err
	}
	return n, out.Sync()
}
