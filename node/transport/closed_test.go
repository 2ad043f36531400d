package transport

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
)

// TestClosed: that a member's port refuses is said once no connection is left, and only
// then; that it is connected again, too. A connection that ends, alone, says nothing.
func TestClosed(t *testing.T) {
	told := func(n *fakeNode, want ...bool) func() bool {
		return func() bool { return n.look(func() bool { return slices.Equal(n.closed, want) }) }
	}
	a, b := pair(t)
	b.tr.mu.Lock()
	conns := []*conn{b.tr.peers[raftID(1)].out, b.tr.peers[raftID(1)].in}
	b.tr.mu.Unlock()
	for _, c := range conns {
		c.close(errors.New("the test wants it"))
	}
	a.log.wait(t, "connection of node 2 (incarnation 7) at 127.0.0.1 ended")
	a.waitConnected(t, raftID(2))
	if !told(a)() {
		t.Errorf("told %v of a member that listens", a.closed)
	}
	b.close(t)
	waitFor(t, "closed", told(a, true))
	again := newNode(t, 2, at(b))
	again.tr.SetPeers([]*corepb.Member{a.member()})
	waitFor(t, "connected again", told(a, true, false))
	again.close(t)
	waitFor(t, "closed again", told(a, true, false, true))
}

// TestSilentIsNotClosed: a member that does not answer, and one that hangs up, are not
// closed, be they ever so unreachable.
func TestSilentIsNotClosed(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"silent":  func(net.Conn) {},
		"hung up": func(c net.Conn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			ln := rawServer(t)
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					answer(c)
				}
			}()
			a := newNode(t, 1, func(_ *fakeNode, c *Config) { c.HandshakeTimeout = 50 * time.Millisecond })
			a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
			waitFor(t, "unreachable", func() bool { return a.look(func() bool { return a.unreachable[raftID(2)] > 0 }) })
			a.close(t) // everything was told by then
			if len(a.closed) > 0 {
				t.Errorf("told %v of a member that is %s", a.closed, name)
			}
		})
	}
}
