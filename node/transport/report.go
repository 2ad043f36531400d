package transport

import "sync"

// reports carries Unreachable, Closed and SnapshotSent to the Handler from a goroutine
// of its own, since most are found inside Send, whose caller may be the one
// that the Handler waits for. It holds a few flags and two counters for each Raft id
// that a message was sent to, however many messages there were.
type reports struct {
	handler Handler
	wake    chan struct{} // 1 slot
	stopped chan struct{}

	mu      sync.Mutex
	pending map[uint64]report
	order   []uint64 // the keys of pending, oldest first
}

type report struct {
	unreachable bool
	changed     bool // closed is to be told
	closed      bool
	sent        int
	failed      int
}

func newReports(h Handler) *reports {
	return &reports{handler: h, wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		pending: map[uint64]report{}}
}

func (r *reports) unreachable(id uint64) {
	r.add(id, func(p *report) { p.unreachable = true })
}

func (r *reports) closed(id uint64, closed bool) {
	r.add(id, func(p *report) { p.changed, p.closed = true, closed })
}

func (r *reports) snapshot(id uint64, ok bool) {
	r.add(id, func(p *report) {
		if ok {
			p.sent++
		} else {
			p.failed++
		}
	})
}

func (r *reports) add(id uint64, change func(*report)) {
	r.mu.Lock()
	p, known := r.pending[id]
	if !known {
		r.order = append(r.order, id)
	}
	change(&p)
	r.pending[id] = p
	r.mu.Unlock()
	poke(r.wake)
}

// run delivers until stop is called, and then what is left.
func (r *reports) run() {
	for {
		r.deliver()
		select {
		case <-r.wake:
		case <-r.stopped:
			r.deliver()
			return
		}
	}
}

// stop ends run. Nothing may be added any longer.
func (r *reports) stop() { close(r.stopped) }

func (r *reports) deliver() {
	r.mu.Lock()
	pending, order := r.pending, r.order
	r.pending, r.order = map[uint64]report{}, nil
	r.mu.Unlock()
	for _, id := range order {
		p := pending[id]
		for range p.sent {
			r.handler.SnapshotSent(id, true)
		}
		for range p.failed {
			r.handler.SnapshotSent(id, false)
		}
		if p.unreachable {
			r.handler.Unreachable(id)
		}
		if p.changed {
			r.handler.Closed(id, p.closed)
		}
	}
}

// poke wakes the one goroutine that waits for c, now or when it next waits.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
