package transport

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
)

const (
	// lookUpEvery is how old what is known of a member's host name may be.
	lookUpEvery = 30 * time.Second
	// lookUpAgain is when a look-up that failed is repeated.
	lookUpAgain = 5 * time.Second
	// lookUpTimeout bounds one look-up.
	lookUpTimeout = 2 * time.Second
	// maxAddresses bounds the addresses remembered of one member's host name.
	maxAddresses = 16
)

// fromMember says whether a connection from a comes from a member: its address,
// what its host name resolves to, or where it was last connected from. Members
// behind a NAT that this process has not met yet are not among them. Under t.mu.
func (t *Transport) fromMember(a netip.Addr) bool {
	for _, p := range t.peers {
		if p.member != nil && (a == p.met[0] || a == p.met[1] || slices.Contains(p.addresses, a)) {
			return true
		}
	}
	return false
}

// locate takes over the address of p's member. A name is lookUpLoop's; what an
// earlier look-up gave counts until then. Under t.mu.
func (p *peer) locate(m *corepb.Member) {
	if a, err := netip.ParseAddr(m.GetAddress()); err == nil {
		p.addresses = []netip.Addr{a.Unmap().WithZone("")}
	} else if p.member == nil || p.member.GetAddress() != m.GetAddress() {
		p.addresses = nil
		poke(p.t.renamed)
	}
}

// lookUpLoop resolves members' host names, so that accepting a connection never
// waits for that.
func (t *Transport) lookUpLoop() {
	for {
		names, again := t.names(), lookUpEvery
		for _, name := range names {
			ctx, done := context.WithTimeout(t.ctx, lookUpTimeout)
			found, err := t.cfg.LookUp(ctx, name)
			done()
			if err != nil { // who dials the member says it; what was known before counts
				again = lookUpAgain
				continue
			}
			t.found(name, found)
		}
		var timer <-chan time.Time
		if len(names) > 0 {
			timer = time.After(again)
		}
		select {
		case <-timer:
		case <-t.renamed:
		case <-t.ctx.Done():
			return
		}
	}
}

// names are the members' host names.
func (t *Transport) names() (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		if _, err := netip.ParseAddr(m.GetAddress()); err != nil && !slices.Contains(names, m.GetAddress()) {
			names = append(names, m.GetAddress())
		}
	}
	return names
}

func (t *Transport) found(name string, addresses []netip.Addr) {
	var list []netip.Addr
	for _, a := range addresses[:min(len(addresses), maxAddresses)] {
		list = append(list, a.Unmap().WithZone(""))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.peers {
		if p.member.GetAddress() == name {
			p.addresses = list
		}
	}
}
