package main

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// kind is what an operation of a client does.
type kind string

const (
	insert kind = "insert" // a row of its own
	write  kind = "write"  // sets a register, and leaves a row
	read   kind = "read"   // reads a register, and commits something
)

// outcome is what its client knows of a commit.
type outcome int

const (
	unknown outcome = iota
	acked
	refused // it has not happened, and never will
)

// row names what a session wrote: its how manieth.
type row struct {
	Session int32
	Number  int64
}

// op is an operation of a client, that ended with COMMIT. Times count from the beginning of the run,
// by the one clock of this process.
type op struct {
	Kind     kind
	Row      row
	Beside   bool // its session stays with one server, whatever that is
	Server   int  // who was asked, by node id
	Timeline uint32
	Began    time.Duration // the transaction
	Asked    time.Duration // COMMIT was sent; 0: it was not
	Ended    time.Duration
	Outcome  outcome
	Error    string
	Key      int // of a register
	Read     row // what a read found there
}

// seen is a row that a server which is no standby showed somebody.
type seen struct {
	Row    row
	Server int
	At     time.Duration
}

// history is what clients did and saw. Its methods may be called at once.
type history struct {
	began time.Time

	mu   sync.Mutex
	ops  []op
	seen map[row]seen // the first time
	last op           // that was acknowledged
	n    int          // of these
}

func newHistory() *history { return &history{began: time.Now(), seen: map[row]seen{}} }

// now is the time since the beginning.
func (h *history) now() time.Duration { return time.Since(h.began) }

func (h *history) add(o op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, o)
	if o.Outcome == acked {
		h.n++
		h.last = o
	}
}

func (h *history) sees(s seen) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.seen[s.Row]; !ok {
		h.seen[s.Row] = s
	}
}

// acknowledged is how many operations were, and the last one.
func (h *history) acknowledged() (int, op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n, h.last
}

// soFar is what has ended, and what was seen.
func (h *history) soFar() ([]op, map[row]seen) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ops), maps.Clone(h.seen)
}
