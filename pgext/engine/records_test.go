package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// newBell is a bell whose main thread is asleep, and how often it was rung since the
// last call.
func newBell(t *testing.T) (bell, func() int) {
	t.Helper()
	var ends [2]int // a pipe in place of the eventfd: each ring is 8 bytes
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range ends {
			if err := syscall.Close(fd); err != nil {
				t.Error(err)
			}
		}
	})
	b := bell{eventFd: ends[1], asleep: new(uint32), records: new(uint32)}
	*b.asleep = 1
	return b, func() int {
		n, err := syscall.Read(ends[0], make([]byte, 1<<10))
		if err != nil && err != syscall.EAGAIN {
			t.Error(err)
		}
		return max(n, 0) / 8
	}
}

// drained is a record as the main thread reads it.
type drained struct {
	kind uint32
	id   uint64
	body string
}

// drainAll takes all records, of which a buffer holds size bytes. One that is larger
// gets what it asks for, as in engine_records.c.
func drainAll(t *testing.T, q *records, size int) []drained {
	t.Helper()
	var all []drained
	for atomic.LoadUint32(q.bell.records) != 0 {
		buf := make([]byte, size)
		used := q.drain(buf)
		if used < 0 {
			buf = make([]byte, -used)
			used = q.drain(buf)
		}
		if used <= 0 {
			t.Fatalf("drained %d bytes, though there are records", used)
		}
		for b := buf[:used]; len(b) > 0; {
			n := int(binary.NativeEndian.Uint32(b[lengthAt:]))
			all = append(all, drained{binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint64(b[idAt:]), string(b[headerBytes : headerBytes+n])})
			b = b[(headerBytes+n+7)&^7:]
		}
	}
	return all
}

// The main thread gets every record whole and in order, whatever it drains them into,
// also while more come.
func TestRecordsAreDrainedInOrder(t *testing.T) {
	for _, size := range []int{40, 100, 1 << 10, 64 << 10} {
		b, _ := newBell(t)
		q := newRecords(b)
		id := uint64(0)
		for range 50 {
			var want []drained
			for i := range 20 {
				id++
				body := strings.Repeat("x", i*i) + fmt.Sprint(id)
				q.reply(id, func(b []byte) []byte { return append(b, body...) })
				want = append(want, drained{kind: 1, id: id, body: body})
			}
			q.give()
			if got := drainAll(t, q, size); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("into %d bytes: drained %v, want %v", size, got, want)
			}
			if n := q.drain(make([]byte, size)); n != 0 {
				t.Errorf("drained %d bytes after the last record", n)
			}
		}
	}
}

// What was large is not kept for ever.
func TestRecordsLetGoOfMemory(t *testing.T) {
	b, _ := newBell(t)
	q := newRecords(b)
	q.reply(1, func(b []byte) []byte { return append(b, make([]byte, 4*keptRecordBytes)...) })
	q.give()
	if got := drainAll(t, q, 100); len(got) != 1 || cap(q.queue) > keptRecordBytes {
		t.Errorf("%d records were drained, and %d bytes are kept", len(got), cap(q.queue))
	}
}

// The main thread is woken once for many replies, only if it is asleep, and never for
// nothing.
func TestRecordsWakeOnce(t *testing.T) {
	b, rung := newBell(t)
	q := newRecords(b)
	reply := func(n int) {
		for range n {
			q.reply(1, func(b []byte) []byte { return append(b, "done"...) })
		}
		q.give()
	}
	q.give()
	if n := rung(); n != 0 {
		t.Errorf("woken %d times for nothing", n)
	}
	reply(100)
	reply(100)
	if n := rung(); n != 1 {
		t.Errorf("woken %d times for two batches, want 1", n)
	}
	drainAll(t, q, 1<<10)
	reply(1) // it is still awake
	if n := rung(); n != 0 {
		t.Errorf("woken %d times while awake", n)
	}
	atomic.StoreUint32(b.asleep, 1)
	if atomic.LoadUint32(b.records) == 0 { // so it does not fall asleep
		t.Error("it would sleep over a reply")
	}
	atomic.StoreUint32(b.asleep, 1)
	drainAll(t, q, 1<<10)
	q.log(0, "a line")
	if n := rung(); n != 1 {
		t.Errorf("woken %d times for a line of the log, want 1", n)
	}
}

// Log lines that nobody takes are counted, not kept, and never a reply's loss.
func TestLogRecordsAreBounded(t *testing.T) {
	b, _ := newBell(t)
	q := newRecords(b)
	line := strings.Repeat("x", 1000)
	const lines = 2 * maxLogRecordBytes / 1000
	for range lines {
		q.log(0, line)
	}
	q.reply(7, func(b []byte) []byte { return append(b, "done"...) })
	q.give()
	got := drainAll(t, q, 64<<10)
	if n := len(got); n < lines/4 || n > lines/2+100 || got[n-1].id != 7 {
		t.Fatalf("%d records, the last one %v", n, got[n-1])
	}
	q.log(0, "after")
	if got = drainAll(t, q, 64<<10); len(got) != 2 || !strings.Contains(got[0].body, "log lines were lost") {
		t.Errorf("after that: %v", got)
	}
	q.fatal("panic")
	q.reply(8, func(b []byte) []byte { return append(b, "done"...) })
	q.give()
	if got = drainAll(t, q, 64<<10); len(got) != 1 || got[0].kind != 3 {
		t.Errorf("after a panic: %v", got)
	}
}

// A few replies go into their slots at once. Many, and large ones, are the main thread's.
func TestRepliesAreGivenAtOnce(t *testing.T) {
	b, rung := newBell(t)
	at := 0
	b.answer = func(records []byte) { at += len(records) }
	q := newRecords(b)
	for _, c := range []struct {
		replies, bytes int
		direct         bool
	}{{1, 100, true}, {maxAnswered, 100, true}, {maxAnswered + 1, 100, false}, {1, 4096, true}, {1, 4097, false}} {
		at = 0
		atomic.StoreUint32(b.asleep, 1)
		for i := range c.replies {
			q.reply(uint64(i), func(b []byte) []byte { return append(b, make([]byte, c.bytes)...) })
		}
		q.give()
		left := len(drainAll(t, q, 64<<10))
		if woken := rung(); c.direct && (at < c.replies*c.bytes || left != 0 || woken != 0) || !c.direct && (at != 0 || left != c.replies || woken != 1) {
			t.Errorf("%d replies of %d bytes: %d bytes were given at once, %d replies left, woken %d times", c.replies, c.bytes, at, left, woken)
		}
	}
}
