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
	"runtime"
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
func pgraft_engine_start(c *C.PgraftConfig, block *C.PgraftStatusBlock, reason *C.char, size C.size_t) C.int {
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(runtime.NumCPU() + spareProcs)
	mapLargePieces()
	cfg := readConfig(c)
	if err := cfg.node.Validate(); err != nil && cfg.refused == nil {
		b := unsafe.Slice((*byte)(unsafe.Pointer(reason)), int(size))
		b[copy(b[:len(b)-1], err.Error())] = 0
		return 1
	}
	the = newEngine(cfg, newRecords(int(c.event_fd)), func(s status) { C.pgraft_status_write(block, &s) })
	the.spawn(the.open)
	the.spawn(the.giveBack)
	return 0
}

//export pgraft_engine_reload
func pgraft_engine_reload(c *C.PgraftConfig) {
	the.reload(readConfig(c))
}

//export pgraft_engine_submit
func pgraft_engine_submit(r *C.PgraftRequest) C.int {
	q := request{id: uint64(r.id), op: uint32(r.op), maxEntry: int(r.max_entry_bytes),
		timeout: time.Duration(r.timeout_ms) * time.Millisecond, requestID: *(*[C.PGRAFT_REQUEST_ID_BYTES]byte)(unsafe.Pointer(&r.request_id)),
		a: int64(r.a), b: int64(r.b), data: goBytes(r.data)}
	if !the.submit(q) {
		return 1
	}
	return 0
}

//export pgraft_engine_cancel
func pgraft_engine_cancel(id C.uint64_t) { the.cancel(uint64(id)) }

//export pgraft_engine_drain
func pgraft_engine_drain(buf *C.char, size C.size_t) C.int64_t {
	return C.int64_t(the.records.drain(unsafe.Slice((*byte)(unsafe.Pointer(buf)), int(size))))
}

//export pgraft_engine_stop
func pgraft_engine_stop() { the.stop() }

func goBytes(b C.PgraftBytes) []byte {
	return C.GoBytes(unsafe.Pointer(b.data), C.int(b.len))
}

func goString(b C.PgraftBytes) string { return C.GoStringN(b.data, C.int(b.len)) }

func main() {}
