package transport

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
)

const (
	// maxHandshakes bounds accepted connections that have not finished their
	// handshake.
	maxHandshakes = 128
	// memberHandshakes of them are for connections from members' addresses, and
	// for no others.
	memberHandshakes = 32
	// maxSourceHandshakes is how many one source may have of those that are for
	// all. A member's address may have all that are for members, since it can be
	// the address of several.
	maxSourceHandshakes = 8
)

// source is where a connection comes from: a member's address, or what one
// stranger has for certain, an IPv4 address or an IPv6 /64.
type source struct {
	prefix netip.Prefix
	member bool
}

func sourceOf(a netip.Addr, member bool) source {
	bits := a.BitLen()
	if !member && a.Is6() {
		bits = 64
	}
	return source{netip.PrefixFrom(a, bits).Masked(), member}
}

// places are the handshakes of accepted connections. A newcomer that finds all
// places taken that it may have gets that of the source that has most of them: of
// a connection there that has sent nothing, otherwise of the oldest. So whoever
// talks at once gets in, from an address of its own or from one that it shares
// with somebody who opens connections and is silent. Under Transport.mu.
type places struct {
	taken  []*conn // oldest first
	bySrc  map[source]int
	member int // of taken, those from members' addresses
}

// take gives c a place, or says that there is none. crowd, when not nil, is the
// connection whose place it was: the caller closes it.
func (ps *places) take(c *conn) (crowd *conn, ok bool) {
	n := ps.bySrc[c.source]
	limit, there := maxHandshakes-memberHandshakes, len(ps.taken)-ps.member
	if c.source.member {
		limit, there = memberHandshakes, ps.member
	}
	switch {
	case !c.source.member && n >= maxSourceHandshakes:
		crowd = ps.victim(func(o *conn) bool { return o.source == c.source }, c.source)
	case there >= limit:
		crowd = ps.victim(func(o *conn) bool { return o.source.member == c.source.member }, c.source)
	default:
		ps.add(c)
		return nil, true
	}
	if crowd == nil {
		return nil, false
	}
	ps.leave(crowd)
	ps.add(c)
	return crowd, true
}

// victim is whose place among some a newcomer gets; nil if all have said who they
// are, and end by themselves.
func (ps *places) victim(among func(*conn) bool, newcomer source) (worst *conn) {
	count := func(c *conn) int {
		n := ps.bySrc[c.source]
		if c.source == newcomer {
			n++
		}
		return n
	}
	for _, c := range ps.taken {
		if c.known.Load() || !among(c) {
			continue
		}
		if worst == nil || cmp.Or(cmp.Compare(count(c), count(worst)), silence(c)-silence(worst)) > 0 {
			worst = c
		}
	}
	return worst
}

// silence is 1 for a connection by which nothing has come.
func silence(c *conn) int {
	if q, ok := c.raw.(*quietConn); ok && q.heard.Load() {
		return 0
	}
	return 1
}

func (ps *places) add(c *conn) {
	if ps.bySrc == nil {
		ps.bySrc = map[source]int{}
	}
	ps.taken = append(ps.taken, c)
	ps.bySrc[c.source]++
	if c.source.member {
		ps.member++
	}
}

// leave gives up the place of c; false: it has none any longer.
func (ps *places) leave(c *conn) bool {
	for i, o := range ps.taken {
		if o != c {
			continue
		}
		ps.taken = append(ps.taken[:i], ps.taken[i+1:]...)
		if ps.bySrc[c.source]--; ps.bySrc[c.source] == 0 {
			delete(ps.bySrc, c.source)
		}
		if c.source.member {
			ps.member--
		}
		return true
	}
	return false
}

// givePlace starts the handshake of an accepted connection if there is a place for it.
func (t *Transport) givePlace(c *conn) {
	from := addrOf(c.nc.RemoteAddr())
	t.mu.Lock()
	c.source = sourceOf(from, t.fromMember(from))
	crowd, ok := t.places.take(c)
	if ok {
		t.start(func() { t.serve(c) })
	}
	t.mu.Unlock()
	turned := crowd
	if !ok {
		turned = c
	}
	if turned == nil {
		return
	}
	turned.close(errCrowd)
	a := addrOf(turned.nc.RemoteAddr())
	t.turnedDown(slog.LevelWarn, turned.crowd(), a, fmt.Sprintf("closed a connection from %s: it had not said who it is, and others wanted its place", a))
	runtime.Gosched() // in a burst: who has sent its hello is to be heard before its place is asked for
}

// addrOf is the IP address of one end of a TCP connection, an IPv4 one as such.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
