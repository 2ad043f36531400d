// Command engine is pgraft_engine.so, the Go side of the extension: it runs a
// node inside the engine worker of a PostgreSQL server. engine.h is its
// whole interface; it knows nothing else of PostgreSQL.
//
// The rules of the house (measured, see ARCHITECTURE.md):
//   - It is linked with asyncpreemptoff=1: Go's preemption signal is SIGURG,
//     which PostgreSQL's latches use. So no loop here may run long without a
//     call in it.
//   - No os/signal: it would take SIGTERM from the server.
//   - No environment: Go sees none in here. All settings come through
//     PgraftConfig.
//   - Every goroutine recovers: a panic ends the worker, which the server starts
//     again, and not the server.
package main

/*
#cgo CFLAGS: -DPGRAFT_ENGINE_IMPLEMENTATION
#include "engine.h"
*/
import "C"

import (
	"runtime/debug"
	"time"
	"unsafe"
)

// the is the engine of this process: set by pgraft_engine_start, which the
// worker's main thread calls once, like every function here.
var the *engine

// build is linked in by the Makefile: see tools/build-id.sh.
var build = "unknown"

//export pgraft_engine_build
func pgraft_engine_build() *C.char { return C.CString(build) } // it is called once, and kept

//export pgraft_engine_start
func pgraft_engine_start(c *C.PgraftConfig, block *C.PgraftStatusBlock, b *C.PgraftBell, answer C.pgraft_answer_fn, publish C.pgraft_fence_fn, reason *C.char, size C.size_t) C.int {
	debug.SetGCPercent(gcPercent)
	mapLargePieces()
	cfg := readConfig(c)
	if err := cfg.node.Validate(); err != nil && cfg.refused == nil {
		text := unsafe.Slice((*byte)(unsafe.Pointer(reason)), int(size))
		text[copy(text[:len(text)-1], err.Error())] = 0
		return 1
	}
	ring := bell{eventFd: int(b.event_fd), asleep: (*uint32)(&b.asleep), records: (*uint32)(&b.records),
		answer: func(records []byte) {
			C.pgraft_answer(answer, (*C.char)(unsafe.Pointer(unsafe.SliceData(records))), C.size_t(len(records)))
		}}
	the = newEngine(cfg, newRecords(ring), func(s *status) { writeStatus(block, s) })
	if publish != nil {
		the.fence = func(f *fence) { C.pgraft_fence(publish, f) }
	}
	the.pace.work() // to begin with
	the.spawn(the.open)
	the.spawn(the.giveBack)
	the.spawn(the.watchPace)
	the.listen(cfg.http)
	the.spawn(the.serveHTTP)
	if cfg.failover {
		the.spawn(the.keepSlots)
	}
	return 0
}

//export pgraft_engine_reload
func pgraft_engine_reload(c *C.PgraftConfig) {
	the.reload(readConfig(c))
}

//export pgraft_engine_submit
func pgraft_engine_submit(first *C.PgraftRequest, n C.uint32_t) C.uint32_t {
	return C.uint32_t(the.submit(readRequests(unsafe.Slice(first, int(n)))))
}

//export pgraft_engine_cancel
func pgraft_engine_cancel(id C.uint64_t) { the.cancel(uint64(id)) }

//export pgraft_engine_drain
func pgraft_engine_drain(buf *C.char, size C.size_t) C.int64_t {
	return C.int64_t(the.records.drain(unsafe.Slice((*byte)(unsafe.Pointer(buf)), int(size))))
}

//export pgraft_engine_served
func pgraft_engine_served(id C.uint64_t, c *C.PgraftServed) {
	the.server.served(uint64(id), readServed(c))
}

//export pgraft_engine_stop
func pgraft_engine_stop() { the.stop() }

// sharedBytes is the size up to which the data of requests that came together lies in
// one piece of memory: what is longer is not to be kept by its neighbours.
const sharedBytes = 2 << 10

// readRequests copies what C owns.
func readRequests(rs []C.PgraftRequest) []request {
	small := 0
	for i := range rs {
		if rs[i].data.len <= sharedBytes {
			small += int(rs[i].data.len)
		}
	}
	qs, shared := make([]request, len(rs)), make([]byte, 0, small)
	for i := range rs {
		r := &rs[i]
		data := unsafe.Slice((*byte)(unsafe.Pointer(r.data.data)), int(r.data.len))
		if r.data.len <= sharedBytes {
			at := len(shared)
			shared = append(shared, data...)
			data = shared[at:len(shared):len(shared)]
		} else {
			data = append([]byte(nil), data...)
		}
		qs[i] = request{id: uint64(r.id), op: uint32(r.op), maxEntry: int(r.max_entry_bytes),
			timeout: time.Duration(r.timeout_ms) * time.Millisecond, requestID: *(*[C.PGRAFT_REQUEST_ID_BYTES]byte)(unsafe.Pointer(&r.request_id)),
			args: readArgs(&r.args), data: data}
	}
	return qs
}

func readArgs(a *C.PgraftArgs) args {
	return args{nodeID: uint32(a.node_id), oldNodeID: uint32(a.old_node_id), port: uint32(a.port), bootstrap: uint32(a.bootstrap),
		chosen: a.chosen != 0, enabled: a.enabled != 0, importable: a.importable != 0,
		wait: time.Duration(a.wait_ms) * time.Millisecond, index: int64(a.index), last: int64(a.last), offset: int64(a.offset), total: int64(a.total), system: uint64(a.system_identifier)}
}

func goString(b C.PgraftBytes) string { return C.GoStringN(b.data, C.int(b.len)) }

func main() {}
