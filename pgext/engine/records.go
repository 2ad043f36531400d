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
	"syscall"
)

// maxLogRecordBytes bounds the log records that wait to be drained. Replies are
// bounded by the requests under way.
const maxLogRecordBytes = 1 << 20

// records is the queue from the engine's goroutines to the worker's main thread.
type records struct {
	eventFd int

	mu       sync.Mutex
	queue    [][]byte // whole records, padded
	logBytes int      // of log records in queue
	lost     int      // log records dropped since the last one that was kept
	closed   bool     // after a fatal record: nothing more
}

func newRecords(eventFd int) *records { return &records{eventFd: eventFd} }

const headerBytes = C.sizeof_PgraftRecord

// record builds one; body is appended by fill.
func record(kind, level uint32, id uint64, body []byte) []byte {
	r := make([]byte, 0, headerBytes+len(body)+C.PGRAFT_RECORD_ALIGN-1)
	r = binary.NativeEndian.AppendUint32(r, kind)
	r = binary.NativeEndian.AppendUint32(r, level)
	r = binary.NativeEndian.AppendUint64(r, id)
	r = binary.NativeEndian.AppendUint32(r, uint32(len(body)))
	r = binary.NativeEndian.AppendUint32(r, 0)
	r = append(r, body...)
	return append(r, make([]byte, -len(r)&(C.PGRAFT_RECORD_ALIGN-1))...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.NativeEndian.AppendUint32(b, uint32(len(s))), s...)
}

func appendNull(b []byte) []byte {
	return binary.NativeEndian.AppendUint32(b, C.PGRAFT_NULL_LENGTH)
}

func (q *records) reply(id uint64, body []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(record(C.PGRAFT_RECORD_REPLY, 0, id, body))
}

func (q *records) fatal(text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(record(C.PGRAFT_RECORD_FATAL, 0, 0, appendString(nil, text)))
	q.closed = true
}

func (q *records) log(level uint32, text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost > 0 && q.logBytes < maxLogRecordBytes {
		q.addLog(C.PGRAFT_LOG_WARNING, fmt.Sprintf("%d log lines were lost: they came faster than the server wrote them", q.lost))
		q.lost = 0
	}
	if q.logBytes >= maxLogRecordBytes {
		q.lost++
		return
	}
	q.addLog(level, text)
}

func (q *records) addLog(level uint32, text string) {
	r := record(C.PGRAFT_RECORD_LOG, level, 0, appendString(nil, text))
	q.logBytes += len(r)
	q.add(r)
}

// add wakes the main thread if it may be asleep. The caller holds mu.
func (q *records) add(r []byte) {
	if q.closed {
		return
	}
	q.queue = append(q.queue, r)
	if len(q.queue) > 1 {
		return // woken already, and has not drained yet
	}
	one := binary.NativeEndian.AppendUint64(nil, 1)
	for {
		// EAGAIN means that the counter is full: it is awake anyway.
		if _, err := syscall.Write(q.eventFd, one); err != syscall.EINTR {
			return
		}
	}
}

// drain fills buf with whole records and returns their bytes; 0 if there are
// none; -n if the next one alone needs n bytes.
func (q *records) drain(buf []byte) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	used, n := 0, 0
	for n < len(q.queue) && used+len(q.queue[n]) <= len(buf) {
		r := q.queue[n]
		if binary.NativeEndian.Uint32(r) == C.PGRAFT_RECORD_LOG {
			q.logBytes -= len(r)
		}
		used += copy(buf[used:], r)
		n++
	}
	if n == 0 && len(q.queue) > 0 {
		return -len(q.queue[0])
	}
	if q.queue = q.queue[n:]; len(q.queue) == 0 {
		q.queue = nil // lets go of the records
	}
	return used
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
