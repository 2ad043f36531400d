package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A store does not fail because its disk is full: the call that finds no room waits
// in the file system that Pebble was given, until there is some, and goes on where it
// stood. To Pebble, and to the node, that is a disk that hangs: nothing is answered
// meanwhile, so nothing is acknowledged, and nothing has to be repeated.
//
// So that votes can be written on a full disk, some room is kept back, the ballast: a
// file that goes with the first call that finds no room. The node is told, and hands
// in nothing large from then on.
//
// Pebble has a file system for this too (vfs.OnDiskFull), which tries once more and
// then lets Pebble have the error.

const (
	ballastName = "BALLAST"
	// maxReserve is how many bytes must be free on a large disk, a reservePart-th on a
	// small one. A ballastPart-th of that is the ballast, beside it.
	maxReserve  = 64 << 20
	reservePart = 10
	ballastPart = 2
	// roomToOpen is what it takes to open a store, the tables that its log is flushed
	// into above all.
	roomToOpen = 2 * defaultMemTableBytes

	minRoomRetry = 20 * time.Millisecond
	maxRoomRetry = time.Second
)

var (
	// ErrFull says that a call was not made because the disk is full: it can be
	// made later.
	ErrFull = errors.New("the disk is full")
	// ErrAbandoned says that the store was closed while a call waited for room. What
	// was not acknowledged may be lost, as in a crash.
	ErrAbandoned = errors.New("store: closed while its disk was full")
)

// Room is what there is for the log store on its disk.
type Room struct {
	Free, Total uint64 // bytes; 0 if the file system does not say
	// Full says that the node should hand in nothing but what is small and must be
	// durable, as a vote. It stays until there is clearly more room.
	Full  bool
	Cause error // of Full: what a call met; nil: little is free
}

// room is a store's side of it.
type room struct {
	fs       vfs.FS
	dir      string
	log      *slog.Logger
	reserves bool          // else a full disk is a failed one
	onFull   func()        // a call has found no room
	closing  chan struct{} // closed by Close
	once     sync.Once     // closes it

	mu      sync.Mutex
	until   <-chan struct{} // nil: nobody waits; closed: nobody waits any longer
	held    bool            // the ballast is there
	sure    bool            // and has its size
	no      bool            // there cannot be one
	full    bool            // as last answered
	cause   error
	waiting int // calls, also while they are made once more
}

func newRoom(dir string, o Options) *room {
	return &room{fs: o.FS, dir: dir, log: o.Logger, onFull: o.OnFull, closing: make(chan struct{})}
}

// begin is called when the directory is there, before Pebble is. A ballast that is left
// of an earlier life helps to open the store. Without one there must be some room: a
// store that cannot be opened keeps its memory, see guard, and somebody tries again and
// again.
func (r *room) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserves = reserves(r.dir)
	r.no = !r.reserves
	if _, err := r.fs.Stat(r.ballast()); err == nil {
		r.held = true
		return nil
	}
	if !r.reserves {
		return nil
	}
	usage, reserve, unknown := r.usage()
	err := r.hold(reserve / ballastPart)
	if err != nil && (unknown || errors.Is(err, syscall.EDQUOT) || usage.AvailBytes < roomToOpen) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}

// close has nobody wait any longer.
func (r *room) close() { r.once.Do(func() { close(r.closing) }) }

// usage says how much room there is, and how much should be.
func (r *room) usage() (u vfs.DiskUsage, reserve uint64, unknown bool) {
	u, err := r.fs.GetDiskUsage(r.dir)
	if err != nil {
		return u, maxReserve, true
	}
	return u, min(maxReserve, u.TotalBytes/reservePart), false
}

func (r *room) ballast() string { return r.fs.PathJoin(r.dir, ballastName) }

// wait is asked by a call that found no room, tries times so far. It says whether the
// call shall be made again, or else why not. Once it has waited, *waits is true, and the
// call ends with done.
func (r *room) wait(tries int, cause error, waits *bool) error {
	until, err := r.met(cause, waits)
	if until == nil {
		return err
	}
	pause := time.NewTimer(min(minRoomRetry<<min(tries, 10), maxRoomRetry))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-until:
	case <-r.closing:
	}
	return fmt.Errorf("%w: %w", ErrAbandoned, cause)
}

// met notes that a call found no room. until is nil when there is nothing to wait for:
// the call is made again at once, or fails.
func (r *room) met(cause error, waits *bool) (until <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.reserves {
		return nil, cause
	}
	told := r.cause != nil
	r.cause = cause
	if !told && r.onFull != nil {
		r.onFull()
	}
	if r.held {
		r.held, r.sure = false, false
		if err := r.fs.Remove(r.ballast()); err == nil {
			return nil, nil
		}
	}
	if r.until == nil {
		return nil, cause
	}
	if !*waits {
		*waits = true
		r.waiting++
	}
	return r.until, nil
}

// done ends a call that waited.
func (r *room) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
}

// isFull says that a call waits.
func (r *room) isFull() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting > 0
}

// look says how much room there is, and makes the ballast once there is enough.
func (r *room) look() Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	usage, reserve, unknown := r.usage()
	need := reserve
	if r.full || r.cause != nil {
		need += reserve / ballastPart // else it would be full again at once
	}
	if !r.held && !r.no {
		need += reserve / ballastPart
	}
	enough := r.waiting == 0 && (unknown || usage.AvailBytes >= need)
	if enough && !r.no && r.isOurs() {
		enough = r.hold(reserve/ballastPart) == nil
	}
	if r.full = !enough; !r.full {
		r.cause = nil
	}
	return Room{Free: usage.AvailBytes, Total: usage.TotalBytes, Full: r.full, Cause: r.cause}
}

// isOurs says whether the directory is still the one that holds the store, and not what
// its file system was mounted on: a ballast would be left there.
func (r *room) isOurs() bool {
	_, err := r.fs.Stat(r.fs.PathJoin(r.dir, watermarkName))
	return err == nil
}

// hold makes the ballast of so many bytes, which it may have already. The error is
// that there is no room for it.
func (r *room) hold(bytes uint64) error {
	if r.held && r.sure {
		return nil
	}
	f, err := r.fs.OpenReadWrite(r.ballast(), vfs.WriteCategoryUnspecified)
	if err == nil {
		err = errors.Join(f.Preallocate(0, int64(bytes)), f.Close())
	}
	if r.held, r.sure = err == nil, err == nil; err == nil {
		return nil
	}
	if removed := r.fs.Remove(r.ballast()); removed != nil && !errors.Is(removed, syscall.ENOENT) {
		err = errors.Join(err, removed)
	}
	if changeCreate.lacksRoom(err) {
		return err
	}
	r.no = true
	r.log.Warn(fmt.Sprintf("store: no room is kept back in %s for when its disk is full: %v", r.dir, err))
	return nil
}

// Room implements Store.
func (p *Pebble) Room() (Room, error) {
	if err := p.enter(); err != nil {
		return Room{}, err
	}
	defer p.leave()
	return p.room.look(), nil
}

// WaitForRoom implements Store.
func (p *Pebble) WaitForRoom(until <-chan struct{}) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.room.until = until
}
