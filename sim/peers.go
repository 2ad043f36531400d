package sim

import (
	"bytes"
	"slices"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// peer is another member as a node's transport sees it: what waits for it, and
// up to two connections, the one that was dialled and the one that was accepted.
type peer struct {
	n       *node
	life    uint32
	id      uint64
	member  *corepb.Member // nil: not listed
	out, in *conn
	queue   []core.Send
	down    bool // dialling failed since the last connection: messages are dropped
	told    bool // that it is unreachable
	closed  bool // the core was told so, see core.PeerClosed
	dialing bool
	fails   int
}

// conn is a connection. Each end learns by itself that it is over.
type conn struct {
	a, b   *node // a dialled
	al, bl uint32
	aID    uint64
	bID    uint64
	replca [16]byte         // of a
	aOpen  bool             // a believes so
	bOpen  bool             // b believes so
	order  [2]time.Duration // when the last message to a, to b arrives
	aSent  bool
	bSent  bool
	aKnows uint32 // newest version that a's build knows
	bKnows uint32
}

const (
	deadTimeout      = 5 * time.Second // until TCP gives up a silent peer
	dialTimeout      = 2 * time.Second
	handshakeTimeout = 5 * time.Second
	backoffMin       = 50 * time.Millisecond
	backoffMax       = 2 * time.Second
	refusedMin       = time.Second
	refusedMax       = 10 * time.Second
	drainGrace       = 500 * time.Millisecond
	// maxPeerQueue bounds the messages that wait for a connection to a peer.
	maxPeerQueue = 1024
)

func (n *node) peer(id uint64) *peer {
	for _, p := range n.peers {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (n *node) addPeer(id uint64) *peer {
	p := &peer{n: n, life: n.life, id: id}
	n.peers = append(n.peers, p)
	return p
}

// setPeers keeps all other members dialled, and lets go of everyone else.
func (n *node) setPeers() {
	for _, p := range slices.Clone(n.peers) {
		if p.member != nil && n.members.Get(p.id) == nil {
			p.member = nil
			if p.best() == nil {
				p.end()
			} else {
				n.w.arrange(event{at: n.w.now + drainGrace, kind: evRetire, node: n, life: n.life, ref: p})
			}
		}
	}
	for _, m := range n.members.List {
		if m.GetRaftId() == n.identity.RaftID {
			continue
		}
		p := n.peer(m.GetRaftId())
		if p == nil {
			p = n.addPeer(m.GetRaftId())
		}
		p.member = m
		p.redial(0)
	}
}

// retire ends the connections of a peer that is still not listed.
func (p *peer) retire() {
	if p.member != nil {
		return
	}
	for _, c := range []*conn{p.out, p.in} {
		if c != nil {
			p.n.hangUp(c)
		}
	}
	p.end()
}

// end forgets p and what waits for it.
func (p *peer) end() {
	p.drop()
	p.n.peers = slices.DeleteFunc(p.n.peers, func(x *peer) bool { return x == p })
}

func (p *peer) best() *conn {
	if p.out != nil {
		return p.out
	}
	return p.in
}

// redial dials after a while, unless that is arranged or done.
func (p *peer) redial(after time.Duration) {
	if p.member == nil || p.out != nil || p.dialing {
		return
	}
	p.dialing = true
	p.n.w.arrange(event{at: p.n.w.now + after, kind: evDial, node: p.n, life: p.n.life, ref: p})
}

// report hands the core an input from another goroutine: after this step.
func (n *node) report(in core.Input) {
	n.w.arrange(event{at: n.w.now, kind: evInput, node: n, life: n.life, ref: in})
}

// drop gives up what waits.
func (p *peer) drop() {
	for _, s := range p.queue {
		p.lost(s)
	}
	p.queue = nil
}

func (p *peer) lost(s core.Send) {
	if s.Snapshot {
		p.n.report(core.SnapshotSent{RaftID: p.id})
	}
}

func (p *peer) unreachable() {
	if !p.told {
		p.told = true
		p.n.report(core.PeerUnreachable{RaftID: p.id})
	}
}

// send takes a message for a member: onto the wire, into its queue, or nowhere.
func (n *node) send(s core.Send) {
	p := n.peer(s.To)
	if p == nil {
		n.w.marks.add(markSendToStranger)
		if s.Snapshot {
			n.report(core.SnapshotSent{RaftID: s.To})
		}
		n.report(core.PeerUnreachable{RaftID: s.To})
		return
	}
	info := peek(s.Data)
	if info.body == bodyRaft && info.kind == pb.MsgTimeoutNow {
		n.w.handsOver(n)
	}
	n.w.checks.sent(n, &s, &info)
	n.batchSends(&info)
	n.stamp(&info)
	n.forward(p, s, info)
}

// stamp notes in which state of its sender's a message leaves.
func (n *node) stamp(i *wireInfo) {
	if n.database != nil {
		i.restores, i.life = n.database.restores, n.life
	}
}

func (n *node) forward(p *peer, s core.Send, info wireInfo) {
	switch c := p.best(); {
	case c != nil:
		n.transmit(c, s, info)
	case p.down:
		p.lost(s)
	case len(p.queue) >= maxPeerQueue:
		n.w.marks.add(markPeerQueueFull)
		p.lost(s)
		p.unreachable()
	default:
		p.queue = append(p.queue, s)
	}
}

// attached is the bookkeeping for a new connection.
func (p *peer) attached() {
	p.down, p.told, p.fails = false, false, 0
	if p.closed {
		p.closed = false
		p.n.report(core.PeerClosed{RaftID: p.id})
	}
	q := p.queue
	p.queue = nil
	for _, s := range q {
		info := peek(s.Data)
		p.n.stamp(&info)
		p.n.forward(p, s, info)
	}
}

// dial opens a connection: Hello goes out.
func (p *peer) dial() {
	p.dialing = false
	n := p.n
	if p.member == nil || p.out != nil || n.state != running {
		return
	}
	p.dialing = true
	to := n.w.byAddress(p.member.GetAddress())
	h := &handshake{p: p, from: n, to: to, life: n.life, hello: n.hello(p.member, core.NodeID(p.id)), began: n.w.now}
	l := n.w.link(n, to)
	// Whatever becomes of it on the way.
	n.w.arrange(event{at: n.w.now + handshakeTimeout, kind: evWelcome, node: n, life: n.life, ref: h, arg: 1})
	switch {
	case l.cut > 0:
		n.w.arrange(event{at: n.w.now + dialTimeout, kind: evWelcome, node: n, life: n.life, ref: h})
	case to.state == down || l.reject > 0:
		h.refuses = true
		n.w.arrange(event{at: n.w.now + 2*l.delay(), kind: evWelcome, node: n, life: n.life, ref: h})
	case to.state == failed || to.state == broken:
		n.w.arrange(event{at: n.w.now + 2*l.delay(), kind: evWelcome, node: n, life: n.life, ref: h})
	default:
		n.w.arrange(event{at: n.w.now + l.delay(), kind: evHello, node: to, life: to.life, ref: h})
	}
}

// handshake is Hello on its way to the acceptor, and Welcome on its way back.
type handshake struct {
	p        *peer
	from, to *node
	life     uint32 // of from
	hello    *corepb.Hello
	welcome  *corepb.Welcome // nil: no answer
	c        *conn
	began    time.Duration
	refuses  bool // nobody listens, or a firewall says so
	over     bool
}

// accept is the acceptor's side.
func (h *handshake) accept() {
	n, w := h.to, h.to.w
	back := w.link(n, h.from)
	answer := func() {
		if back.cut > 0 {
			return // it times out
		}
		w.arrange(event{at: w.now + back.delay(), kind: evWelcome, node: h.from, life: h.life, ref: h})
	}
	if back.reject > 0 {
		h.refuses = true
		answer()
		return
	}
	if h.welcome = n.greet(h.hello); h.welcome == nil {
		answer()
		return
	}
	if h.welcome.GetRefusal() == corepb.Refusal_NONE && n.twoOfOne(h.hello) {
		h.welcome.Refusal = corepb.Refusal_DUPLICATE
	}
	w.hash.words(uint64(h.welcome.GetRefusal()), h.welcome.GetRaftId(), h.hello.GetFromRaftId())
	w.marks.refused(h.welcome.GetRefusal())
	if h.welcome.GetRefusal() != corepb.Refusal_NONE {
		w.say(n, "refuses %v: %s", h.from, h.welcome.GetReason())
		answer()
		return
	}
	h.c = &conn{a: h.from, b: n, al: h.life, bl: n.life, aID: h.hello.GetFromRaftId(), bID: n.identity.RaftID, aOpen: true, bOpen: true,
		aKnows: core.HelloRange(h.hello).Newest, bKnows: core.WelcomeRange(h.welcome).Newest}
	copy(h.c.replca[:], h.hello.GetFromReplica())
	p := n.peer(h.c.aID)
	if p == nil {
		p = n.addPeer(h.c.aID)
	}
	was := p.in
	p.in = h.c
	if was != nil { // replaced by the newer one
		n.hangUp(was)
		if was.bSent && p.member != nil {
			p.unreachable()
		}
	}
	p.attached()
	answer()
}

// twoOfOne says that another replica of the dialler's Raft id is connected.
func (n *node) twoOfOne(hello *corepb.Hello) bool {
	p := n.peer(hello.GetFromRaftId())
	return p != nil && p.in != nil && !bytes.Equal(p.in.replca[:], hello.GetFromReplica())
}

// greet decides by the core's rules. A node that waits and is invited stores who
// it is before it answers.
func (n *node) greet(hello *corepb.Hello) *corepb.Welcome {
	v := n.judge(hello)
	switch n.state {
	case uninitialised:
		if v.Refusal == corepb.Refusal_NONE {
			v = core.Verdict{Refusal: corepb.Refusal_NOT_INITIALISED}
		}
		return n.welcome(v)
	case waiting, running, removed:
	default:
		return nil
	}
	if v.Removed && n.state == running {
		n.report(core.RemovedByPeer{})
	}
	if v.Join != nil {
		n.w.say(n, "joins, invited by node %d", hello.GetFromNode())
		n.disk.dir.identity = *v.Join
		n.identity = *v.Join
		n.begin()
		if n.state != running {
			return nil
		}
	}
	return n.welcome(v)
}

// welcomed is the dialler's side of the answer.
func (h *handshake) welcomed(late bool) {
	if h.over {
		return
	}
	p, n, w := h.p, h.from, h.welcome
	h.over, p.dialing = true, false
	switch {
	case late && h.c != nil:
		n.hangUp(h.c)
		h.refused()
	case late || w == nil || w.GetRefusal() != corepb.Refusal_NONE:
		h.refused()
	case n.state != running || p.member == nil || n.peer(p.id) != p || !h.c.bOpen || !h.rightMember() || h.c.bKnows < n.members.Version:
		n.hangUp(h.c)
		h.refused()
	default:
		p.out = h.c
		p.attached()
	}
}

func (h *handshake) rightMember() bool {
	m := h.p.member
	return h.welcome.GetRaftId() == m.GetRaftId() &&
		(len(m.GetReplicaUuid()) == 0 || bytes.Equal(m.GetReplicaUuid(), h.welcome.GetReplica()))
}

// refused is a dial that came to nothing.
func (h *handshake) refused() {
	p, n := h.p, h.from
	if n.state != running || n.peer(p.id) != p {
		return
	}
	if p.best() == nil {
		p.down = true
		p.drop()
		p.unreachable()
		if h.refuses && p.member != nil && !p.closed {
			p.closed = true
			n.report(core.PeerClosed{RaftID: p.id, Closed: true})
		}
	}
	lo, hi := backoffMin, backoffMax
	if w := h.welcome; w != nil && w.GetRefusal() != corepb.Refusal_NONE {
		lo, hi = refusedMin, refusedMax
		if w.GetRefusal() == corepb.Refusal_REMOVED && bytes.Equal(w.GetClusterUuid(), n.identity.ClusterUUID[:]) {
			n.report(core.RemovedByPeer{})
		}
	}
	d := min(hi, lo<<min(p.fails, 10))
	p.fails++
	p.redial(n.draws.Between(d/2, d))
}
