// Package recorder is the flight recorder: it keeps what went into a node's core
// in a ring of files, in the format of package trace, so that an incident can be
// replayed.
//
//	rec := recorder.Open(dir, recorder.Settings{Mode: recorder.Ring, MaxBytes: 64 << 20}, logger)
//	rec.Boot(c, cfg, durable)  // once for each core
//	rec.Input(in)              // before each Step
//	rec.Output(out)            // after it
//
// Frames are gathered in memory and written to the operating system with every
// tick, so a process that is killed loses at most a tick of them. Nothing is
// synced: a machine that loses power loses more.
//
// The recorder never fails its node. When a write fails it is off until a later
// try succeeds, says both in the log, and begins again with a checkpoint: the
// inputs in between are missing, and the trace says so.
//
// Each file begins with how the core was started or with a checkpoint of it, so
// the oldest ones can go at any time, and each replays alone. Files of earlier
// processes stay in the ring.
package recorder

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

const (
	// flushBytes is how much is gathered at most until it is written, unless one
	// step alone is more.
	flushBytes = 256 << 10
	// retryAfter is how long after a failed write the recorder tries again.
	retryAfter = 10 * time.Second
	// ringFiles is into how many files a ring is cut, if checkpoints are small.
	ringFiles = 8
	// fullFileBytes is how large a file grows when nothing goes.
	fullFileBytes = 32 << 20
)

// Recorder is safe for concurrent use; Boot, Input and Output belong to the
// goroutine that owns the core.
type Recorder struct {
	dir    string
	build  string
	logger *slog.Logger
	now    func() time.Time
	open   func(path string) (file, error)

	mu       sync.Mutex
	settings Settings
	tr       trace.Recorder
	identity core.Identity
	life     uint64
	core     *core.Core // nil before Boot

	file      file // nil: none is open
	path      string
	written   int64 // to file
	base      int64 // bytes of the checkpoint or boot that it begins with
	next      uint64
	ring      []ringFile // whole and older files, oldest first
	ringBytes int64      // of them
	off       error      // why nothing is recorded, nil unless a write failed
	retry     time.Time
	inStep    bool
	skipped   bool     // the input of this step was not recorded
	tick      bool     // the input of this step is a Tick
	after     []func() // the step
	crashed   bool     // since the last Boot: all is kept that there will be
}

// file is what of *os.File is needed.
type file interface {
	Write([]byte) (int, error)
	Close() error
}

// Open never fails: a directory that cannot be used is a reason to be off.
func Open(dir string, s Settings, logger *slog.Logger) *Recorder {
	r := &Recorder{dir: dir, build: Build(), logger: logger, now: time.Now, settings: s, next: 1,
		open: func(path string) (file, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}}
	r.redact()
	return r
}

func (r *Recorder) redact() {
	r.tr.Redact = nil
	if r.settings.Redact {
		r.tr.Redact = stand
	}
}

// Boot begins to record c, which was made of cfg and d and has taken no step.
func (r *Recorder) Boot(c *core.Core, cfg core.Config, d core.Durable) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endFile("another core was started")
	r.core, r.identity, r.life, r.crashed = c, cfg.Identity, cfg.Seed, false
	r.tr.SetConfig(cfg)
	if r.settings.Mode == Off {
		return
	}
	r.begin(func() { r.tr.Boot(r.clock(), cfg, d) })
}

func (r *Recorder) clock() int64 { return r.now().UnixNano() }

// Input takes an input before its Step.
func (r *Recorder) Input(in core.Input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.core == nil {
		return
	}
	r.inStep = true
	_, r.tick = in.(core.Tick)
	if !r.recording() {
		r.skipped = true
		r.tr.Skip()
		return
	}
	r.tr.Input(r.clock(), in)
}

// Output takes what came of the last Input.
func (r *Recorder) Output(out core.Output) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.core == nil {
		return
	}
	r.inStep = false
	if r.skipped {
		r.skipped = false
	} else {
		r.tr.Output(out)
		if r.tick || r.tr.Len() >= flushBytes {
			r.flush()
		}
		if r.file != nil && r.full() {
			r.endFile("the file is full")
		}
	}
	for _, f := range r.after {
		f()
	}
	r.after = nil
}

// between runs f when no step is under way. The caller holds mu.
func (r *Recorder) between(f func()) {
	if r.inStep {
		r.after = append(r.after, f)
		return
	}
	f()
}

// recording says whether the next input can be recorded. If no file is open,
// it opens one.
func (r *Recorder) recording() bool {
	switch {
	case r.file != nil:
		return true
	case r.settings.Mode == Off || r.off != nil && r.now().Before(r.retry):
		return false
	}
	var err error
	r.begin(func() { err = r.tr.Checkpoint(r.clock(), r.core) })
	if err != nil {
		r.fail(err)
	}
	return r.file != nil
}

// full says that it is time for another file: what it begins with shall be the
// smaller part of it.
func (r *Recorder) full() bool {
	if r.settings.Mode == Full {
		return r.written >= max(fullFileBytes, 3*r.base)
	}
	// At half of the ring, the next one can begin before this one has to go.
	size := r.settings.MaxBytes
	return r.written >= max(size/ringFiles, min(3*r.base, size/2))
}

// begin opens a file and has first write the frame after its header.
func (r *Recorder) begin(first func()) {
	if err := r.create(); err != nil {
		r.fail(err)
		return
	}
	id := r.identity
	r.tr.Begin(trace.Header{Build: r.build, ClusterID: id.ClusterID, NodeID: id.NodeID, RaftID: id.RaftID,
		ClusterUUID: id.ClusterUUID, ReplicaUUID: id.ReplicaUUID, Life: r.life, File: r.next - 1, Time: r.clock()})
	first()
	if r.flush(); r.file == nil {
		return
	}
	if r.settings.Mode == Ring && r.written > r.settings.MaxBytes/8*3 {
		r.fail(fmt.Errorf("recorder: the core's state takes %d bytes, too many for a ring of %d", r.written, r.settings.MaxBytes))
		return
	}
	r.base = r.written
	if r.off != nil {
		r.logger.Info(fmt.Sprintf("the flight recorder records again, in %s", r.dir))
		r.off = nil
	}
}

// flush writes what was gathered.
func (r *Recorder) flush() {
	if r.file == nil {
		return
	}
	err := r.tr.Take(func(frames []byte) error {
		if len(frames) == 0 {
			return nil
		}
		n, err := r.file.Write(frames)
		r.written += int64(n)
		return err
	})
	if err != nil {
		r.fail(fmt.Errorf("recorder: write %s: %w", r.path, err))
		return
	}
	r.trim()
}

// fail turns the recorder off until retryAfter has passed.
func (r *Recorder) fail(err error) {
	if r.off == nil {
		r.logger.Warn(fmt.Sprintf("the flight recorder is off: %v; trying again every %v", err, retryAfter))
	}
	r.off, r.retry = err, r.now().Add(retryAfter)
	path, began := r.path, r.base > 0
	if r.file == nil {
		path = ""
	}
	r.closeFile()
	if !began && path != "" {
		r.forget(path)
	}
	r.tr.Drop()
}

// endFile ends the open file in order.
func (r *Recorder) endFile(reason string) {
	if r.file == nil {
		return
	}
	r.tr.End(r.clock(), reason)
	if r.flush(); r.file != nil {
		r.closeFile()
	}
}

// forget removes the newest of the ring, which never had a whole beginning: a
// disk that is full for days must not leave one with every try.
func (r *Recorder) forget(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return // it stays, and is trimmed with the others
	}
	last := len(r.ring) - 1
	r.ringBytes -= r.ring[last].bytes
	r.ring = r.ring[:last]
}

// closeFile makes the open file one of the ring's older ones.
func (r *Recorder) closeFile() {
	if r.file == nil {
		return
	}
	if err := r.file.Close(); err != nil {
		r.logger.Warn(fmt.Sprintf("flight recorder: close %s: %v", r.path, err))
	}
	r.ring = append(r.ring, ringFile{r.path, r.written})
	r.ringBytes += r.written
	r.file, r.written, r.base = nil, 0, 0
}

// Set takes over new settings.
func (r *Recorder) Set(s Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.between(func() { r.set(s) })
}

func (r *Recorder) set(s Settings) {
	if s == r.settings {
		return
	}
	if s.Redact != r.settings.Redact || s.Mode == Off {
		r.endFile("the settings changed")
	}
	if s.Redact != r.settings.Redact {
		r.tr.Renew()
	}
	r.settings = s
	r.redact()
	r.trim()
}

// Note records a line for people.
func (r *Recorder) Note(class, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.between(func() {
		if r.file != nil {
			r.tr.Note(r.clock(), class, line)
		}
	})
}

// Close ends the trace. The recorder can be booted again.
func (r *Recorder) Close(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endFile(reason)
	r.core = nil
}

// Off says why nothing is recorded although it should be; nil if it is.
func (r *Recorder) Off() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off
}

// ErrEmpty says that there is nothing to save.
var ErrEmpty = errors.New("recorder: nothing was recorded yet")
