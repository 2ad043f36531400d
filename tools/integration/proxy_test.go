//go:build integration

package integration

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// proxy stands between a node and those who dial it, so that a test can cut
// their connections and look at what flows.
type proxy struct {
	listener net.Listener
	to       string
	tap      io.Writer // gets what flows either way; any number of connections at once

	mu    sync.Mutex
	down  bool
	left  int // connections until it is cut; 0: no such limit
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

func newProxy(t *testing.T, toPort int) *proxy { return newTappedProxy(t, toPort, io.Discard) }

func newTappedProxy(t *testing.T, toPort int, tap io.Writer) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{listener: l, to: net.JoinHostPort("127.0.0.1", strconv.Itoa(toPort)), tap: tap, conns: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		p.cut()
		must(t, l.Close())
		p.done.Wait()
	})
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.done.Go(func() { p.serve(in) })
	}
}

// serve carries both directions until either ends.
func (p *proxy) serve(in net.Conn) {
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		in.Close()
		return
	}
	if !p.keep(in, out) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			// What ends it does not matter: then both ends see the other's close.
			_, _ = io.Copy(way[0], io.TeeReader(way[1], p.tap))
			in.Close()
			out.Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, in)
	delete(p.conns, out)
}

// keep remembers the connections, or closes them if the link is cut.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.down {
			c.Close()
		} else {
			p.conns[c] = true
		}
	}
	through := !p.down
	if p.left > 0 {
		p.left--
		p.down = p.left == 0
	}
	return through
}

// cutAfter lets n connections through, for as long as they last, and no more
// until heal.
func (p *proxy) cutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

// cut closes everything and lets nothing through until heal.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}
