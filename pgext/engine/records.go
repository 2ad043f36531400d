package main

// #include "engine.h"
import "C"

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	// maxLogRecordBytes bounds the log records that wait to be drained. Replies are
	// bounded by the requests under way.
	maxLogRecordBytes = 1 << 20
	// keptRecordBytes is what the queue keeps for the next records once it is empty.
	keptRecordBytes = 256 << 10
)

// maxAnswered is how many replies whoever has them puts into their slots himself. More
// than that are the main thread's, as each wakes a process.
const maxAnswered = 16

// bell is a PgraftBell, and what puts replies into their slots.
type bell struct {
	eventFd         int
	asleep, records *uint32              // atomic
	answer          func(records []byte) // nil: the main thread does
}

// records is the queue from the engine's goroutines to the worker's main thread.
type records struct {
	bell bell

	mu       sync.Mutex
	replies  []byte // whole records, padded; not given yet
	count    int    // of replies
	large    bool   // one of them is too large for its slot
	queue    []byte // as replies: what the main thread is to drain
	drained  int    // bytes of queue
	logBytes int    // of log records in queue
	lost     int    // log records dropped since the last one that was kept
	closed   bool   // after a fatal record: nothing more
}

func newRecords(b bell) *records { return &records{bell: b} }

// The places of a PgraftRecord's fields.
const (
	headerBytes = C.sizeof_PgraftRecord
	idAt        = 8
	lengthAt    = 16
)

func appendString(b []byte, s string) []byte {
	return append(binary.NativeEndian.AppendUint32(b, uint32(len(s))), s...)
}

func appendNull(b []byte) []byte {
	return binary.NativeEndian.AppendUint32(b, C.PGRAFT_NULL_LENGTH)
}

// reply notes one, whose body fill appends. The caller calls give once he has noted all.
func (q *records) reply(id uint64, fill func(b []byte) []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := len(q.replies)
	q.replies = appendRecord(q.replies, C.PGRAFT_RECORD_REPLY, 0, id, fill)
	q.count++
	q.large = q.large || len(q.replies)-at > headerBytes+C.PGRAFT_INLINE_REPLY
}

// give gives the replies that were noted to who waits for them.
func (q *records) give() {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.count == 0 || q.closed:
	case q.bell.answer != nil && q.count <= maxAnswered && !q.large:
		q.bell.answer(q.replies)
	default:
		q.queue = append(q.queue, q.replies...)
		q.wake()
	}
	q.replies, q.count, q.large = emptied(q.replies), 0, false
}

// emptied is b without what is in it, and without the memory if that is much.
func emptied(b []byte) []byte {
	if cap(b) > keptRecordBytes {
		return nil
	}
	return b[:0]
}

func (q *records) fatal(text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(C.PGRAFT_RECORD_FATAL, 0, text)
	q.closed = true
}

// serve queues something that the main thread is to do: fill appends what.
func (q *records) serve(id uint64, fill func(b []byte) []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.queue = appendRecord(q.queue, C.PGRAFT_RECORD_SERVE, 0, id, fill)
		q.wake()
	}
}

func (q *records) log(level uint32, text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost > 0 && q.logBytes < maxLogRecordBytes {
		q.addLog(C.PGRAFT_LOG_WARNING, fmt.Sprintf("%d log lines were lost: they came faster than the server wrote them", q.lost))
		q.lost = 0
	}
	if q.logBytes < maxLogRecordBytes {
		q.addLog(level, text)
	} else {
		q.lost++
	}
}

func (q *records) addLog(level uint32, text string) {
	before := len(q.queue)
	q.add(C.PGRAFT_RECORD_LOG, level, text)
	q.logBytes += len(q.queue) - before
}

// add queues a record of one string. The caller holds mu.
func (q *records) add(kind, level uint32, text string) {
	if !q.closed {
		q.queue = appendRecord(q.queue, kind, level, 0, func(b []byte) []byte { return appendString(b, text) })
		q.wake()
	}
}

func appendRecord(b []byte, kind, level uint32, id uint64, fill func(b []byte) []byte) []byte {
	at := len(b)
	b = binary.NativeEndian.AppendUint32(b, kind)
	b = binary.NativeEndian.AppendUint32(b, level)
	b = binary.NativeEndian.AppendUint64(b, id)
	b = append(b, make([]byte, headerBytes-lengthAt)...)
	b = fill(b)
	binary.NativeEndian.PutUint32(b[at+lengthAt:], uint32(len(b)-at-headerBytes))
	return append(b, make([]byte, -(len(b)-at)&(C.PGRAFT_RECORD_ALIGN-1))...)
}

// wake has the main thread drain the queue: it wakes it if it is asleep. The caller
// holds mu.
func (q *records) wake() {
	atomic.StoreUint32(q.bell.records, 1)
	if atomic.LoadUint32(q.bell.asleep) == 0 || atomic.SwapUint32(q.bell.asleep, 0) == 0 {
		return
	}
	one := uint64(1)
	for {
		// It cannot block: see boottime in package node. EAGAIN means that the counter
		// is full: the main thread is awake anyway.
		if _, _, err := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(q.bell.eventFd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one)); err != syscall.EINTR {
			return
		}
	}
}

// drain fills buf with whole records and returns their bytes; 0 if there are
// none; -n if the next one alone needs n bytes.
func (q *records) drain(buf []byte) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting, used := q.queue[q.drained:], 0
	for used < len(waiting) {
		r := waiting[used:]
		size := headerBytes + int(binary.NativeEndian.Uint32(r[lengthAt:]))
		size += -size & (C.PGRAFT_RECORD_ALIGN - 1)
		if used+size > len(buf) {
			if used == 0 {
				return -size
			}
			break
		}
		if binary.NativeEndian.Uint32(r) == C.PGRAFT_RECORD_LOG {
			q.logBytes -= size
		}
		used += size
	}
	copy(buf, waiting[:used])
	q.drained += used
	q.shrink()
	return used
}

// shrink takes what was drained out of the queue, once that is worth it. The caller
// holds mu.
func (q *records) shrink() {
	if q.drained <= len(q.queue)/2 {
		return
	}
	q.queue = q.queue[:copy(q.queue, q.queue[q.drained:])]
	q.drained = 0
	if len(q.queue) > 0 {
		return
	}
	q.queue = emptied(q.queue)
	atomic.StoreUint32(q.bell.records, 0)
}

// logHandler is slog's way into the server log.
type logHandler struct {
	records *records
	level   slog.Leveler
	attrs   string
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	level := uint32(C.PGRAFT_LOG_DEBUG)
	switch {
	case r.Level >= slog.LevelError:
		level = C.PGRAFT_LOG_ERROR
	case r.Level >= slog.LevelWarn:
		level = C.PGRAFT_LOG_WARNING
	case r.Level >= slog.LevelInfo:
		level = C.PGRAFT_LOG_INFO
	}
	h.records.log(level, b.String())
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	for _, a := range attrs {
		n.attrs += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	return &n
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }
