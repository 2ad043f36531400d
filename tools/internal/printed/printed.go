// Package printed holds what a command or a log prints, for tests that read it
// while it goes on.
package printed

import (
	"bytes"
	"sync"
)

// Text is what was printed so far. Its zero value is empty; all methods are safe
// for concurrent use.
type Text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends b. It never fails.
func (t *Text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

// String returns all that was written.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
