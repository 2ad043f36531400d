package sim

import (
	"math/bits"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/sim/postgres"
)

// link is the way from one server to another, with the faults in force on it.
// Each fault counts how many decisions ask for it.
type link struct {
	from, to *node
	base     time.Duration
	latency  Stream

	cut       int  // nothing arrives
	walCut    int  // nothing that PostgreSQL servers send each other
	walLets   int  // but for so many messages more
	walFills  bool // and for those up to one that ends with half a record, and a segment
	walHold   int  // what they send each other waits, in walWaits
	reject    int  // a firewall ends connections, and refuses new ones
	slow      int
	small     int // nothing larger than smallBytes arrives
	narrow    int // narrowBytes a second
	snapCut   int // the connection breaks in the middle of a snapshot
	loss      chance
	duplicate chance
	reorder   chance
	replay    chance

	extra     time.Duration // that every message takes more
	heldFrom  time.Duration // what is sent from then on ...
	heldUntil time.Duration // ... does not arrive before
	holds     Stream
	busy      time.Duration // until when the narrow link is
	old       [8]packet     // what replay may send once more
	olds      int           // how many of them there are
	walWaits  []postgres.Message
}

// chance is a fault that strikes single messages.
type chance struct {
	perMillion int
	draws      Stream
}

func (c *chance) strikes() bool { return c.perMillion > 0 && c.draws.Chance(c.perMillion) }

const (
	smallBytes    = 512
	narrowBytes   = 2_000 // a second: less than a link has to carry
	slowLinkTimes = 50
	// narrowQueue is how long a narrow link may take to have it all through: what
	// does not fit is lost, and nothing comes long after the fault.
	narrowQueue = 2 * time.Second
	// maxDelay bounds what a message can be late by, but for faultDelay and
	// faultHold; once the faults are over, calmDelay does: far less than a lease.
	maxDelay  = 2 * time.Second
	calmDelay = 100 * time.Millisecond
)

// delay is how long the next message takes.
func (l *link) delay() time.Duration {
	d := l.latency.Tail(l.base)
	if l.from.w.settled {
		return min(d, calmDelay)
	}
	if l.slow > 0 {
		d *= slowLinkTimes
	}
	d = min(d, maxDelay) + l.extra
	if now := l.from.w.now; now >= l.heldFrom {
		d = max(d, l.heldUntil-now)
	}
	return d
}

// packet is a message on its way.
type packet struct {
	c    *conn
	to   *node
	from uint64 // Raft id
	dest uint64
	data []byte
	info wireInfo
}

// transmit puts a message on the wire of an open connection.
func (n *node) transmit(c *conn, s core.Send, info wireInfo) {
	w := n.w
	to, dir, from := c.b, 1, c.aID
	if c.b == n {
		to, dir, from = c.a, 0, c.bID
		c.bSent = true
	} else {
		c.aSent = true
	}
	if p := n.peer(s.To); p != nil {
		p.told = false
	}
	l := w.link(n, to)
	pk := packet{c: c, to: to, from: from, dest: s.To, data: s.Data, info: info}
	if l.reject > 0 {
		if s.Snapshot {
			n.report(core.SnapshotSent{RaftID: s.To})
		}
		n.hangUp(c)
		return
	}
	if s.Snapshot && l.snapCut > 0 {
		w.marks.add(markSnapshotCut)
		n.report(core.SnapshotSent{RaftID: s.To})
		n.hangUp(c)
		return
	}
	if s.Snapshot {
		n.report(core.SnapshotSent{RaftID: s.To, OK: true})
	}
	w.marks.message(pk.info)
	if len(w.keeping) > 0 && w.sent(n, &pk) {
		return
	}
	switch {
	case l.cut > 0:
		w.marks.add(markCutMessage)
		return
	case l.small > 0 && len(s.Data) > smallBytes:
		w.marks.add(markTooLargeForLink)
		return
	case l.loss.strikes():
		w.marks.add(markLost)
		return
	}
	at := w.now + l.delay()
	if l.narrow > 0 {
		through := max(l.busy, w.now) + time.Duration(len(s.Data))*time.Second/narrowBytes
		if through > w.now+narrowQueue {
			w.marks.add(markLost)
			return
		}
		l.busy = through
		at += l.busy - w.now
		w.marks.add(markNarrow)
	}
	if l.reorder.strikes() {
		w.marks.add(markReordered)
		at += l.reorder.draws.Between(0, 20*l.base)
	} else {
		at = max(at, c.order[dir])
		c.order[dir] = at
	}
	w.deliverAt(at, pk)
	if l.duplicate.strikes() {
		w.marks.add(markDuplicated)
		w.deliverAt(at+l.duplicate.draws.Between(0, 100*l.base), pk)
	}
	if l.replay.strikes() && l.olds > 0 {
		old := l.old[l.replay.draws.Below(l.olds)]
		if old.from == pk.from && old.dest == pk.dest {
			w.marks.add(markReplayed)
			old.c = c
			w.deliverAt(w.now+l.replay.draws.Between(0, time.Second), old)
		}
	}
	if l.replay.perMillion > 0 {
		l.remember(pk)
	}
}

// remember keeps some messages for replay, each place twice as long as the one
// before it: what a link carries in a second would drive all that is old out of
// places that are alike. The library's messages are many, and heartbeats are all
// alike; pgraft's own are few, and each says something of its own.
func (l *link) remember(pk packet) {
	one := 1
	if pk.info.body == bodyRaft {
		one = 16
		if k := pk.info.kind; k == pb.MsgHeartbeat || k == pb.MsgHeartbeatResp {
			one = 64
		}
	}
	switch {
	case l.replay.draws.Below(one) > 0:
	case l.olds < len(l.old):
		l.old[l.olds] = pk
		l.olds++
	default:
		place := bits.TrailingZeros64(l.replay.draws.Uint64())
		l.old[min(place, len(l.old)-1)] = pk
	}
}

func (w *World) deliverAt(at time.Duration, p packet) {
	w.onWire++
	life := p.c.al
	if p.to == p.c.b {
		life = p.c.bl
	}
	w.arrange(event{at: at, kind: evDeliver, node: p.to, life: life, ref: w.pack(p)})
}

// deliver hands a message to the process at the other end.
func (w *World) deliver(p *packet) {
	n := p.to
	open := p.c.bOpen
	if n == p.c.a {
		open = p.c.aOpen
	}
	if !open || n.state != running {
		w.marks.add(markMissedProcess)
		return
	}
	if w.trace != nil {
		w.say(n, "<- %d: %v", core.NodeID(p.from), p.info)
	}
	n.arrive(arrival{core.Receive{From: p.from, Data: p.data}, p})
}

// hangUp ends a connection from n's side; the other end notices a little later,
// or only when TCP gives up.
func (n *node) hangUp(c *conn) {
	w, other, life := n.w, c.a, c.al
	if n == c.a {
		c.aOpen, other, life = false, c.b, c.bl
	} else {
		c.bOpen = false
	}
	n.unlink(c)
	after := w.link(n, other).base
	if w.link(n, other).cut > 0 {
		after = deadTimeout
	}
	w.arrange(event{at: w.now + after, kind: evHangup, node: other, life: life, ref: c})
}

// hungUp is n noticing the end of c.
func (n *node) hungUp(c *conn) {
	open := &c.aOpen
	if n == c.b {
		open = &c.bOpen
	}
	if *open {
		*open = false
		n.unlink(c)
	}
}

// unlink takes c from its peer, and reports what it may have lost.
func (n *node) unlink(c *conn) {
	id, sent := c.bID, c.aSent
	if n == c.b {
		id, sent = c.aID, c.bSent
	}
	p := n.peer(id)
	if p == nil {
		return
	}
	switch c {
	case p.out:
		p.out = nil
	case p.in:
		p.in = nil
	default:
		return
	}
	if sent && p.member != nil {
		p.unreachable()
	}
	if p.member == nil && p.best() == nil {
		p.end()
	}
	p.redial(n.draws.Between(0, backoffMin))
}

// hangUpAll is the end of a process. A machine that loses its power says
// nothing to the others: they notice by themselves.
func (n *node) hangUpAll(s survival) {
	for _, p := range n.peers {
		for _, c := range []*conn{p.out, p.in} {
			if c == nil {
				continue
			}
			other, life := c.a, c.al
			if n == c.a {
				other, life, c.aOpen = c.b, c.bl, false
			} else {
				c.bOpen = false
			}
			l := n.w.link(n, other)
			after := l.base
			if s != surviveAll || l.cut > 0 {
				after = n.draws.Between(l.base, deadTimeout)
			}
			n.w.arrange(event{at: n.w.now + after, kind: evHangup, node: other, life: life, ref: c})
		}
	}
}

// breakLater ends a connection over a link that has been cut for too long.
func (w *World) breakLater(l *link) {
	w.arrange(event{at: w.now + l.latency.Between(time.Second, deadTimeout), kind: evDead, ref: l})
}

// dead gives up the connections over a link that is still cut.
func (w *World) dead(l *link) {
	if l.cut == 0 {
		return
	}
	for _, p := range append([]*peer(nil), l.from.peers...) {
		for _, c := range []*conn{p.out, p.in} {
			if c != nil && (c.a == l.to || c.b == l.to) {
				l.from.hangUp(c)
			}
		}
	}
}
