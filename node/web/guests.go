package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// maxGuests bounds the connections to the HTTP port. What comes over it ends the one
// that has waited longest and asks nothing: those connections must not use up the
// file descriptors that the node and its store need.
const maxGuests = 64

// guests are the connections to the HTTP port, those that have waited longest first.
type guests struct {
	mu   sync.Mutex
	list []guest
}

type guest struct {
	c    net.Conn
	busy bool // its request has begun
}

// change is http.Server's ConnState.
func (g *guests) change(c net.Conn, s http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, x := range g.list {
		if x.c == c {
			g.list = append(g.list[:i], g.list[i+1:]...)
			break
		}
	}
	if s == http.StateClosed || s == http.StateHijacked {
		return
	}
	g.list = append(g.list, guest{c, s == http.StateActive})
	if len(g.list) <= maxGuests {
		return
	}
	goes := 0 // all are busy: the first of them
	for i, x := range g.list {
		if !x.busy {
			goes = i
			break
		}
	}
	c = g.list[goes].c
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn() // without a farewell, which could wait for the client
	}
	_ = c.Close() // whoever it is was not served, and will notice
	g.list = append(g.list[:goes], g.list[goes+1:]...)
}
