package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// peer is one other member: its queue, its up to two connections, and the
// goroutines that dial it and write to it. It is listed by SetPeers, or exists
// for as long as a connection that it dialled.
//
// Transport.mu guards what stands below the channels.
type peer struct {
	t      *Transport
	id     uint64
	ctx    context.Context // ends with the peer
	cancel context.CancelFunc
	wake   chan struct{} // 1 slot, for writeLoop: there may be something to write
	retry  chan struct{} // 1 slot, for dialLoop: do not wait any longer
	idle   chan struct{} // 1 slot, for retire: the queue is empty

	messagesIn, messagesOut, bytesIn, bytesOut, droppedIn, droppedOut atomic.Uint64

	member   *corepb.Member // nil: not listed
	out, in  *conn          // dialled, accepted
	stopDial context.CancelFunc
	dials    bool // dialLoop was started
	retiring bool // no longer listed: retire ends it

	addresses []netip.Addr  // of member, see fromMember
	met       [2]netip.Addr // where the last connection accepted from it, and dialled, led to

	sealed bool // takes no messages any longer

	queue         []core.Send // from head on
	head          int
	queueBytes    int         // of queue and of the batch being written
	queueMessages int         // of queue and of the batch being written
	busy          bool        // a batch is being written
	batch         []core.Send // that direct writes, or has written in part
	rest          []byte      // of batch: what restOf's socket did not take
	restOf        *conn
	overflow      bool // messages were dropped since the queue was last half empty
	down          bool // dialling failed since the last connection: messages are dropped
	reported      bool // see reportLoss
	closed        bool // so the Handler was told last

	since     time.Time // of the present state, connected or not
	lastError string
	alarm     alarm // about it
}

// newPeer starts a peer that is not listed yet. Under t.mu.
func (t *Transport) newPeer(id uint64) *peer {
	p := &peer{t: t, id: id, wake: make(chan struct{}, 1), retry: make(chan struct{}, 1),
		idle: make(chan struct{}, 1), since: time.Now()}
	p.ctx, p.cancel = context.WithCancel(t.ctx)
	t.peers[id] = p
	delete(t.lost, id)
	t.start(p.writeLoop)
	return p
}

// list makes p the member m and keeps it dialled. Under t.mu.
func (p *peer) list(m *corepb.Member) {
	if p.member != nil && !sameEndpoint(p.member, m) {
		p.stopDial()
		if p.out != nil {
			p.out.close(fmt.Errorf("it moved from %s to %s", endpoint(p.member), endpoint(m)))
		}
	}
	p.locate(m)
	p.member = m
	if !p.dials {
		p.dials, p.stopDial = true, func() {}
		p.t.start(p.dialLoop)
	}
	poke(p.retry)
}

// unlist takes p off the list: it ends once its queue is flushed. Under t.mu.
func (p *peer) unlist() {
	p.member, p.retiring = nil, true
	p.stopDial()
	poke(p.retry)
	if p.best() == nil {
		p.end()
		return
	}
	p.t.start(p.retire)
}

// drainGraceShare of Config.DrainTimeout is how long a peer no longer listed
// still takes messages: the host may send its last one just after SetPeers.
const drainGraceShare = 6

// retire flushes the queue, hangs up politely, and ends p.
func (p *peer) retire() {
	defer p.stop()
	timeout := p.t.cfg.DrainTimeout
	deadline := time.Now().Add(timeout)
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	grace := time.NewTimer(timeout / drainGraceShare)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-p.ctx.Done():
		return
	}
	for !p.seal() {
		select {
		case <-p.idle:
		case <-limit.C:
			return
		case <-p.ctx.Done():
			return
		}
	}
	for _, c := range p.conns() {
		c.halfClose(deadline)
	}
	select {
	case <-limit.C:
	case <-p.ctx.Done():
	}
}

// seal refuses further messages if all were written.
func (p *peer) seal() bool {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	if p.queueMessages == 0 {
		p.sealed = true
	}
	return p.sealed
}

func (p *peer) conns() (open []*conn) {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	for _, c := range []*conn{p.out, p.in} {
		if c != nil {
			open = append(open, c)
		}
	}
	return open
}

// stop ends p and its connections.
func (p *peer) stop() {
	for _, c := range p.conns() {
		c.close(errUnlisted)
	}
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	p.end()
}

var errUnlisted = errors.New("it is no longer a member")

// end forgets p. Under t.mu; a second time it does nothing.
func (p *peer) end() {
	if p.t.peers[p.id] == p {
		delete(p.t.peers, p.id)
	}
	p.sealed = true
	p.cancel()
	p.dropRest()
	p.dropQueue()
}

// best is the connection to write to, nil if there is none. Under t.mu.
func (p *peer) best() *conn {
	if p.out != nil {
		return p.out
	}
	return p.in
}

// attached is the bookkeeping for a new connection in p.out or p.in. Under t.mu.
func (p *peer) attached(c *conn) {
	now := time.Now()
	c.peer, c.since = p, now
	c.admitted()
	if c.dialled {
		p.met[1] = addrOf(c.nc.RemoteAddr())
	} else {
		p.met[0] = addrOf(c.nc.RemoteAddr())
	}
	if p.out == nil || p.in == nil { // else it was connected before
		p.since = now
	}
	p.down, p.reported, p.lastError = false, false, ""
	p.reportClosed(false)
	poke(p.wake)
}

// detach ends c, whoever noticed first.
func (p *peer) detach(c *conn, err error) {
	err = plain(c.ended(err))
	c.close(err)
	p.t.mu.Lock()
	was := p.unlink(c)
	if was {
		if p.best() == nil { // beside a connection that stands it is no error
			p.lastError = clip(err.Error())
			p.since = time.Now()
			if p.member == nil {
				p.end()
			} else if !c.dialled {
				poke(p.retry)
			}
		}
	}
	p.t.mu.Unlock()
	if !was || p.t.ctx.Err() != nil {
		return
	}
	if time.Since(c.since) >= p.t.cfg.StableAfter {
		p.t.limit.forget(peerName(p.id))
	}
	level := slog.LevelInfo
	if errors.Is(err, errFrameCorrupt) || errors.Is(err, errFrameTooLarge) {
		level = slog.LevelWarn
	}
	p.t.logOnce(level, peerName(p.id), "lost", fmt.Sprintf("connection of %s at %s ended: %v",
		peerName(p.id), host(c.nc.RemoteAddr()), err))
}

// reportLoss says Unreachable, unless nothing was sent and no connection came
// about since it was last said. Under t.mu.
func (p *peer) reportLoss() {
	if !p.reported {
		p.reported = true
		p.t.reports.unreachable(p.id)
	}
}

// reportClosed says Closed, if that is news. Under t.mu.
func (p *peer) reportClosed(closed bool) {
	if p.closed != closed {
		p.closed = closed
		p.t.reports.closed(p.id, closed)
	}
}

// unlink takes c out of p and reports what it may have lost; false: it was out
// already. Under t.mu.
func (p *peer) unlink(c *conn) bool {
	switch c {
	case p.out:
		p.out = nil
	case p.in:
		p.in = nil
	default:
		return false
	}
	if c.sent && !p.retiring {
		p.reportLoss()
	}
	return true
}
