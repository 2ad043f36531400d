package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
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
	if r.open {
		r.tr.Unfinished()
		r.tr.Note(r.clock(), "panic", why)
		r.endFile("panic")
	}
	r.core, r.inStep, r.after, r.crashed = nil, false, nil, true
	r.mu.Unlock()
	return r.keep("the panic")
}

// Keep notes that something went wrong beside the core, and puts the ring aside
// as it is. The recorder goes on: what follows is in the kept files too, as long
// as the newest of them is written to. After Crashed it does nothing.
func (r *Recorder) Keep(class, why string) string {
	r.mu.Lock()
	if r.crashed {
		r.mu.Unlock()
		return ""
	}
	r.between(func() {
		if r.open {
			r.tr.Note(r.clock(), class, why)
			r.flush()
		}
	})
	r.mu.Unlock()
	return r.keep("the failure")
}

// keep puts the files aside, as links, once what was recorded is written, and says
// so in the log. It returns where; empty if there is nothing, or if it failed.
func (r *Recorder) keep(before string) string {
	type result struct {
		dir string
		err error
	}
	now, linked := r.now(), make(chan result, 1)
	r.ring.do(func() {
		dir, err := r.ring.link(now)
		linked <- result{dir, err}
	})
	var got result
	late := time.NewTimer(r.ring.patience)
	defer late.Stop()
	select {
	case got = <-linked:
	case <-late.C:
		got.err = fmt.Errorf("recorder: %s takes nothing", r.ring.dir)
	}
	switch {
	case got.err != nil:
		r.logger.Error(fmt.Sprintf("the flight recorder's files could not be put aside: %v", got.err))
		return ""
	case got.dir != "":
		r.logger.Error(fmt.Sprintf("the flight recorder's files of before %s are in %s", before, got.dir))
	}
	return got.dir
}

// link makes links to all files.
func (r *ring) link(now time.Time) (string, error) {
	files := r.list()
	if len(files) == 0 {
		return "", nil
	}
	dir := filepath.Join(r.dir, keptPrefix+now.UTC().Format("20060102T150405.000"))
	// Not the directories above: where a node's files were taken away, none is made.
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, os.ErrExist) {
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
