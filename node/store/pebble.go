package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pgraft/pgraft/core"
)

// Pebble is a Store on a disk, in one directory that it owns.
type Pebble struct {
	dir   string
	fs    *failStopFS
	guard *guard
	room  *room
	db    *pebble.DB
	mark  *watermark

	current current

	calls   calls
	closing sync.Mutex // held by Close
	closed  bool       // under closing

	// write is held by whatever writes, for good by a call that guard.stop has
	// ended: so it is taken within guard.do only. It guards what follows, and is
	// taken before mu.
	write     sync.Mutex
	batches   uint64 // written so far, the value of keyBatch
	promise   uint64 // milliseconds, the value of keyPromise
	committed uint64 // the commit index in keyHard
	version   uint64 // the value of keyVersion
	newest    uint64 // version that this build knows

	mu        sync.Mutex
	contents  contents // what readers may ask for
	retention Retention
}

var _ Store = (*Pebble)(nil)

// Open opens the store in dir, which it makes with mode 0700 if it is not
// there. It returns ErrLocked, ErrNewerFormat or a *CorruptError for a directory
// that cannot be used.
func Open(dir string, o Options) (*Pebble, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	g := newGuard(o.Logger)
	r := newRoom(dir, o)
	p := &Pebble{dir: dir, guard: g, room: r, fs: &failStopFS{FS: o.FS, g: g, room: r}, retention: o.Retention, newest: uint64(o.Newest)}
	// The store is handed over by the channel in do: after a failure its
	// goroutine may still hold p, which nobody else then uses but for the lock.
	err := g.do(func() error { return p.open(o) })
	if err != nil {
		return nil, errors.Join(err, p.fs.release())
	}
	return p, nil
}

func (p *Pebble) open(o Options) error {
	switch _, err := p.fs.Stat(p.dir); {
	case errors.Is(err, fs.ErrNotExist) && !o.Existing:
		if err := p.fs.MkdirAll(p.dir, 0o700); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("store: open %s: %w", p.dir, err)
	}
	if err := p.complete(); err != nil {
		return err
	}
	if err := p.room.begin(); err != nil {
		return fmt.Errorf("store: open %s: %w", p.dir, err)
	}
	db, err := pebble.Open(p.dir, o.pebbleOptions(p))
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		p.unmake()
		return fmt.Errorf("store: %w", &fs.PathError{Op: "open", Path: p.dir, Err: syscall.ENOENT})
	}
	if damaged := p.damage(err); damaged != nil {
		return damaged
	}
	switch {
	case err != nil && strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("store: open %s: %w: %v", p.dir, ErrNewerFormat, err)
	case err != nil:
		return fmt.Errorf("store: open %s: %w", p.dir, err)
	}
	p.db = db
	err = p.recover()
	if err == nil {
		err = p.watchFrom()
	}
	if err != nil {
		if p.mark != nil {
			err = errors.Join(err, p.mark.file.Close())
		}
		return errors.Join(err, db.Close())
	}
	return nil
}

// unmake takes back what Open has made of a directory that was taken away meanwhile:
// it would be in the way of the one that comes back.
func (p *Pebble) unmake() {
	names, err := p.fs.List(p.dir)
	if err != nil || slices.ContainsFunc(names, func(n string) bool { return !HoldsNothing(filepath.Base(n)) }) {
		return
	}
	for _, n := range names {
		_ = p.fs.Remove(p.fs.PathJoin(p.dir, filepath.Base(n))) // the next try finds what is left
	}
	_ = p.fs.Remove(p.dir)
}

func (p *Pebble) corrupt(record string, detail error) *CorruptError {
	return &CorruptError{Dir: p.dir, Record: record, Detail: detail.Error()}
}

// calls counts the calls under way.
type calls struct {
	mu     sync.Mutex
	inside int
	closed bool
	idle   chan struct{} // closed when none is left of a closed store
}

// enter says whether the store can be used, and keeps it open if so, until leave.
func (p *Pebble) enter() error {
	p.calls.mu.Lock()
	defer p.calls.mu.Unlock()
	if p.calls.closed {
		return ErrClosed
	}
	if err := p.guard.failed(); err != nil {
		return err
	}
	p.calls.inside++
	return nil
}

func (p *Pebble) leave() {
	p.calls.mu.Lock()
	defer p.calls.mu.Unlock()
	if p.calls.inside--; p.calls.closed && p.calls.inside == 0 {
		close(p.calls.idle)
	}
}

// end lets no call enter any more. idle is closed once none is left.
func (c *calls) end() (idle <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.idle = true, make(chan struct{})
	if c.inside == 0 {
		close(c.idle)
	}
	return c.idle
}

// Close waits for the calls under way, syncs and releases the directory. A store
// that has failed, or whose disk is full, is only released; see guard.
func (p *Pebble) Close() error {
	p.room.close() // before it waits for one that waits for room
	p.closing.Lock()
	defer p.closing.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	select {
	case <-p.calls.end():
	case <-p.guard.dead: // they stay
	}
	err := p.guard.do(func() error {
		// A clean end of Pebble's log is durable when its Close returns, so
		// the watermark comes after it.
		if err := p.db.Close(); err != nil {
			return fmt.Errorf("store: close %s: %w", p.dir, err)
		}
		return p.mark.close(p.batches)
	})
	if errors.Is(err, ErrAbandoned) {
		err = nil
	}
	if released := p.fs.release(); released != nil {
		err = errors.Join(err, released)
	}
	return err
}

// get reads one record; ok is false if there is none.
func (p *Pebble) get(key []byte, size int, exact bool, decode func(payload []byte)) (ok bool, err error) {
	value, closer, err := p.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return false, nil
	case err != nil:
		return false, p.readError(recordName(key), err)
	}
	payload, err := unseal(key, value, size, exact)
	if err == nil {
		decode(payload)
	} else {
		err = p.corrupt(recordName(key), err)
	}
	return err == nil, errors.Join(err, closer.Close())
}

func (p *Pebble) readError(record string, err error) error {
	if damaged := p.damage(err); damaged != nil {
		return p.corrupt(record+" in "+damaged.Record, errors.New(damaged.Detail))
	}
	return fmt.Errorf("store: read %s in %s: %w", record, p.dir, err)
}

// Identity implements Store.
func (p *Pebble) Identity() (id core.Identity, ok bool, err error) {
	if err := p.enter(); err != nil {
		return core.Identity{}, false, err
	}
	defer p.leave()
	ok, err = p.get(keyIdentity, identityBytes, false, func(b []byte) { id = getIdentity(b) })
	return id, ok, err
}

// SetIdentity implements Store.
func (p *Pebble) SetIdentity(id core.Identity) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	if p.room.isFull() {
		return ErrFull
	}
	return p.guard.do(func() error {
		p.write.Lock()
		defer p.write.Unlock()
		return p.commit(p.db.NewBatch(), true, func(b *pebble.Batch) error { return putIdentity(b, id) })
	})
}

// Bounds implements Store.
func (p *Pebble) Bounds() Bounds {
	return p.look().bounds()
}

func (p *Pebble) look() contents {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.contents
}

// show lets readers see c from now on.
func (p *Pebble) show(c contents) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.generation = p.contents.generation + 1
	p.contents = c
}
