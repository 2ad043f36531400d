package main

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// Memory of the log store and its like is had from malloc in pieces of some MB, for a
// while. In heaps of threads it would stay with the process for good: once one such piece
// was freed, glibc takes the next from there. Mapped by themselves they go when they are
// freed.
static void
map_large_pieces(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
#endif
}

static void
trim_heaps(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
*/
import "C"

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// memoryInterval is how often it is looked whether memory can be given back.
	memoryInterval = 15 * time.Second
	// busyBytes is how much is allocated in that time at least while there is work to do.
	busyBytes = 16 << 20
	// spareBytes is what is not worth a collection.
	spareBytes = 8 << 20
)

// heap is what Go has of memory.
type heap struct {
	allocated uint64 // since the start, also what was collected since
	held      uint64 // now
}

func readHeap() heap {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(s)
	return heap{allocated: s[0].Value.Uint64(), held: s[1].Value.Uint64() + s[2].Value.Uint64() + s[3].Value.Uint64()}
}

// memory knows what there was when it last looked.
type memory struct {
	last  heap
	least uint64 // what was held after the last collection, or less since
}

// idle says that a burst is over: hardly anything was allocated since the last look, and
// clearly more is held than is needed. A process with nothing to do collects once in two
// minutes by itself, and gives back little of it.
func (m *memory) idle(now heap) bool {
	quiet := now.allocated-m.last.allocated < busyBytes
	m.last, m.least = now, min(m.least, now.held)
	return quiet && now.held > m.least+spareBytes
}

// look gives back what a burst has left.
func (m *memory) look() {
	if !m.idle(readHeap()) {
		return
	}
	debug.FreeOSMemory()
	C.trim_heaps()
	m.last = readHeap()
	m.least = m.last.held
}

func mapLargePieces() { C.map_large_pieces() }

// giveBack runs until the engine ends.
func (e *engine) giveBack() {
	t := time.NewTicker(memoryInterval)
	defer t.Stop()
	m := memory{last: readHeap(), least: readHeap().held}
	for {
		select {
		case <-e.ended.Done():
			return
		case <-t.C:
			m.look()
		}
	}
}
