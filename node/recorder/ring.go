package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ring is the files. Whatever is to be done with them waits in a queue, and a
// goroutine of its own does it, in order: a disk that takes nothing any more
// holds up nobody. After a failure it does nothing until again.
type ring struct {
	dir    string
	logger *slog.Logger
	open   func(path string) (file, error)
	start  func(func()) // a goroutine
	// patience is how long one who asks for something waits.
	patience time.Duration
	// most is how many bytes may wait for the disk when more comes.
	most int

	failed atomic.Pointer[error]
	begun  atomic.Uint64 // number of the newest file that has its whole beginning

	mu      sync.Mutex // held for moments only
	queue   []job
	waiting int           // bytes in the queue and under way
	done    chan struct{} // closed when the queue is empty again; nil: it is
	spare   []byte        // what was written, to be used again
	files   []ringFile    // oldest first, with the newest once it is there
	scanned bool
	next    uint64

	// The goroutine's alone: the newest file while it is open, and its number.
	file   file
	number uint64
}

// ringFile is one file of the ring.
type ringFile struct {
	path  string
	bytes int64
}

// job is done from top to bottom.
type job struct {
	begin    uint64 // open the file of this number
	frames   []byte // append them
	end      bool   // close the file
	maxBytes int64  // remove the oldest files over this; 0: keep all
	call     func() // this, also after a failure
}

// file is what of *os.File is needed.
type file interface {
	Write([]byte) (int, error)
	Close() error
}

const (
	suffix     = ".trace"
	nameFormat = "%08d" + suffix
	// maxWaitingBytes is ring.most.
	maxWaitingBytes = 32 << 20
	// maxSpareBytes is how large a buffer is kept to be used again.
	maxSpareBytes = 1 << 20
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

// put queues a job. It fails if too much waits already.
func (r *ring) put(j job) error {
	r.mu.Lock()
	waiting := r.waiting
	r.mu.Unlock()
	if waiting > r.most {
		return fmt.Errorf("recorder: %d bytes wait for %s to take them", waiting, r.dir)
	}
	r.add(j)
	return nil
}

// do queues f, which is called even after a failure.
func (r *ring) do(f func()) { r.add(job{call: f}) }

func (r *ring) add(j job) {
	r.mu.Lock()
	r.queue, r.waiting = append(r.queue, j), r.waiting+len(j.frames)
	idle := r.done == nil
	if idle {
		r.done = make(chan struct{})
	}
	r.mu.Unlock()
	if idle {
		r.start(r.work)
	}
}

// work does what is queued, and ends.
func (r *ring) work() {
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			close(r.done)
			r.queue, r.done = nil, nil
			r.mu.Unlock()
			return
		}
		j := r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Unlock()
		if r.failure() == nil {
			if err := r.carryOut(j); err != nil {
				r.stop(err)
			}
		}
		if r.failure() != nil {
			r.abandon()
		}
		if j.call != nil {
			j.call()
		}
		r.mu.Lock()
		r.waiting -= len(j.frames)
		if cap(j.frames) <= maxSpareBytes && cap(j.frames) > cap(r.spare) {
			r.spare = j.frames
		}
		r.mu.Unlock()
	}
}

func (r *ring) carryOut(j job) error {
	if j.begin > 0 {
		path := filepath.Join(r.dir, fmt.Sprintf(nameFormat, j.begin))
		f, err := r.open(path)
		if err != nil {
			r.mu.Lock()
			r.scanned = r.scanned && !errors.Is(err, os.ErrNotExist) // the directory is gone, or another one
			r.mu.Unlock()
			return fmt.Errorf("recorder: %w", err)
		}
		r.file = f
		r.number = j.begin
		r.mu.Lock()
		r.files = append(r.files, ringFile{path: path})
		r.mu.Unlock()
	}
	if len(j.frames) > 0 {
		n, err := r.file.Write(j.frames)
		r.mu.Lock()
		newest := &r.files[len(r.files)-1]
		newest.bytes += int64(n)
		path := newest.path
		r.mu.Unlock()
		if err != nil {
			return fmt.Errorf("recorder: write %s: %w", path, err)
		}
		r.begun.Store(r.number)
	}
	if j.end {
		r.close()
	}
	if j.maxBytes > 0 {
		r.trim(j.maxBytes)
	}
	return nil
}

func (r *ring) close() {
	if r.file == nil {
		return
	}
	if err := r.file.Close(); err != nil {
		r.logger.Warn(fmt.Sprintf("flight recorder: close a file of %s: %v", r.dir, err))
	}
	r.file = nil
}

// abandon closes the newest file after a failure. One that never had a whole
// beginning goes: a disk that is full for days must not leave one with every try.
func (r *ring) abandon() {
	if r.file == nil {
		return
	}
	r.close()
	if r.begun.Load() == r.number {
		return
	}
	r.mu.Lock()
	path := r.files[len(r.files)-1].path
	r.mu.Unlock()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return // it stays, and is trimmed with the others
	}
	r.mu.Lock()
	r.files = r.files[:len(r.files)-1]
	r.mu.Unlock()
}

// trim removes the oldest files while all take more than maxBytes.
func (r *ring) trim(maxBytes int64) {
	for _, path := range r.tooMuch(maxBytes) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			// It would come up at every write: it is forgotten, and stays for good.
			r.logger.Warn(fmt.Sprintf("flight recorder: %v", err))
		}
	}
}

// tooMuch takes the oldest files over maxBytes from the ring.
func (r *ring) tooMuch(maxBytes int64) (paths []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := int64(0)
	for _, f := range r.files {
		total += f.bytes
	}
	last := 0 // the newest, which is written to, stays
	if r.file != nil {
		last = 1
	}
	for total > maxBytes && len(r.files) > last {
		total -= r.files[0].bytes
		paths = append(paths, r.files[0].path)
		r.files = r.files[1:]
	}
	return paths
}

// stop ends all writing until again.
func (r *ring) stop(err error) { r.failed.CompareAndSwap(nil, &err) }

// failure is why nothing is written any more, or nil.
func (r *ring) failure() error {
	if p := r.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// again makes it try once more, unless what failed is still under way.
func (r *ring) again() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failure(); err != nil && r.done != nil {
		return err
	}
	r.failed.Store(nil)
	return nil
}

// wait returns whether all that is queued was done, within its patience.
func (r *ring) wait() bool {
	r.mu.Lock()
	done := r.done
	r.mu.Unlock()
	if done == nil {
		return true
	}
	t := time.NewTimer(r.patience)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// reuse returns a buffer whose content nobody needs, or nil.
func (r *ring) reuse() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.spare
	r.spare = nil
	return b
}

// list is the files as they are now.
func (r *ring) list() []ringFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.files)
}

// take is the number of the next file. The first time it finds what earlier
// processes left, or makes the directory.
func (r *ring) take() (uint64, error) {
	r.mu.Lock()
	scanned := r.scanned
	r.mu.Unlock()
	if !scanned {
		if err := r.scan(); err != nil {
			return 0, err
		}
	}
	r.next++
	return r.next - 1, nil
}

// scan makes the directory, not the one that it is in, or finds what earlier processes left in it.
func (r *ring) scan() error {
	if err := os.Mkdir(r.dir, dirMode); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("recorder: %w", err)
	}
	names, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	var l []ringFile
	next := uint64(1)
	for _, e := range names {
		n := number(e.Name())
		if n == 0 {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("recorder: %w", err)
		}
		l = append(l, ringFile{filepath.Join(r.dir, e.Name()), info.Size()})
		next = max(next, n+1)
	}
	slices.SortFunc(l, func(a, b ringFile) int {
		return cmp.Compare(number(filepath.Base(a.path)), number(filepath.Base(b.path)))
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files, r.next, r.scanned = l, max(r.next, next), true
	return nil
}
