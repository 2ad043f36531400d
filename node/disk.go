package node

import (
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
)

// disk writes persist batches in order, from a goroutine of its own. All that
// wait while it syncs share the next fsync. The queue needs no bound of its own:
// a leader takes no proposals over core's maxUncommitted bytes that it has not
// applied, for which they must be on its disk, and sends a follower no more than
// maxInflightBytes that the follower's disk has not confirmed.
type disk struct {
	writer writer
	done   func(seq uint64)
	failed func(error)

	mu      sync.Mutex
	wake    sync.Cond
	queue   []core.Persist
	spare   []core.Persist // for reuse
	stopped bool           // nothing more is added
	dropped bool           // what waits is not written
	writing uint64         // the last batch of the write under way; 0: none
	began   time.Time
	ended   chan struct{}
}

// writer is store.Store.Writer.
type writer func(loop func(write func([]core.Persist) error) error) error

func newDisk(w writer, done func(uint64), failed func(error)) *disk {
	d := &disk{writer: w, done: done, failed: failed, ended: make(chan struct{})}
	d.wake.L = &d.mu
	return d
}

func (d *disk) add(b []core.Persist) {
	d.mu.Lock()
	d.queue = append(d.queue, b...)
	d.mu.Unlock()
	d.wake.Signal()
}

// drop gives up what waits: after a failure nothing is written any more.
func (d *disk) drop() {
	d.mu.Lock()
	d.dropped = true
	d.mu.Unlock()
	d.wake.Signal()
}

// stop ends the goroutine once it has written what waits: the newest commit index may
// be among it, and without that a restart takes for news what was applied before.
func (d *disk) stop() {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.wake.Signal()
}

// next waits for batches; nil means stop.
func (d *disk) next() []core.Persist {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) == 0 && !d.stopped && !d.dropped {
		d.wake.Wait()
	}
	if d.dropped || len(d.queue) == 0 {
		return nil
	}
	q := d.queue
	d.queue = d.spare[:0]
	d.writing, d.began = q[len(q)-1].Seq, time.Now()
	return q
}

// underWay names the write under way; 0: there is none.
func (d *disk) underWay() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writing
}

// hangs says that a write has been under way for so long that nobody should wait
// for its end.
func (d *disk) hangs() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writing != 0 && time.Since(d.began) > closeLimit
}

func (d *disk) written(q []core.Persist) {
	clear(q)
	d.mu.Lock()
	d.writing, d.spare = 0, q
	d.mu.Unlock()
}

func (d *disk) loop() {
	defer close(d.ended)
	if err := d.writer(d.work); err != nil {
		d.failed(err)
	}
}

// work writes what comes. After a failure write may not return, see store.Store.Writer.
func (d *disk) work(write func([]core.Persist) error) error {
	for {
		q := d.next()
		if q == nil {
			return nil
		}
		if err := write(q); err != nil {
			return err
		}
		seq := q[len(q)-1].Seq
		d.written(q)
		d.done(seq)
	}
}
