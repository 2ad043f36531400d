package node

import "sync"

// inbox is what waits for a runner's core, and says who owns the core. Whoever puts
// something in while nobody owns it becomes the owner, and works off what waits: so
// a message is stepped by the goroutine that has read it, and nobody has to be woken
// for it. Everything that belongs to the owner is handed on under mu.
type inbox struct {
	mu     sync.Mutex
	left   sync.Cond     // the owner has let go, or there is room again
	wake   chan struct{} // 1 slot, for the worker: passed is set
	items  []any         // core.Input, asker or func()
	spare  []any         // what take gave out last; its owner has cleared it
	ticks  bool          // a tick is among the items
	owned  bool
	passed bool // owned is meant for the worker, which has not seen it yet
	closed bool // nothing is taken any longer
}

// inboxSize is how many items may wait: over it messages are dropped, Calls are
// refused and callers wait.
const inboxSize = 4096

// taken is what came of an attempt to put something into an inbox.
type taken int

const (
	closedInbox taken = iota
	noRoom
	queued
	owning // it is queued, and who did it owns the core now
)

func newInbox() *inbox {
	b := &inbox{wake: make(chan struct{}, 1)}
	b.left.L = &b.mu
	return b
}

// offer puts in what may be dropped: all of it, or none.
func (b *inbox) offer(items ...any) taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && len(b.items)+len(items) > inboxSize {
		return noRoom
	}
	return b.add(items)
}

// put waits for room. Only who owns nothing and holds no lock may wait.
func (b *inbox) put(item any) taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.closed && len(b.items) >= inboxSize {
		b.left.Wait()
	}
	return b.add([]any{item})
}

// force puts in what has a bound of its own, and may be called by the owner.
func (b *inbox) force(item any) taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add([]any{item})
}

// tick puts in a tick unless one waits already: a tick that is late is dropped.
func (b *inbox) tick(item any) taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ticks {
		return queued
	}
	b.ticks = true
	return b.add([]any{item})
}

// add is under mu.
func (b *inbox) add(items []any) taken {
	if b.closed {
		return closedInbox
	}
	b.items = append(b.items, items...)
	if b.owned {
		return queued
	}
	b.owned = true
	return owning
}

// take gives the owner all that waits. nil: it owns the core no longer, as nothing
// waits or the inbox is closed.
func (b *inbox) take() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.items) == 0 {
		b.owned = false
		b.left.Broadcast()
		return nil
	}
	items := b.items
	if len(items) >= inboxSize {
		b.left.Broadcast()
	}
	b.items, b.spare, b.ticks = b.spare[:0], items, false
	return items
}

// pass has the worker own the core in place of who owns it now. It may be that
// nothing waits.
func (b *inbox) pass() {
	b.mu.Lock()
	b.passed = true
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// accept says that the worker owns the core: it was passed on.
func (b *inbox) accept() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	passed := b.passed
	b.passed = false
	return passed
}

// idle says that nothing waits, and lets go of the core then.
func (b *inbox) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) > 0 && !b.closed {
		return false
	}
	b.owned = false
	b.left.Broadcast()
	return true
}

// close has the inbox take nothing any longer.
func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.left.Broadcast()
}

// rest waits until nobody owns the core of a closed inbox, and returns what waits.
func (b *inbox) rest() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.owned {
		b.left.Wait()
	}
	items := b.items
	b.items = nil
	return items
}

// abandon is for an owner that panics: it lets go for good.
func (b *inbox) abandon() {
	b.mu.Lock()
	b.closed, b.owned = true, false
	b.mu.Unlock()
	b.left.Broadcast()
}
