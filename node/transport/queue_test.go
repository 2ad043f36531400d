package transport

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

func rawDialFrom(t testing.TB, from, port string, b []byte) *conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := d.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	c := rawConn(t, nc.(*net.TCPConn))
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestQueueBound: a peer that does not read costs the bound and no more; each
// burst of drops is reported once, and it goes on when the peer reads again.
func TestQueueBound(t *testing.T) {
	const bound, size = 1 << 20, 64 << 10
	a := newNode(t, 1, func(_ *fakeNode, c *Config) { c.QueueBytes, c.WriteTimeout = bound, patience })
	ln := rawServer(t)
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	c := accept(t, ln, 2)
	a.waitConnected(t, raftID(2))
	data := make([]byte, size)
	burst := func() (sent int) {
		for before := a.stat(raftID(2)).DroppedOut; a.stat(raftID(2)).DroppedOut < before+10; sent++ {
			a.tr.Send(core.Send{To: raftID(2), Data: data})
			if q := a.stat(raftID(2)).QueueBytes; q > bound {
				t.Fatalf("%d bytes queued, the bound is %d", q, bound)
			}
		}
		return sent
	}
	unreachable := func(n int) func() bool {
		return func() bool { return a.look(func() bool { return a.unreachable[raftID(2)] == n }) }
	}
	sent := burst()
	waitFor(t, "one report", unreachable(1))
	for range sent - 10 {
		if got, err := readFrame(c.br, maxFrameBytes); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("read %d bytes, error %v", len(got), err)
		}
	}
	waitFor(t, "an empty queue", func() bool { return a.stat(raftID(2)).QueueMessages == 0 })
	burst()
	waitFor(t, "a second report", unreachable(2))
	if s := a.stat(raftID(2)); s.DroppedOut != 20 || !s.Connected {
		t.Errorf("stat %+v", s)
	}
}

// TestQueueMessages: empty messages are bounded too.
func TestQueueMessages(t *testing.T) {
	a := newNode(t, 1, func(_ *fakeNode, c *Config) { c.QueueMessages = 5 })
	ln := rawServer(t) // never answers: all stays queued
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	for range 7 {
		a.send(raftID(2), "")
	}
	if s := a.stat(raftID(2)); s.QueueMessages != 5 || s.DroppedOut != 2 {
		t.Errorf("stat %+v", s)
	}
	waitFor(t, "the report", func() bool { return a.look(func() bool { return a.unreachable[raftID(2)] == 1 }) })
}

// TestSnapshotOutcomes: every snapshot is answered once, whatever happens to it.
func TestSnapshotOutcomes(t *testing.T) {
	a, b := newNode(t, 1, func(_ *fakeNode, c *Config) { c.QueueBytes = 1 << 20 }), newNode(t, 2)
	id := raftID(2)
	sent, failed := 0, 0
	expect := func(what string, ok bool) {
		t.Helper()
		t.Log(what)
		if ok {
			sent++
		} else {
			failed++
		}
		a.snapshots(t, id, sent, failed)
	}
	a.snapshot(id, 1)
	expect("no such peer", false)

	a.tr.SetPeers([]*corepb.Member{b.member()})
	a.waitConnected(t, id)
	a.snapshot(id, 1000)
	expect("sent", true)
	a.snapshot(id, 1<<20+1)
	expect("larger than the queue", false)
	a.snapshot(id, maxFrameBytes+1)
	expect("larger than a frame", false)
	a.log.wait(t, "dropped a message of 67108865 bytes for node 2")

	b.close(t)
	waitFor(t, "messages to be dropped", func() bool { return a.tr.look(id, func(p *peer) bool { return p.down }) })
	a.snapshot(id, 1000)
	expect("not connected", false)

	mute := rawServer(t) // accepts and does not answer
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(3), mute.Addr()), memberAt(raftID(4), mute.Addr())})
	a.snapshot(raftID(3), 1)
	a.snapshot(raftID(4), 1)
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(4), mute.Addr())})
	a.snapshots(t, raftID(3), 0, 1) // removed
	a.close(t)
	a.snapshots(t, raftID(4), 0, 1) // closed
	a.snapshot(raftID(4), 1)
	a.snapshots(t, raftID(4), 0, 2) // after Close
	a.snapshots(t, id, sent, failed)
}

// TestSnapshotConnectionLost: one snapshot is being written and two are queued
// when the peer goes away for good.
func TestSnapshotConnectionLost(t *testing.T) {
	a := newNode(t, 1)
	ln := rawServer(t)
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	c := accept(t, ln, 2)
	ln.Close()
	a.waitConnected(t, raftID(2))
	for range 3 {
		a.snapshot(raftID(2), 16<<20) // more than the kernel takes
	}
	if _, err := c.br.ReadByte(); err != nil {
		t.Fatal(err)
	}
	c.nc.Close()
	a.snapshots(t, raftID(2), 0, 3)
	waitFor(t, "one report", func() bool { return a.look(func() bool { return a.unreachable[raftID(2)] == 1 }) })
	if s := a.stat(raftID(2)); s.QueueBytes != 0 || s.QueueMessages != 0 || s.DroppedOut != 3 {
		t.Errorf("stat %+v", s)
	}
}

// TestStuckPeer: a peer that takes nothing is left after WriteTimeout, and
// dialled again.
func TestStuckPeer(t *testing.T) {
	a := newNode(t, 1, func(_ *fakeNode, c *Config) { c.WriteTimeout = 50 * time.Millisecond })
	ln := rawServer(t)
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	accept(t, ln, 2)
	a.snapshot(raftID(2), 60<<20)
	a.snapshots(t, raftID(2), 0, 1)
	a.log.wait(t, "ended: i/o timeout")
	accept(t, ln, 2)
	a.waitConnected(t, raftID(2))
	waitFor(t, "one report", func() bool { return a.look(func() bool { return a.unreachable[raftID(2)] == 1 }) })
}

// TestLargeSnapshot: the largest message that is allowed arrives whole.
func TestLargeSnapshot(t *testing.T) {
	a, b := pair(t)
	data := make([]byte, maxFrameBytes)
	data[maxFrameBytes-1] = 1
	got := make(chan []byte, 1)
	b.mu.Lock()
	b.receive = func(_ uint64, data []byte) bool {
		got <- data
		return true
	}
	b.mu.Unlock()
	a.tr.Send(core.Send{To: raftID(2), Data: data, Snapshot: true})
	select {
	case d := <-got:
		if !bytes.Equal(d, data) {
			t.Errorf("%d bytes arrived, other than those %d", len(d), len(data))
		}
	case <-time.After(patience):
		t.Fatal("nothing arrived")
	}
	a.snapshots(t, raftID(2), 1, 0)
}

// TestDamage: a frame that was changed on the way ends the connection with a
// clear line, and nothing of it is delivered.
func TestDamage(t *testing.T) {
	n := newNode(t, 1)
	c := join(t, n, identity(2))
	frame := appendFrame(appendFrame(nil, []byte("good")), []byte("evil"))
	frame[len(frame)-1] ^= 0x40
	if _, err := c.nc.Write(frame); err != nil {
		t.Fatal(err)
	}
	waitClosed(t, c)
	n.waitGot(t, raftID(2), "good")
	n.log.wait(t, "frame corrupt: 4 bytes have CRC32C")
	c = join(t, n, identity(2))
	if _, err := c.nc.Write(header(maxFrameBytes+1, 0)); err != nil {
		t.Fatal(err)
	}
	waitClosed(t, c)
	n.log.wait(t, "frame too large: 67108865 bytes")
	if len(n.got) != 1 {
		t.Errorf("got %v", n.got)
	}
}

// TestReceiveOverBound: what the node does not take is counted, and no more.
func TestReceiveOverBound(t *testing.T) {
	a, b := pair(t)
	b.mu.Lock()
	b.receive = func(uint64, []byte) bool { return false }
	b.mu.Unlock()
	a.send(raftID(2), "x")
	a.send(raftID(2), "y")
	waitFor(t, "two drops", func() bool { return b.stat(raftID(1)).DroppedIn == 2 })
	if s := b.stat(raftID(1)); s.MessagesIn != 2 || !s.Connected {
		t.Errorf("stat %+v", s)
	}
}

// TestClose: whatever goes on, no goroutine and no port is left.
func TestClose(t *testing.T) {
	waitFor(t, "the end of earlier tests' goroutines", func() bool { return ours() == "" })
	a, b := pair(t)
	gone := rawServer(t)
	gone.Close()
	mute := rawServer(t)
	a.tr.SetPeers([]*corepb.Member{b.member(), memberAt(raftID(3), gone.Addr()), memberAt(raftID(4), mute.Addr())})
	rawDial(t, a, []byte(magic)) // a handshake that does not end
	join(t, a, identity(9))
	var senders sync.WaitGroup
	for range 2 {
		senders.Go(func() {
			for i := range 1000 {
				a.send(raftID(2), "x")
				a.snapshot(raftID(uint32(i%5)), 10)
			}
		})
	}
	a.close(t)
	a.close(t) // a second time is fine
	b.close(t)
	senders.Wait()
	waitFor(t, "no goroutine", func() bool { return ours() == "" }) // one that said Done may still be about to end
	total := 0
	for id := range uint32(5) {
		total += a.sent[raftID(id)] + a.failed[raftID(id)]
	}
	if total != 2000 {
		t.Errorf("%d outcomes of 2000 snapshots", total)
	}
	a.tr.SetPeers(nil)
	ln, err := net.Listen("tcp", a.tr.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

// ours is the stacks of all goroutines that run this package's code and no test.
func ours() string {
	buf := make([]byte, 1<<20)
	var found []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "node/transport.") && !strings.Contains(g, "testing.") {
			found = append(found, g)
		}
	}
	return strings.Join(found, "\n\n")
}

// TestPanic: the host's Go hook sees a panic of its own Handler, and Close works.
func TestPanic(t *testing.T) {
	caught := make(chan any, 10)
	n := newNode(t, 1, func(n *fakeNode, c *Config) {
		n.receive = func(uint64, []byte) bool { panic("applied 5 > commit 3") }
		c.Go = func(f func()) {
			go func() {
				defer func() {
					if r := recover(); r != nil {
						caught <- r
					}
				}()
				f()
			}()
		}
	})
	c := join(t, n, identity(2))
	if _, err := c.nc.Write(appendFrame(nil, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-caught:
		if fmt.Sprint(r) != "applied 5 > commit 3" {
			t.Errorf("caught %v", r)
		}
	case <-time.After(patience):
		t.Fatal("no panic reached the hook")
	}
	waitClosed(t, c)
	n.close(t)
}
