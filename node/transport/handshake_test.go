package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// TestTwoMembers: each dials the other, and messages pass both ways, in order.
func TestTwoMembers(t *testing.T) {
	a, b := pair(t)
	for _, s := range []string{"1", "2", "3"} {
		a.send(raftID(2), s)
	}
	b.waitGot(t, raftID(1), "3")
	if len(b.got) != 3 || b.got[0].data != "1" || b.got[1].data != "2" {
		t.Errorf("got %v", b.got)
	}
	b.send(raftID(1), "back")
	a.waitGot(t, raftID(2), "back")
	waitFor(t, "the counts of 3 messages out", func() bool { return a.stat(raftID(2)).MessagesOut == 3 })
	s := a.stat(raftID(2))
	if s.Address != b.tr.Addr().String() || s.BytesOut != 27 || s.MessagesIn != 1 || s.BytesIn != 12 ||
		s.QueueBytes != 0 || s.QueueMessages != 0 || s.LastError != "" || s.Since.IsZero() {
		t.Errorf("stat %+v", s)
	}
}

// TestRefused: both sides say why, once, however often it is tried.
func TestRefused(t *testing.T) {
	a := newNode(t, 1)
	b := newNode(t, 2, func(n *fakeNode, _ *Config) { n.self.ClusterUUID = [16]byte{0xdd} })
	a.tr.SetPeers([]*corepb.Member{b.member()})
	waitFor(t, "ten refusals", func() bool { return a.look(func() bool { return len(a.refused) >= 10 }) })
	if a.refused[0] != corepb.Refusal_OTHER_CLUSTER {
		t.Errorf("refused with %v", a.refused[0])
	}
	const why = `node 2 belongs to another cluster named "main"`
	if n := a.log.count("refused our connection: " + why); n != 1 {
		t.Errorf("%d lines of the dialler: %q", n, a.log.all)
	}
	if n := b.log.count("refused a connection of node 1 from 127.0.0.1: " + why); n != 1 {
		t.Errorf("%d lines of the acceptor: %q", n, b.log.all)
	}
	if s := a.stat(raftID(2)); s.Connected || !strings.Contains(s.LastError, why) {
		t.Errorf("stat %+v", s)
	}
	b.mu.Lock()
	b.self.ClusterUUID = [16]byte{0xcc}
	b.mu.Unlock()
	a.waitConnected(t, raftID(2))
}

// TestWrongMember: an acceptor that lets us in but is not who we dialled.
func TestWrongMember(t *testing.T) {
	a := newNode(t, 1)
	b := newNode(t, 2, func(n *fakeNode, _ *Config) {
		n.greet = func(*corepb.Hello) *corepb.Welcome { return identity(3).Welcome(speaks, core.Verdict{}) }
	})
	a.tr.SetPeers([]*corepb.Member{b.member()})
	a.log.wait(t, "cannot connect to node 2 (incarnation 7) at "+b.tr.Addr().String()+": node 3 (incarnation 7) answered")
	m := b.member()
	m.ReplicaUuid = []byte{99}
	b.mu.Lock()
	b.self.ReplicaUUID = [16]byte{98}
	b.greet = func(*corepb.Hello) *corepb.Welcome { return b.self.Welcome(speaks, core.Verdict{}) }
	b.mu.Unlock()
	a.tr.SetPeers([]*corepb.Member{m})
	a.log.wait(t, "replica 62000000000000000000000000000000 answered, not 63")
	if a.stat(raftID(2)).Connected {
		t.Error("connected")
	}
}

// TestStrangers: who is no node is recognised and hung up on at once, far
// earlier than the handshake's deadline.
func TestStrangers(t *testing.T) {
	n := newNode(t, 1, func(_ *fakeNode, c *Config) { c.HandshakeTimeout = time.Hour })
	hello := greeting(t, identity(2).Hello(speaks, n.member(), 1))
	damaged := append([]byte(nil), hello...)
	damaged[len(damaged)-1] ^= 1
	for _, x := range []struct{ name, bytes, line string }{
		{"browser", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it speaks HTTP"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00", "it speaks TLS"},
		{"psql", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "it is a PostgreSQL client"},
		{"psql without TLS", "\x00\x00\x00\x29\x00\x03\x00\x00user\x00", "it is a PostgreSQL client"},
		{"ssh", "SSH-2.0-OpenSSH_9\r\n", "it speaks SSH"},
		{"noise", "xyzzy", `it starts with "xyzzy"`},
		{"almost", "pgraft\r", `it starts with "pgraft\r"`},
		{"too much", magic + "\x01" + string(header(maxHandshakeBytes+1, 0)), "frame too large: 65537 bytes"},
		{"damaged", string(damaged), "frame corrupt"},
		{"no protobuf", magic + "\x01" + string(appendFrame(nil, []byte{0xff})), "1 bytes are no Hello"},
		{"nobody", string(greeting(t, &corepb.Hello{ToRaftId: raftID(1), FromNode: 9})), "node 9 has no Raft id"},
	} {
		waitClosed(t, rawDial(t, n, []byte(x.bytes)))
		n.log.wait(t, x.line)
	}
	c := rawDial(t, n, []byte("pg"))
	c.nc.Close()
	n.log.wait(t, "waiting for its hello: EOF")
	if p := n.tr.Peers(); len(p) != 0 {
		t.Errorf("peers %+v", p)
	}
}

// TestPortLookedAt: who looks whether the port is open, and says nothing, is worth no warning: not who
// closes the connection, nor who resets it, as HAProxy does.
func TestPortLookedAt(t *testing.T) {
	secret := with(load(t, nodeFiles(t, authority(t), 1, time.Hour, NodeName(1))))
	for _, n := range []*fakeNode{newNode(t, 1), newNode(t, 1, secret)} {
		rawDial(t, n, nil).nc.Close()
		n.log.wait(t, "closed a connection from 127.0.0.1: it said nothing")
		c := rawDialFrom(t, "127.0.0.2", n.port(), nil)
		if err := c.nc.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		c.nc.Close()
		n.log.wait(t, "closed a connection from 127.0.0.2: it said nothing")
		if n.log.loud != 0 {
			t.Errorf("%d warnings: %q", n.log.loud, n.log.all)
		}
	}
}

// TestOtherWireVersion: the answer is our version, and both sides say so.
func TestOtherWireVersion(t *testing.T) {
	n := newNode(t, 1)
	c := rawDial(t, n, []byte(magic+"\x02and then something else"))
	if err := c.nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c.br)
	if string(b) != magic+"\x01" || err != nil {
		t.Errorf("answer %q, error %v", b, err)
	}
	n.log.wait(t, "another wire version: it speaks 2, this node 1")

	ln := rawServer(t)
	go serveRaw(ln, func(nc net.Conn) { nc.Write([]byte(magic + "\x09")) })
	_, err = n.tr.Probe(context.Background(), ln.Addr().String(), n.self.Hello(speaks, nil, 2))
	if !errors.Is(err, ErrWireVersion) || errors.Is(err, ErrNotPgraft) {
		t.Errorf("probe: %v", err)
	}
}

// TestSlowLoris: a byte now and then does not keep a connection for longer than
// the handshake may take, nor does silence, on either side.
func TestSlowLoris(t *testing.T) {
	n := newNode(t, 1, func(_ *fakeNode, c *Config) { c.HandshakeTimeout = 50 * time.Millisecond })
	hello := greeting(t, identity(2).Hello(speaks, n.member(), 1))
	c := rawDial(t, n, hello[:1])
	go func() {
		slowly := time.NewTicker(5 * time.Millisecond) // too slow for all of it
		defer slowly.Stop()
		for _, b := range hello[1:] {
			if _, err := c.nc.Write([]byte{b}); err != nil {
				return
			}
			<-slowly.C
		}
	}()
	waitClosed(t, c)
	n.log.wait(t, "waiting for its hello: i/o timeout")

	ln := rawServer(t) // the kernel accepts; nobody answers
	n.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	n.log.wait(t, "unreachable: connected, but no answer: i/o timeout")
}

func TestProbe(t *testing.T) {
	a, b := newNode(t, 1), newNode(t, 2)
	ctx := context.Background()
	w, err := a.tr.Probe(ctx, b.tr.Addr().String(), a.self.Hello(speaks, nil, 2))
	if err != nil || w.GetRefusal() != corepb.Refusal_NONE || w.GetNode() != 2 || w.GetReplica()[0] != 2 {
		t.Errorf("welcome %v, error %v", w, err)
	}
	w, err = a.tr.Probe(ctx, b.tr.Addr().String(), a.self.Hello(speaks, nil, 5))
	if err != nil || w.GetRefusal() != corepb.Refusal_OTHER_NODE {
		t.Errorf("wrong node: welcome %v, error %v", w, err)
	}
	if _, err = a.tr.Probe(ctx, b.tr.Addr().String(), a.self.Hello(speaks, b.member(), 2)); err == nil {
		t.Error("a hello for a member was sent as a probe")
	}
	if p := append(a.tr.Peers(), b.tr.Peers()...); len(p) != 0 {
		t.Errorf("a probe left peers: %+v", p)
	}
	a.close(t)
	if _, err = a.tr.Probe(ctx, b.tr.Addr().String(), a.self.Hello(speaks, nil, 2)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestProbeErrors(t *testing.T) {
	n := newNode(t, 1)
	free := rawServer(t)
	free.Close()
	silent := rawServer(t)
	rude := rawServer(t)
	go serveRaw(rude, func(nc net.Conn) {
		if _, err := nc.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	for _, x := range []struct {
		address string
		want    error
		text    string
	}{
		{free.Addr().String(), ErrUnreachable, "connection refused"},
		{"127.0.0.1:99999", ErrUnreachable, "invalid port"},
		{silent.Addr().String(), ErrUnreachable, "connected, but no answer: context deadline exceeded"},
		{rude.Addr().String(), ErrUnreachable, "it closed the connection before it answered; it may be starting, stopping, or turning away connections, or no pgraft node"},
		{web.Listener.Addr().String(), ErrNotPgraft, "it speaks HTTP"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		w, err := n.tr.Probe(ctx, x.address, n.self.Hello(speaks, nil, 2))
		cancel()
		if !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.text) || !strings.Contains(err.Error(), x.address) {
			t.Errorf("%s: welcome %v, error %v, want %v with %q", x.address, w, err, x.want, x.text)
		}
		if errors.Is(err, ErrUnreachable) == errors.Is(err, ErrNotPgraft) {
			t.Errorf("%s: the error does not tell: %v", x.address, err)
		}
	}
}

// TestHungUp: a member that hangs up before it answers, as one does that is about
// to start or to stop, is a member still. It is dialled again soon, and said once.
func TestHungUp(t *testing.T) {
	ln := rawServer(t)
	var n atomic.Int64
	go serveRaw(ln, func(nc net.Conn) {
		if n.Add(1)%2 == 0 { // with the hello unread, it is a reset
			_, _ = io.ReadFull(nc, make([]byte, preambleBytes))
		}
	})
	a := newNode(t, 1, func(_ *fakeNode, c *Config) {
		c.BackoffMax, c.TurnedAwayBackoff = time.Hour, 5*time.Millisecond
	})
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	waitFor(t, "20 dials", func() bool { return n.Load() >= 20 })
	const line = "it closed the connection before it answered; it may be starting, stopping, or turning away connections"
	if got := a.log.count(line); got != 1 || a.log.count("not a pgraft node") != 0 {
		t.Errorf("%d lines: %q", got, a.log.all)
	}
	if s := a.stat(raftID(2)); !strings.Contains(s.LastError, line) {
		t.Errorf("last error %q", s.LastError)
	}
}

// serveRaw handles every connection of ln with f and then closes it.
func serveRaw(ln net.Listener, f func(net.Conn)) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		f(nc)
		nc.Close()
	}
}

func TestListenErrors(t *testing.T) {
	n := newNode(t, 1)
	_, err := Listen(Config{Listen: n.tr.Addr().String(), Handler: n})
	_, port, _ := net.SplitHostPort(n.tr.Addr().String())
	if !errors.Is(err, syscall.EADDRINUSE) ||
		!strings.Contains(err.Error(), "listen on address 127.0.0.1: port "+port+" is in use") {
		t.Errorf("port in use: %v", err)
	}
	for what, cfg := range map[string]Config{
		"Handler is not set":           {Listen: "127.0.0.1:0"},
		`Listen "here" is no`:          {Listen: "here", Handler: n},
		"listen on 192.0.2.1:0":        {Listen: "192.0.2.1:0", Handler: n},
		"DialTimeout is negative":      {Listen: ":0", Handler: n, DialTimeout: -1},
		"not in whole seconds":         {Listen: ":0", Handler: n, DeadTimeout: time.Millisecond},
		"QueueBytes is 67108865":       {Listen: ":0", Handler: n, QueueBytes: maxPeerQueueBytes + 1},
		"QueueMessages is -1":          {Listen: ":0", Handler: n, QueueMessages: -1},
		"BackoffMin 3s > BackoffMax":   {Listen: ":0", Handler: n, BackoffMin: 3 * time.Second},
		"RefusedBackoffMin 1m0s > Ref": {Listen: ":0", Handler: n, RefusedBackoffMin: time.Minute},
	} {
		if _, err := Listen(cfg); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDescribeShort: a few bytes are enough to be told from a node.
func TestDescribeShort(t *testing.T) {
	for _, s := range []string{"", "p", "pgraft\n"} {
		err := readPreamble(bufio.NewReader(strings.NewReader(s)))
		if !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if err := readPreamble(bufio.NewReader(strings.NewReader("x"))); !errors.Is(err, ErrNotPgraft) {
		t.Errorf("x: %v", err)
	}
}
