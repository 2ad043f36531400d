package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

const patience = 20 * time.Second // for what must happen; what must not never waits

// waitFor waits until ok, looking again every millisecond.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("not within %v: %s\n%s", patience, what, buf[:runtime.Stack(buf, true)])
		}
	}
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	all  []string
	loud int // of these, warnings and errors
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r.Message)
	if r.Level >= slog.LevelWarn {
		l.loud++
	}
	return nil
}

func (l *lines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

func (l *lines) wait(t testing.TB, part string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("a log line with %q", part), func() bool { return l.count(part) > 0 })
}

type message struct {
	from uint64
	data string
}

// fakeNode is a Handler that decides like a real node and writes down what it
// is told.
type fakeNode struct {
	tr  *Transport
	log *lines

	mu          sync.Mutex
	self        core.Identity
	members     core.Members
	got         []message
	unreachable map[uint64]int
	closed      []bool         // as it was told of its members, in order
	sent        map[uint64]int // snapshots
	failed      map[uint64]int
	refused     []corepb.Refusal
	receive     func(from uint64, data []byte) bool // instead of writing down
	greet       func(*corepb.Hello) *corepb.Welcome // instead of core.Greet
}

// speaks is what a fakeNode says of its versions.
var speaks = core.Members{}.Speaks(core.NewestVersion)

func (n *fakeNode) Hello(to *corepb.Member) *corepb.Hello {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.self.Hello(speaks, to, core.NodeID(to.GetRaftId()))
}

func (n *fakeNode) Greet(h *corepb.Hello) *corepb.Welcome {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.greet != nil {
		return n.greet(h)
	}
	v := core.Greet(n.self, speaks.Newest, n.members, h)
	if v.Join != nil {
		// Only these: the node id is read without mu.
		n.self.ClusterUUID, n.self.RaftID = v.Join.ClusterUUID, v.Join.RaftID
	}
	return n.self.Welcome(speaks, v)
}

func (n *fakeNode) Receive(from uint64, messages [][]byte) (taken bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken = true
	for _, data := range messages {
		if n.receive != nil {
			taken = n.receive(from, data)
			continue
		}
		n.got = append(n.got, message{from, string(data)})
	}
	return taken
}

func (n *fakeNode) Unreachable(id uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unreachable[id]++
}

func (n *fakeNode) Closed(_ uint64, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = append(n.closed, closed)
}

func (n *fakeNode) SnapshotSent(id uint64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ok {
		n.sent[id]++
	} else {
		n.failed[id]++
	}
}

func (n *fakeNode) Refused(_ *corepb.Member, w *corepb.Welcome) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = append(n.refused, w.GetRefusal())
}

func (n *fakeNode) look(f func() bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return f()
}

func (n *fakeNode) has(from uint64, data string) bool {
	return n.look(func() bool {
		for _, m := range n.got {
			if m == (message{from, data}) {
				return true
			}
		}
		return false
	})
}

// raftID is node's in the tests: incarnation 7.
func raftID(node uint32) uint64 { return core.RaftID(7, node) }

func identity(node uint32) core.Identity {
	return core.Identity{ClusterID: "main", NodeID: node, ReplicaUUID: [16]byte{byte(node)},
		ClusterUUID: [16]byte{0xcc}, RaftID: raftID(node)}
}

// fast makes everything that a test waits for short, and the timeouts that it
// does not wait for long.
func fast(cfg *Config) {
	cfg.BackoffMin, cfg.BackoffMax = 2*time.Millisecond, 20*time.Millisecond
	cfg.RefusedBackoffMin, cfg.RefusedBackoffMax = 2*time.Millisecond, 20*time.Millisecond
	cfg.HandshakeTimeout = patience
	cfg.StableAfter = time.Hour
	cfg.SummaryAfter = time.Hour
}

// newNode starts node on a free port; change may alter its identity and config.
func newNode(t testing.TB, node uint32, change ...func(*fakeNode, *Config)) *fakeNode {
	t.Helper()
	n := &fakeNode{log: &lines{}, self: identity(node), unreachable: map[uint64]int{}, sent: map[uint64]int{}, failed: map[uint64]int{}}
	cfg := Config{Listen: "127.0.0.1:0", Handler: n, Logger: slog.New(n.log)}
	fast(&cfg)
	for _, f := range change {
		f(n, &cfg)
	}
	tr, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.tr = tr
	t.Cleanup(func() { n.close(t) })
	return n
}

func (n *fakeNode) close(t testing.TB) {
	t.Helper()
	if err := n.tr.Close(); err != nil {
		t.Error(err)
	}
}

func at(n *fakeNode) func(*fakeNode, *Config) {
	return func(_ *fakeNode, c *Config) { c.Listen = n.tr.Addr().String() }
}

func memberAt(id uint64, addr net.Addr) *corepb.Member {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		panic(err)
	}
	p, err := strconv.ParseUint(port, 10, 32)
	if err != nil {
		panic(err)
	}
	return &corepb.Member{RaftId: id, Address: host, Port: uint32(p)}
}

func (n *fakeNode) member() *corepb.Member { return memberAt(n.self.RaftID, n.tr.Addr()) }

func (n *fakeNode) send(to uint64, data string) {
	n.tr.Send(core.Send{To: to, Data: []byte(data)})
}

func (n *fakeNode) snapshot(to uint64, size int) {
	n.tr.Send(core.Send{To: to, Data: make([]byte, size), Snapshot: true})
}

func (n *fakeNode) stat(id uint64) PeerStat {
	for _, s := range n.tr.Peers() {
		if s.RaftID == id {
			return s
		}
	}
	return PeerStat{}
}

func (n *fakeNode) waitConnected(t testing.TB, id uint64) {
	t.Helper()
	waitFor(t, fmt.Sprintf("node %d dials %s", n.self.NodeID, peerName(id)), func() bool { return n.stat(id).Dialled })
}

func (n *fakeNode) waitGot(t testing.TB, from uint64, data string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("node %d gets %q from %s", n.self.NodeID, data, peerName(from)), func() bool { return n.has(from, data) })
}

// snapshots waits until every outcome is in, and checks that no more came.
func (n *fakeNode) snapshots(t testing.TB, id uint64, sent, failed int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d snapshots sent, %d failed", sent, failed), func() bool {
		return n.look(func() bool { return n.sent[id]+n.failed[id] >= sent+failed })
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sent[id] != sent || n.failed[id] != failed {
		t.Fatalf("SnapshotSent: %d true and %d false, want %d and %d", n.sent[id], n.failed[id], sent, failed)
	}
}

// pair is two members that know each other.
func pair(t testing.TB, change ...func(*fakeNode, *Config)) (a, b *fakeNode) {
	t.Helper()
	a, b = newNode(t, 1, change...), newNode(t, 2, change...)
	a.tr.SetPeers([]*corepb.Member{b.member()})
	b.tr.SetPeers([]*corepb.Member{a.member()})
	a.waitConnected(t, raftID(2))
	b.waitConnected(t, raftID(1))
	return a, b
}

// rawServer is a member written by hand: it listens, and does what a test does.
func rawServer(t testing.TB) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

// accept takes a connection and welcomes it as node.
func accept(t testing.TB, ln *net.TCPListener, node uint32) *conn {
	t.Helper()
	if err := ln.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	nc, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	c := rawConn(t, nc)
	if err := readGreeting(c.br, &corepb.Hello{}); err != nil {
		t.Fatal(err)
	}
	if err := writeGreeting(nc, identity(node).Welcome(speaks, core.Verdict{})); err != nil {
		t.Fatal(err)
	}
	return c
}

func rawConn(t testing.TB, nc *net.TCPConn) *conn {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetReadBuffer(64 << 10); err != nil { // what it does not read stays with the sender
		t.Fatal(err)
	}
	if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return newConn(&Transport{cfg: Config{}.withDefaults()}, nc, true)
}

// rawDial connects to n and sends b.
func rawDial(t testing.TB, n *fakeNode, b []byte) *conn {
	t.Helper()
	return rawDialFrom(t, "127.0.0.1", n.port(), b)
}

func (n *fakeNode) port() string { return strconv.Itoa(n.tr.Addr().(*net.TCPAddr).Port) }

// greeting is the bytes of a preamble and a Hello.
func greeting(t testing.TB, h *corepb.Hello) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeGreeting(&b, h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// join dials n as a member and is welcomed.
func join(t testing.TB, n *fakeNode, as core.Identity) *conn {
	t.Helper()
	c := rawDial(t, n, greeting(t, as.Hello(speaks, n.member(), n.self.NodeID)))
	w := &corepb.Welcome{}
	if err := readGreeting(c.br, w); err != nil || w.GetRefusal() != corepb.Refusal_NONE {
		t.Fatalf("welcome: %v, error %v", w, err)
	}
	return c
}

// waitClosed waits until the other side hangs up on c.
func waitClosed(t testing.TB, c *conn) {
	t.Helper()
	for {
		if _, err := c.br.ReadByte(); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatalf("still open after %v", patience)
			}
			return
		}
	}
}

func header(n, sum uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, n), sum)
}
