package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// patience is far above what anything here takes.
const patience = 30 * time.Second

// lone is an engine whose node has founded a cluster of one, and which leads it.
type lone struct {
	*engine
	t   *testing.T
	ops map[string]uint32
	got map[uint64]string // replies, by id
}

func newLone(t *testing.T) *lone {
	b, _ := newBell(t)
	return &lone{engine: newEngine(config{node: loneConfig(t)}, newRecords(b), func(*status) {}), t: t, ops: operations(t), got: map[uint64]string{}}
}

func loneConfig(t *testing.T) node.Config {
	t.Helper()
	s, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := s.Addr().(*net.TCPAddr).Port
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return node.Config{ClusterID: "test", NodeID: 1, Address: "127.0.0.1", Port: uint32(port),
		DataDir: filepath.Join(dir, "pgraft"), MarkerPath: filepath.Join(dir, "marker"),
		ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond, MaxEntryBytes: 1 << 20, SnapshotEntries: 1000,
		Retention: store.Retention{RetainEntries: 100000, RetainBytes: 1 << 30}}
}

// start opens the node, which leads from then on.
func (l *lone) start() {
	l.t.Helper()
	l.spawn(l.open)
	<-l.opened
	if l.failed != nil {
		l.t.Fatal(l.failed)
	}
	l.t.Cleanup(func() {
		if err := l.node.Close(); err != nil {
			l.t.Error(err)
		}
	})
	if _, err := l.node.Init(nil); err != nil {
		l.t.Fatal(err)
	}
	if err := l.node.AwaitLeader(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lone) request(id uint64, op string) request {
	n, ok := l.ops[op]
	if !ok {
		l.t.Fatalf("no operation %s", op)
	}
	q := request{id: id, op: n, maxEntry: 1 << 20, timeout: patience}
	binary.NativeEndian.PutUint64(q.requestID[:], id)
	return q
}

func (l *lone) proposal(id uint64, data string) request {
	q := l.request(id, "PROPOSE")
	q.data = []byte(data)
	return q
}

func (l *lone) underWay() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// reply waits for the reply to a request, as the main thread does.
func (l *lone) reply(id uint64) string {
	l.t.Helper()
	limit := time.After(patience)
	for {
		for _, r := range drainAll(l.t, l.records, 64<<10) {
			if r.kind != 1 {
				continue // a line of the log
			}
			if _, twice := l.got[r.id]; twice {
				l.t.Fatalf("two replies to request %d", r.id)
			}
			l.got[r.id] = r.body
		}
		if body, ok := l.got[id]; ok {
			return body
		}
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			l.t.Fatalf("no reply to request %d", id)
		}
	}
}

// state is the SQLSTATE of a reply.
func state(body string) string { return body[:5] }

// numbers is the row of a reply that is no error.
func numbers(t *testing.T, body string) []string {
	t.Helper()
	if state(body) != "00000" || binary.NativeEndian.Uint32([]byte(body[9:])) != 1 {
		t.Fatalf("reply %q", body)
	}
	var row []string
	for b := []byte(body[17:]); len(b) > 0; {
		n := binary.NativeEndian.Uint32(b)
		row, b = append(row, string(b[4:4+n])), b[4+n:]
	}
	return row
}

// Requests that come with one call are each answered once, with where the entry is; a
// barrier and a wait that are asked for later see all of them.
func TestRequestsOfABatch(t *testing.T) {
	l := newLone(t)
	l.start()
	const n = 500
	var batch []request
	for id := uint64(1); id <= n; id++ {
		batch = append(batch, l.proposal(id, fmt.Sprintf("entry %d", id)))
	}
	if taken := l.submit(batch); taken != n {
		t.Fatalf("%d requests were taken", taken)
	}
	at, last := map[uint64]bool{}, uint64(0)
	for id := uint64(1); id <= n; id++ {
		row := numbers(t, l.reply(id))
		index, err := strconv.ParseUint(row[0], 10, 64)
		if err != nil || len(row) != 2 || at[index] {
			t.Errorf("request %d: %v", id, row)
		}
		at[index], last = true, max(last, index)
		if data, ok, err := l.node.Entry(t.Context(), index); err != nil || !ok || string(data) != fmt.Sprintf("entry %d", id) {
			t.Errorf("entry %d is %q, %v, %v", index, data, ok, err)
		}
	}
	wait := l.request(n+3, "WAIT_APPLIED")
	wait.args.index = int64(last)
	if taken := l.submit([]request{l.request(n+1, "READ_BARRIER"), l.request(n+2, "CONFIRM_LEADER"), wait}); taken != 3 {
		t.Fatalf("%d reads were taken", taken)
	}
	if row := numbers(t, l.reply(n+1)); len(row) != 1 || row[0] != fmt.Sprint(last) {
		t.Errorf("the barrier says %v, and the last entry is %d", row, last)
	}
	if row := numbers(t, l.reply(n+2)); len(row) != 1 || row[0] != "2" {
		t.Errorf("the leader confirms itself for term %v", row)
	}
	if row := numbers(t, l.reply(n+3)); len(row) != 1 || row[0] != "t" {
		t.Errorf("the wait says %v", row)
	}
	if n := l.underWay(); n != 0 {
		t.Errorf("%d requests are under way still", n)
	}
}

// Proposals with a request id of the caller's are compared with the entry, and those
// that are too large are refused, whoever comes with them.
func TestProposalsThatAreRefused(t *testing.T) {
	l := newLone(t)
	l.start()
	first, again, other, large := l.proposal(1, "data"), l.proposal(1, "data"), l.proposal(1, "other data"), l.proposal(4, "too large")
	first.args.chosen, again.args.chosen, other.args.chosen = true, true, true
	again.id, other.id, large.maxEntry = 2, 3, 3
	for _, q := range []request{first, again, other, large} {
		l.submit([]request{q})
		l.reply(q.id)
	}
	if a, b := l.got[1], l.got[2]; state(a) != "00000" || a != b {
		t.Errorf("once %q, again %q", a, b)
	}
	if s := state(l.got[3]); s != "22023" {
		t.Errorf("SQLSTATE %s for other data", s)
	}
	if s := state(l.got[4]); s != "54000" {
		t.Errorf("SQLSTATE %s for an entry that is too large", s)
	}
}

// Over the bound the engine is busy, and goes on with what it has. What nobody waits
// for any more makes room, and gets no reply.
func TestTooManyRequests(t *testing.T) {
	l := newLone(t)
	l.start()
	var batch []request
	for id := uint64(1); id <= maxRequests+10; id++ {
		q := l.request(id, "WAIT_APPLIED")
		q.args.index = 1 << 40
		batch = append(batch, q)
	}
	if taken := l.submit(batch); taken != maxRequests {
		t.Fatalf("%d requests were taken, want %d", taken, maxRequests)
	}
	barrier := l.request(5000, "READ_BARRIER")
	if taken := l.submit([]request{barrier}); taken != 0 {
		t.Fatal("one more was taken")
	}
	l.cancel(3)
	if taken := l.submit([]request{barrier}); taken != 1 {
		t.Fatal("none was taken when one was given up")
	}
	if numbers(t, l.reply(5000)); len(l.got) != 1 {
		t.Errorf("replies %v", l.got)
	}
	for id := uint64(1); id <= maxRequests; id++ {
		l.cancel(id)
	}
	if n := l.underWay(); n != 0 {
		t.Errorf("%d requests are under way still", n)
	}
}

// A wait that is over says so, and is no failure.
func TestCallOutOfTime(t *testing.T) {
	l := newLone(t)
	l.start()
	q := l.request(1, "WAIT_APPLIED")
	q.args.index, q.timeout = 1<<40, 50*time.Millisecond
	l.submit([]request{q})
	if row := numbers(t, l.reply(1)); len(row) != 1 || row[0] != "f" {
		t.Errorf("the wait says %v", row)
	}
}

// Requests that come while the node is being opened wait for it. One of them that is
// given up gets no reply.
func TestRequestsBeforeTheNodeIsOpen(t *testing.T) {
	l := newLone(t)
	l.submit([]request{l.proposal(1, "early"), l.proposal(2, "given up"), l.request(3, "LOG_STATS")})
	l.cancel(2)
	l.start()
	// the node was open before it led, so whichever of the two it was asked as
	if s := state(l.reply(1)); s != "00000" && s != "55000" {
		t.Errorf("SQLSTATE %s", s)
	}
	l.reply(3)
	l.submit([]request{l.proposal(4, "later")})
	numbers(t, l.reply(4))
	if _, ok := l.got[2]; ok {
		t.Error("what was given up got a reply")
	}
}

// An engine that stops answers its proposals, and leaves reads to the next one.
func TestStopAnswersCalls(t *testing.T) {
	l := newLone(t)
	l.start()
	q := l.request(1, "WAIT_APPLIED")
	q.args.index = 1 << 40
	l.submit([]request{q})
	batch := make([]request, 100)
	for i := range batch {
		batch[i] = l.proposal(uint64(i+2), "data")
	}
	l.submit(batch)
	l.stop()
	for _, q := range batch {
		// the last one: not even asked
		if s := state(l.reply(q.id)); s != "00000" && s != "40003" && s != "57P01" {
			t.Errorf("request %d: SQLSTATE %s", q.id, s)
		}
	}
	if body, ok := l.got[1]; ok {
		t.Errorf("a read got the reply %q", body)
	}
}
