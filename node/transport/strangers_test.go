package transport

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
)

// besiege keeps count connections from address to n open: each says what, and no
// more, and is dialled again when it is closed. It returns once all were open,
// and how many were until now.
func besiege(t testing.TB, n *fakeNode, count int, address, what string) (opened *atomic.Int64) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	opened = new(atomic.Int64)
	var all, first sync.WaitGroup
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	for range count {
		first.Add(1)
		all.Go(func() {
			done := sync.OnceFunc(first.Done)
			defer done()
			for ctx.Err() == nil {
				nc, err := d.DialContext(ctx, "tcp", n.tr.Addr().String())
				if err != nil {
					continue
				}
				opened.Add(1)
				end := context.AfterFunc(ctx, func() { nc.Close() })
				if _, err := io.WriteString(nc, what); err == nil {
					done()
					_, _ = io.Copy(io.Discard, nc) // until it is closed, however
				}
				end()
				nc.Close()
			}
		})
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	first.Wait()
	return opened
}

// TestSiege: a stranger that opens connections and never gets through with the
// handshake keeps no member out, be it from an address of its own or from that of
// the members, with TLS or without.
func TestSiege(t *testing.T) {
	const unknown = "silent, where a member is that nobody knows yet"
	ca := authority(t)
	for _, x := range []struct {
		name, from, says string
		tls              bool
	}{
		{"silent", "127.0.0.9", "", false},
		{unknown, "127.0.0.1", "", false},
		{"silent, on a member's machine", "127.0.0.1", "", false},
		{"the first bytes", "127.0.0.9", magic, false},
		{"the first bytes, on a member's machine", "127.0.0.1", magic, false},
		{"silent against TLS", "127.0.0.9", "", true},
		{"silent against TLS, on a member's machine", "127.0.0.1", "", true},
		{"the first bytes of TLS", "127.0.0.9", "\x16\x03\x01\x02\x00", true},
		{"the first bytes of TLS, on a member's machine", "127.0.0.1", "\x16\x03\x01\x02\x00", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			one, two := with(nil), with(nil)
			if x.tls {
				one, two = with(load(t, nodeFiles(t, ca, 1, time.Hour, NodeName(1)))), with(load(t, nodeFiles(t, ca, 2, time.Hour, NodeName(2))))
			}
			forever := func(_ *fakeNode, c *Config) { c.HandshakeTimeout = time.Hour }
			a := newNode(t, 1, one, forever)
			away := rawServer(t) // node 2's port while it is away
			if x.name != unknown {
				a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), away.Addr())})
			}
			opened := besiege(t, a, 300, x.from, x.says)
			b := newNode(t, 2, two)
			b.tr.SetPeers([]*corepb.Member{a.member()})
			began, before := time.Now(), opened.Load()
			b.waitConnected(t, raftID(1))
			b.send(raftID(1), "hello")
			a.waitGot(t, raftID(2), "hello")
			t.Logf("connected after %v, in which the stranger opened %d connections", time.Since(began), opened.Load()-before)
			if n := a.log.count("others wanted its place"); n == 0 || n > 2*crowdLines {
				t.Errorf("%d lines about the stranger", n)
			}
		})
	}
}

// TestResolvedMembers: places are kept for what members' host names resolve to,
// also when that changes, and for where a member was last seen.
func TestResolvedMembers(t *testing.T) {
	var mu sync.Mutex
	names := map[string]string{"db2.example": "192.0.2.2"}
	n := newNode(t, 1, func(_ *fakeNode, c *Config) {
		c.LookUp = func(_ context.Context, name string) ([]netip.Addr, error) {
			mu.Lock()
			defer mu.Unlock()
			if a, ok := names[name]; ok {
				return []netip.Addr{netip.MustParseAddr("::ffff:" + a)}, nil
			}
			return nil, &net.DNSError{Name: name, IsNotFound: true}
		}
	})
	known := func(a string) bool {
		n.tr.mu.Lock()
		defer n.tr.mu.Unlock()
		return n.tr.fromMember(netip.MustParseAddr(a))
	}
	n.tr.SetPeers([]*corepb.Member{{RaftId: raftID(2), Address: "db2.example", Port: 1}, {RaftId: raftID(3), Address: "2001:db8::3", Port: 1}})
	waitFor(t, "the name to be resolved", func() bool { return known("192.0.2.2") })
	if !known("2001:db8::3") || known("192.0.2.3") || known("2001:db8::4") {
		t.Error("the member with an address is not known, or others are")
	}
	mu.Lock()
	names["db2.example.org"] = "192.0.2.3"
	mu.Unlock()
	n.tr.SetPeers([]*corepb.Member{{RaftId: raftID(2), Address: "db2.example.org", Port: 1}})
	waitFor(t, "the new name to be resolved", func() bool { return known("192.0.2.3") })
	if known("192.0.2.2") || known("2001:db8::3") || known("127.0.0.1") {
		t.Error("an address is known that is no member's any longer")
	}
	join(t, n, identity(2))
	waitFor(t, "where the member connected from to be known", func() bool { return known("127.0.0.1") })
}
