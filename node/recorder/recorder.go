// Package recorder is the flight recorder: it keeps what went into a node's core
// in a ring of files, in the format of package trace, so that an incident can be
// replayed.
//
//	rec := recorder.Open(dir, recorder.Settings{Mode: recorder.Ring, MaxBytes: 64 << 20}, logger, start)
//	rec.Boot(c, cfg, durable)  // once for each core
//	rec.Input(in)              // before each Step
//	rec.Output(out)            // after it
//
// Frames are gathered in memory and given, with the next tick, to a goroutine that
// writes them to the operating system, so a process that is killed loses a tick of
// them and what the disk has not taken yet. Those of steps that nothing came of but
// messages, as on a node where nothing happens, wait for up to a second. Nothing is
// synced: a machine that loses power loses more.
//
// The recorder never fails its node, and the node never waits for it. When a write
// fails, or the disk takes nothing for long, it is off until a later try succeeds,
// says both in the log, and begins again with a checkpoint: the inputs in between
// are missing, and the trace says so.
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
	// flushBytes is how much is gathered at most until it is to be written, unless
	// one step alone is more.
	flushBytes = 256 << 10
	// quietFlush is how long steps that nothing came of wait to be written.
	quietFlush = time.Second
	// retryAfter is how long after a failed write the recorder tries again.
	retryAfter = 10 * time.Second
	// ringFiles is into how many files a ring is cut, if checkpoints are small.
	ringFiles = 8
	// dataBytes is how much of users' data is recorded of each entry, leastDataBytes
	// of each while the core's state would be too large otherwise.
	dataBytes      = 1 << 10
	leastDataBytes = 64
	// patience is how long one who ends waits for the disk.
	patience = 5 * time.Second
	// fullFileBytes is how large a file grows when nothing goes.
	fullFileBytes = 32 << 20
)

// Recorder is safe for concurrent use; Boot, Input and Output belong to the
// goroutine that owns the core.
type Recorder struct {
	build  string
	logger *slog.Logger
	now    func() time.Time
	ring   *ring

	mu       sync.Mutex
	settings Settings
	tr       trace.Recorder
	cut      int // how much of users' data is recorded
	identity core.Identity
	life     uint64
	core     *core.Core // nil before Boot

	open    bool // a file is
	number  uint64
	written int   // bytes of it that were recorded
	base    int   // bytes of the checkpoint or boot that it begins with
	held    bool  // by Hold
	off     error // why nothing is recorded, nil unless a write failed
	retry   time.Time
	inStep  bool
	skipped bool // the input of this step was not recorded
	tick    bool // the input of this step is a Tick
	quiet   bool // it is one of those that every node gets all the time
	due     bool // what was gathered is written with the next tick
	flushed time.Time
	after   []func() // the step
	crashed bool     // since the last Boot: all is kept that there will be
}

// Open never fails: a directory that cannot be used is a reason to be off. start
// starts a goroutine.
func Open(dir string, s Settings, logger *slog.Logger, start func(func())) *Recorder {
	r := &Recorder{build: Build(), logger: logger, now: time.Now, settings: s,
		ring: &ring{dir: dir, logger: logger, start: start, patience: patience, most: maxWaitingBytes, open: func(path string) (file, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		}}}
	r.redact(dataBytes)
	return r
}

// redact says what of users' data is recorded from the next file on.
func (r *Recorder) redact(cut int) {
	if r.cut = cut; r.settings.Redact {
		r.tr.Redact = &core.Redaction{Cut: cut, Stand: stand}
		return
	}
	r.tr.Redact = &core.Redaction{Over: cut, Cut: cut}
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
	r.begin(func() error {
		r.tr.Boot(r.clock(), cfg, d)
		return nil
	})
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
	_, message := in.(core.Receive)
	_, r.tick = in.(core.Tick)
	r.quiet = r.tick || message
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
		r.due = r.due || !r.quiet || happened(out)
		if r.tick && (r.due || r.now().Sub(r.flushed) >= quietFlush) || r.tr.Len() >= flushBytes {
			r.flush()
		}
		if r.open && r.full() {
			r.endFile("the file is full")
		}
	}
	for _, f := range r.after {
		f()
	}
	r.after = nil
}

// happened says that more came of a step than messages.
func happened(out core.Output) bool {
	return len(out.Persist) > 0 || len(out.Apply) > 0 || len(out.Reply) > 0 || len(out.Events) > 0 || out.MembersChanged
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
	if err := r.ring.failure(); r.open && err != nil {
		r.fail(err)
	}
	switch {
	case r.open:
		if r.off != nil && r.ring.begun.Load() == r.number {
			r.logger.Info(fmt.Sprintf("the flight recorder records again, in %s", r.ring.dir))
			r.off = nil
		}
		return true
	case r.settings.Mode == Off || r.held || r.off != nil && r.now().Before(r.retry):
		return false
	}
	r.begin(func() error { return r.tr.Checkpoint(r.clock(), r.core) })
	return r.open
}

// full says that it is time for another file: what it begins with shall be the
// smaller part of it.
func (r *Recorder) full() bool {
	if r.settings.Mode == Full {
		return r.written >= max(fullFileBytes, 7*r.base)
	}
	// At half of the ring, the next one can begin before this one has to go.
	size := int(r.settings.MaxBytes)
	return r.written >= max(size/ringFiles, min(7*r.base, size/2))
}

// begin opens a file and has first record the frame after its header.
func (r *Recorder) begin(first func() error) {
	if err := r.ring.again(); err != nil {
		r.fail(err)
		return
	}
	n, err := r.ring.take()
	if err != nil {
		r.fail(err)
		return
	}
	if r.cut != dataBytes {
		r.tr.Renew()
		r.redact(dataBytes)
	}
	err = r.record(n, first)
	if errors.Is(err, errLargeState) {
		r.tr.Drop()
		r.redact(leastDataBytes)
		err = r.record(n, first)
	}
	if err != nil {
		r.fail(err)
		return
	}
	r.open, r.number, r.written = true, n, 0
	r.put(job{begin: n})
}

var errLargeState = errors.New("too many for a ring")

// record records a file's beginning.
func (r *Recorder) record(n uint64, first func() error) error {
	id := r.identity
	r.tr.Begin(trace.Header{Build: r.build, ClusterID: id.ClusterID, NodeID: id.NodeID, RaftID: id.RaftID,
		ClusterUUID: id.ClusterUUID, ReplicaUUID: id.ReplicaUUID, Life: r.life, File: n, Time: r.clock(),
		Redacted: r.settings.Redact, Cut: uint64(r.cut)})
	if err := first(); err != nil {
		return err
	}
	if r.base = r.tr.Len(); r.settings.Mode == Ring && r.base > int(r.settings.MaxBytes/8*3) {
		return fmt.Errorf("recorder: the core's state takes %d bytes, %w of %d", r.base, errLargeState, r.settings.MaxBytes)
	}
	return nil
}

// put gives what was recorded to the ring, with what else is to be done.
func (r *Recorder) put(j job) {
	j.frames = r.tr.Take(r.ring.reuse())
	r.due, r.flushed = false, r.now()
	r.written += len(j.frames)
	if r.settings.Mode == Ring {
		j.maxBytes = r.settings.MaxBytes
	}
	if err := r.ring.put(j); err != nil {
		r.fail(err)
	}
}

// flush gives what was gathered to the ring.
func (r *Recorder) flush() {
	if r.open && r.tr.Len() > 0 {
		r.put(job{})
	}
}

// fail turns the recorder off until retryAfter has passed.
func (r *Recorder) fail(err error) {
	if r.off == nil {
		r.logger.Warn(fmt.Sprintf("the flight recorder is off: %v; trying again every %v", err, retryAfter))
	}
	if r.open {
		r.ring.stop(err)
	}
	r.off, r.retry, r.open = err, r.now().Add(retryAfter), false
	r.tr.Drop()
}

// endFile ends the open file in order.
func (r *Recorder) endFile(reason string) {
	if r.open {
		r.tr.End(r.clock(), reason)
		r.put(job{end: true})
		r.open = false
	}
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
	r.redact(r.cut)
	r.put(job{})
}

// Hold has nothing recorded from now on, because of why, until it is called with nil:
// the recorder shall not take what little room there is.
func (r *Recorder) Hold(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.between(func() {
		if r.held = why != nil; r.held && r.settings.Mode != Off {
			r.fail(why)
		}
		r.retry = r.now()
	})
}

// Note records a line for people.
func (r *Recorder) Note(class, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.between(func() {
		if r.open {
			r.tr.Note(r.clock(), class, line)
		}
	})
}

// Close ends the trace, and waits a moment until it is written. The recorder can be
// booted again.
func (r *Recorder) Close(reason string) {
	r.mu.Lock()
	r.endFile(reason)
	r.core = nil
	r.mu.Unlock()
	if !r.ring.wait() {
		r.logger.Warn(fmt.Sprintf("the end of the flight recorder's trace was not written: %s takes nothing", r.ring.dir))
	}
}

// Off says why nothing is recorded although it should be; nil if it is.
func (r *Recorder) Off() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off == nil {
		return r.ring.failure()
	}
	return r.off
}

// ErrEmpty says that there is nothing to save.
var ErrEmpty = errors.New("recorder: nothing was recorded yet")
