package transport

import (
	"fmt"
	"net/netip"
	"testing"
)

// comer is a connection from an address.
func comer(address string, member bool) *conn {
	return &conn{raw: &quietConn{}, source: sourceOf(netip.MustParseAddr(address), member)}
}

func (c *conn) talks() *conn {
	c.raw.(*quietConn).heard.Store(true)
	return c
}

func wantTake(t *testing.T, ps *places, c, crowd *conn, ok bool) {
	t.Helper()
	got, gotOK := ps.take(c)
	if got != crowd || gotOK != ok {
		t.Fatalf("a place: %v, of %v; want %v, of %v", gotOK, got, ok, crowd)
	}
}

// One source has eight places. The next connection from there gets the place of
// one that is silent, then the oldest; none of one that has said who it is.
func TestPlacesOfOneSource(t *testing.T) {
	ps := &places{}
	var cs []*conn
	for range maxSourceHandshakes {
		c := comer("192.0.2.1", false).talks()
		cs = append(cs, c)
		wantTake(t, ps, c, nil, true)
	}
	silent := comer("192.0.2.1", false)
	wantTake(t, ps, silent, cs[0], true)
	wantTake(t, ps, comer("192.0.2.1", false), silent, true)
	wantTake(t, ps, comer("192.0.2.2", false), nil, true)
	for _, c := range ps.taken {
		c.known.Store(true)
	}
	wantTake(t, ps, comer("192.0.2.1", false), nil, false)
	wantTake(t, ps, comer("192.0.2.1", true), nil, true) // once it is a member's address
	if ps.leave(cs[0]) || !ps.leave(cs[1]) || ps.leave(cs[1]) {
		t.Error("a place is given up once, and none by who has lost it")
	}
	wantTake(t, ps, comer("192.0.2.1", false), nil, true)
}

// Who has any number of addresses takes the places that are for all, and those
// only. Of an IPv6 network all addresses count as one.
func TestPlacesOfManySources(t *testing.T) {
	ps := &places{}
	var first *conn
	for i := range 1000 {
		c := comer(fmt.Sprintf("10.0.%d.%d", i/250, i%250), false)
		if i == 0 {
			first = c
		}
		crowd, ok := ps.take(c)
		if !ok || (crowd != nil) != (i >= maxHandshakes-memberHandshakes) || crowd != nil && ps.bySrc[crowd.source] != 0 {
			t.Fatalf("connection %d: a place: %v, of %v", i, ok, crowd)
		}
		if i == maxHandshakes-memberHandshakes && crowd != first {
			t.Fatal("the oldest was to go")
		}
	}
	for i := range memberHandshakes {
		wantTake(t, ps, comer(fmt.Sprintf("192.0.2.%d", 1+i%3), true).talks(), nil, true)
	}
	if len(ps.taken) != maxHandshakes {
		t.Errorf("%d places are taken", len(ps.taken))
	}
	// A member behind a NAT, whom nobody knows, talks at once.
	nat := comer("203.0.113.1", false).talks()
	if _, ok := ps.take(nat); !ok {
		t.Fatal("no place for who is behind a NAT")
	}
	for i := range 90 {
		if crowd, ok := ps.take(comer(fmt.Sprintf("10.1.0.%d", i), false)); !ok || crowd == nil || crowd == nat {
			t.Fatalf("connection %d: a place: %v, of %v", i, ok, crowd)
		}
	}

	ps = &places{}
	for i := range 50 {
		if crowd, ok := ps.take(comer(fmt.Sprintf("2001:db8::%x", i), false)); !ok || (crowd != nil) != (i >= maxSourceHandshakes) {
			t.Fatalf("connection %d: a place: %v, of %v", i, ok, crowd)
		}
	}
	wantTake(t, ps, comer("2001:db8:0:1::1", false), nil, true)
}

// A member whose machine besieges another takes the places of no third member.
func TestPlacesOfMembers(t *testing.T) {
	ps := &places{}
	for range memberHandshakes - 2 {
		wantTake(t, ps, comer("192.0.2.1", true).talks(), nil, true)
	}
	two, three := comer("192.0.2.2", true), comer("2001:db8::3", true)
	wantTake(t, ps, two, nil, true)
	wantTake(t, ps, three, nil, true)
	for i := range 100 {
		if crowd, ok := ps.take(comer("192.0.2.1", true)); !ok || crowd.source.prefix.String() != "192.0.2.1/32" {
			t.Fatalf("connection %d: a place: %v, of %v", i, ok, crowd)
		}
	}
	if crowd, ok := ps.take(comer("2001:db8::4", true)); !ok || crowd.source.prefix.String() != "192.0.2.1/32" {
		t.Fatalf("a place: %v, of %v", ok, crowd)
	}
	wantTake(t, ps, comer("203.0.113.1", false), nil, true)
	if !ps.leave(two) || !ps.leave(three) || ps.member != memberHandshakes-2 || len(ps.bySrc) != 3 {
		t.Errorf("%d places of members, %v", ps.member, ps.bySrc)
	}
}
