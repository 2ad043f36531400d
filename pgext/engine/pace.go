package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// pace says how many of Go's processors the engine has. With more than one, a thread that
// has something to do wakes another, in case there is more, which looks around and goes
// back to sleep: on a node that does nothing but to beat, that was most of what it cost.
// So a quiet engine has one. A system call that lasts gives it to others, as always, so
// that a disk that hangs holds up nobody.
type pace struct {
	most int
	set  func(int) // runtime.GOMAXPROCS

	steps atomic.Int64 // of the core, since the last look
	used  atomic.Bool  // something was asked, or has changed, since the last look
	busy  atomic.Bool  // there are most
	mu    sync.Mutex   // held while their number changes
}

const (
	// spareProcs is for threads that wait outside of Go: the worker's main thread and
	// the one that syncs. Go's scheduler takes back what it lets such a thread keep only
	// after a while, and with none left a message that arrives waits for that.
	spareProcs = 2
	// paceInterval is how often it is looked whether the engine is quiet.
	paceInterval = time.Second
	// quietSteps is how many steps of the core one processor has in that time at most.
	quietSteps = 500
)

func newPace() *pace {
	return &pace{most: runtime.NumCPU() + spareProcs, set: func(n int) { runtime.GOMAXPROCS(n) }}
}

// work says that there is something to do.
func (p *pace) work() {
	p.used.Store(true)
	if p.busy.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.busy.Swap(true) {
		p.set(p.most)
	}
}

// stepped says that the core was; changed: it has something to keep.
func (p *pace) stepped(changed bool) {
	if p.steps.Add(1) > quietSteps || changed {
		p.work()
	}
}

// look leaves one processor if nothing was to do since the last look.
func (p *pace) look() {
	steps := p.steps.Swap(0)
	if p.used.Swap(false) || steps > quietSteps || !p.busy.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy.Store(false)
	if p.used.Load() { // just now: whoever said so may have seen busy
		p.busy.Store(true)
		return
	}
	p.set(1)
}

// watch looks until the engine ends.
func (e *engine) watchPace() {
	t := time.NewTicker(paceInterval)
	defer t.Stop()
	for {
		select {
		case <-e.ended.Done():
			return
		case <-t.C:
			e.pace.look()
		}
	}
}
