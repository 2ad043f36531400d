package core_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// cluster is the smallest host there is: cores, disks that lose what is not
// synced, and a list of messages on their way. Everything happens in the order
// in which the script asks for it. Its time is the true time, in microseconds:
// every node counts its ticks by a clock of its own.
type cluster struct {
	nodes    map[uint32]*node // by key: the node id, or any other number for a copy
	wire     []message
	cut      map[link]cut
	held     []pattern // messages that stay on the wire until released
	timing   core.Config
	time     int64
	history  history
	out      strings.Builder
	nextID   uint64
	nextUUID byte
	quiet    bool
	kept     []message // for `replay`
	gathers  *node     // whose inputs become a batch
	// failoverCalls are what operators asked for, by the id of the input.
	failoverCalls map[uint64]bool
	onReply       func(*node, core.Reply)
	onStep        func(*node, core.Input, core.Output)
	onStart       func(*node, core.Config, core.Durable)
}

const micros = 1000 // in a millisecond

// link is one direction between two nodes.
type link struct{ from, to uint32 }

// cut is how a link fails.
type cut uint8

const (
	refusing cut = iota + 1 // the sender learns that the member is unreachable
	silent                  // messages vanish
)

func newCluster() *cluster {
	return &cluster{nodes: map[uint32]*node{}, cut: map[link]cut{}, history: newHistory(), failoverCalls: map[uint64]bool{},
		timing: core.Config{TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 1000, MaxEntryBytes: 1000}}
}

func (c *cluster) printf(f string, a ...any) {
	if !c.quiet {
		fmt.Fprintf(&c.out, f, a...)
	}
}

func (c *cluster) all() []*node {
	l := make([]*node, 0, len(c.nodes))
	for _, k := range slices.Sorted(maps.Keys(c.nodes)) {
		l = append(l, c.nodes[k])
	}
	return l
}

func (c *cluster) id() uint64 { c.nextID++; return c.nextID }

// create makes a node with an empty disk and a new replica uuid.
func (c *cluster) create(id uint32) *node {
	c.nextUUID++
	n := &node{c: c, key: id, address: fmt.Sprintf("host%d", id), cfg: c.timing, rate: 100,
		id: core.Identity{ClusterID: "test", NodeID: id, ReplicaUUID: [16]byte{c.nextUUID}}}
	c.nodes[id] = n
	return n
}

// deliver hands over the first message that match accepts.
func (c *cluster) deliver(match func(message) bool) bool {
	i := slices.IndexFunc(c.wire, match)
	if i < 0 {
		return false
	}
	c.deliverAt(i)
	return true
}

func (c *cluster) deliverAt(i int) {
	m := c.wire[i]
	c.wire = slices.Delete(c.wire, i, i+1)
	from, to := c.nodes[m.from], c.nodes[m.to]
	kind := c.cut[link{m.from, m.to}]
	ok := to != nil && kind == 0 && c.greet(from, to, m)
	c.sent(m, ok)
	switch {
	case ok:
		to.step(core.Receive{From: core.RaftID(core.Incarnation(m.raftID), core.NodeID(m.raftID)), Data: m.send.Data})
	case kind != silent && from.core != nil:
		from.step(core.PeerUnreachable{RaftID: m.send.To})
	}
}

// sent reports what became of a snapshot, which the host owes in every outcome.
func (c *cluster) sent(m message, ok bool) {
	if from := c.nodes[m.from]; m.send.Snapshot && from.core != nil && from.id.RaftID == m.raftID {
		from.step(core.SnapshotSent{RaftID: m.send.To, OK: ok})
	}
}

// drop loses the messages that match accepts.
func (c *cluster) drop(match func(message) bool, n int) {
	for range n {
		i := slices.IndexFunc(c.wire, match)
		if i < 0 {
			return
		}
		m := c.wire[i]
		c.wire = slices.Delete(c.wire, i, i+1)
		c.sent(m, false)
	}
}

// greet is the handshake that the host makes when a connection opens.
func (c *cluster) greet(from, to *node, m message) bool {
	if to.core == nil && to.id.Invited() {
		return false
	}
	if m.member == nil {
		m.member = from.members.Get(m.send.To)
	}
	if m.member == nil {
		m.member = &corepb.Member{RaftId: m.send.To}
	}
	hello := from.id.Hello(from.members.Speaks(from.newest()), m.member, core.NodeID(m.send.To))
	v := core.Greet(to.id, to.newest(), to.members, hello)
	for _, other := range c.all() {
		if v.Refusal == corepb.Refusal_NONE && other.core != nil && other.key < from.key && other.id.ReplicaUUID == from.id.ReplicaUUID {
			v = core.Verdict{Refusal: corepb.Refusal_DUPLICATE, Reason: fmt.Sprintf("node %d is connected already", from.id.NodeID)}
		}
	}
	if v.Refusal != corepb.Refusal_NONE {
		c.printf("%d refuses %d: %s\n", to.key, from.key, v.Reason)
		if v.Removed && to.core != nil {
			to.step(core.RemovedByPeer{})
		}
		if v.Refusal == corepb.Refusal_REMOVED && from.core != nil {
			from.step(core.RemovedByPeer{})
		}
		return false
	}
	if v.Join != nil {
		to.id = *v.Join
		to.start()
	}
	return to.core != nil
}

// moves says whether a message goes on by itself.
func (c *cluster) moves(m message) bool {
	if to := c.nodes[m.to]; to != nil && to.paused {
		return false
	}
	return !slices.ContainsFunc(c.held, func(p pattern) bool { return p.match(m) })
}

// stabilize syncs and delivers until nothing moves.
func (c *cluster) stabilize() {
	steps := 0
	for moved := true; moved; {
		moved = false
		if steps++; steps > 1000 {
			panic(fmt.Sprintf("no end: %v %.3000s", c.wire, c.out.String()))
		}
		for _, n := range c.all() {
			if !n.slow && !n.paused && n.sync(len(n.queue)) {
				moved = true
			}
		}
		// Only what is on its way now: answers wait for the next round.
		for n := len(c.wire); n > 0 && c.deliver(c.moves); n-- {
			moved = true
		}
	}
}

// run lets time pass, with all that follows from it after every tick.
func (c *cluster) run(ticks int) {
	end := c.time + int64(ticks)*int64(c.timing.TickMillis)*micros
	for c.tickNext(end) {
		c.stabilize()
	}
	c.time = end
}

// tickNext ticks the nodes that are due first, if that is not after end.
func (c *cluster) tickNext(end int64) bool {
	next := end + 1
	for _, n := range c.all() {
		if n.ticks() {
			next = min(next, n.due)
		}
	}
	if next > end {
		return false
	}
	c.time = max(c.time, next)
	for _, n := range c.all() {
		if n.ticks() && n.due <= next {
			n.tick()
		}
	}
	return true
}

// form makes a cluster of n voters, node 1 leading.
func (c *cluster) form(n uint32) {
	c.create(1).bootstrap()
	c.run(5)
	for i := uint32(2); i <= n; i++ {
		x := c.create(i)
		x.formDraws = uint64(n - i + 1) // heartbeats of the promotions, its own and those after it
		c.nodes[1].step(core.AddNode{ID: c.id(), NodeID: i, Address: x.address, Port: 7000, ReplicaUUID: x.id.ReplicaUUID, Newest: x.cfg.Newest})
		c.run(5)
	}
}
