package main

// #include "engine.h"
import "C"

import (
	"sync/atomic"
	"unsafe"
)

// statusBlock is where backends read it.
type statusBlock = C.PgraftStatusBlock

// writeStatus is pgraft_status_write of status.h, which the main thread uses while there
// is no engine. A call of C, however short, has Go wake the thread that watches its
// scheduler, and the status is written with each step. Words that stay are not written.
func writeStatus(block *statusBlock, from *status) {
	seq := (*uint64)(&block.seq)
	n := atomic.LoadUint64(seq)
	if n&1 == 0 { // else a writer was killed half-way: the second copy is whole
		copyStatus(&block.copies[1], &block.copies[0])
		n++
		atomic.StoreUint64(seq, n)
	}
	copyStatus(&block.copies[0], from)
	atomic.StoreUint64(seq, n+1)
}

func copyStatus(to, from *status) {
	dst, src := statusWords(to), statusWords(from)
	for i := range dst {
		if w := atomic.LoadUint64(&src[i]); w != atomic.LoadUint64(&dst[i]) {
			atomic.StoreUint64(&dst[i], w)
		}
	}
}

func statusWords(s *status) *[unsafe.Sizeof(status{}) / 8]uint64 {
	return (*[unsafe.Sizeof(status{}) / 8]uint64)(unsafe.Pointer(s))
}
