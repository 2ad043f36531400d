package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// Memory is given back when a burst is over, and no sooner; once, if it is needed.
func TestIdleMemory(t *testing.T) {
	const mb = 1 << 20
	m := memory{last: heap{allocated: 0, held: 10 * mb}, least: 10 * mb}
	for _, x := range []struct {
		name            string
		allocated, held uint64
		want            bool
	}{
		{"nothing to do", 1, 12, false},
		{"a burst", 500, 90, false},
		{"its end", 520, 90, false},
		{"idle", 521, 90, true},
	} {
		if got := m.idle(heap{x.allocated * mb, x.held * mb}); got != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
	m.least = 85 * mb // all of it is needed
	if m.idle(heap{522 * mb, 91 * mb}) {
		t.Error("it collects what is needed")
	}
	if m.idle(heap{523 * mb, 30 * mb}); !m.idle(heap{524 * mb, 60 * mb}) {
		t.Error("it takes what a burst needed for what is needed now")
	}
}

var kept [][]byte

// What Go and malloc do not need any more goes back to the operating system.
func TestGiveBackMemory(t *testing.T) {
	debug.FreeOSMemory() // what other tests have left would go with the collection below
	m := memory{last: readHeap(), least: readHeap().held}
	before := m.least
	for range 64 {
		kept = append(kept, make([]byte, 1<<20))
	}
	// Some kB of what other tests have left may have gone meanwhile: what a finalizer let go.
	if held := readHeap().held; held < before+32<<20 {
		t.Fatalf("%d bytes are held, %d were before 64 MB", held, before)
	}
	m.look()
	runtime.KeepAlive(kept)
	kept = nil
	m.look() // what was allocated came before the last look
	if held := readHeap().held; held > before+2*spareBytes {
		t.Errorf("%d bytes are held, %d were before", held, before)
	}
}
