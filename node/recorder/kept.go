package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const (
	keptPrefix = "kept-"
	// maxKept is how many rings that were put aside stay; with the next one the
	// oldest goes.
	maxKept = 3
)

// Crashed is called when the goroutine that owns the core panics, as it does when
// an invariant is broken: it records the input that it died of and puts the ring
// aside. It returns where.
func (r *Recorder) Crashed(why string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.tr.Unfinished()
		r.tr.Note(r.clock(), "panic", why)
		r.endFile("panic")
	}
	r.core, r.inStep, r.after, r.crashed = nil, false, nil, true
	return r.keep("the panic")
}

// Keep notes that something went wrong beside the core, and puts the ring aside
// as it is. The recorder goes on: what follows is in the kept files too, as long
// as the newest of them is written to. After Crashed it does nothing.
func (r *Recorder) Keep(class, why string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.crashed {
		return ""
	}
	r.between(func() {
		if r.file != nil {
			r.tr.Note(r.clock(), class, why)
			r.flush()
		}
	})
	return r.keep("the failure")
}

// keep puts the files aside, as links, and says so in the log. It returns where;
// empty if there is nothing, or if it failed. The caller holds mu.
func (r *Recorder) keep(before string) string {
	dir, err := r.link()
	if err != nil {
		r.logger.Error(fmt.Sprintf("the flight recorder's files could not be put aside: %v", err))
		return ""
	}
	if dir != "" {
		r.logger.Error(fmt.Sprintf("the flight recorder's files of before %s are in %s", before, dir))
	}
	return dir
}

func (r *Recorder) link() (string, error) {
	files := slices.Clone(r.ring)
	if r.file != nil {
		files = append(files, ringFile{path: r.path})
	}
	if len(files) == 0 {
		return "", nil
	}
	dir := filepath.Join(r.dir, keptPrefix+r.now().UTC().Format("20060102T150405.000"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("recorder: %w", err)
	}
	for _, f := range files {
		err := os.Link(f.path, filepath.Join(dir, filepath.Base(f.path)))
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrExist) {
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
