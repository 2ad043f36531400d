package core_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// cluster is the smallest host there is: cores, disks that lose what is not
// synced, and a list of messages on their way. Everything happens in the order
// in which the script asks for it.
type cluster struct {
	nodes    map[uint32]*node
	wire     []message
	cut      map[[2]uint32]bool // from, to
	timing   core.Config
	applied  map[uint64]string // index -> data, as the first node applied it
	acked    map[uint64]string // index -> request, as acknowledged
	out      strings.Builder
	nextID   uint64
	nextUUID byte
	quiet    bool
	kept     []message // for `replay`
	onReply  func(*node, core.Reply)
	onStep   func(*node, core.Input, core.Output)
	onStart  func(*node, core.Config, core.Durable)
}

type message struct {
	from, to uint32
	send     core.Send
}

type node struct {
	c       *cluster
	id      core.Identity
	address string
	core    *core.Core // nil: not running
	disk    core.Durable
	log     []core.Entry // everything since the disk's snapshot
	queue   []core.Persist
	slow    bool   // does not sync until told to
	life    uint64 // part of the seed
	status  core.Status
	members core.Members
	toApply []uint64
	in      core.Input // being taken
}

func newCluster() *cluster {
	return &cluster{nodes: map[uint32]*node{}, cut: map[[2]uint32]bool{}, applied: map[uint64]string{}, acked: map[uint64]string{},
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

// create makes a node with an empty disk and a new replica uuid.
func (c *cluster) create(id uint32) *node {
	c.nextUUID++
	n := &node{c: c, address: fmt.Sprintf("host%d", id), id: core.Identity{ClusterID: "test", NodeID: id, ReplicaUUID: [16]byte{c.nextUUID}}}
	c.nodes[id] = n
	return n
}

func (n *node) bootstrap() {
	n.id.ClusterUUID, n.id.RaftID = [16]byte{0xc1}, core.RaftID(1, n.id.NodeID)
	n.disk = core.Bootstrap(n.id, n.address, 7000)
	n.start()
}

func (n *node) start() {
	cfg := n.c.timing
	cfg.Identity, cfg.Seed = n.id, uint64(n.id.NodeID)+n.life<<32
	d := n.disk
	d.Entries = slices.Clone(n.log)
	var err error
	if n.core, err = core.New(cfg, d); err != nil {
		n.c.printf("%d: %v\n", n.id.NodeID, err)
		return
	}
	n.status, n.members = n.core.Status(), n.core.Members()
	if n.c.onStart != nil {
		n.c.onStart(n, cfg, d)
	}
}

func (n *node) step(in core.Input) {
	if n.core == nil {
		n.c.printf("%d is down\n", n.id.NodeID)
		return
	}
	core.Perform(n.core, in, n)
	for len(n.toApply) > 0 {
		i := n.toApply[0]
		n.toApply = n.toApply[1:]
		core.Perform(n.core, core.Applied{Index: i}, n)
	}
}

// The node as core.Host.

func (n *node) Publish(s core.Status)         { n.status = s }
func (n *node) Persist(b []core.Persist)      { n.queue = append(n.queue, b...) }
func (n *node) MembersChanged(m core.Members) { n.members = m }

func (n *node) Send(s core.Send) {
	n.c.wire = append(n.c.wire, message{n.id.NodeID, core.NodeID(s.To), s})
}

func (n *node) Event(e core.Event) {
	if e.Level > core.Debug {
		n.c.printf("%d: %s\n", n.id.NodeID, e.Text)
	}
}

func (n *node) Apply(as []core.Apply) {
	for _, a := range as {
		if was, ok := n.c.applied[a.Index]; ok && was != string(a.Data) {
			panic(fmt.Sprintf("node %d applied %q at %d, another node %q", n.id.NodeID, a.Data, a.Index, was))
		}
		n.c.applied[a.Index] = string(a.Data)
		n.toApply = append(n.toApply, a.Index)
	}
}

func (n *node) Reply(r core.Reply) {
	if n.c.onReply != nil {
		n.c.onReply(n, r)
	}
	switch {
	case r.Code == core.OK && (r.Index == 0) != (r.Term == 0):
		n.c.printf("%d: reply %d: ok: index %d term %d\n", n.id.NodeID, r.ID, r.Index, r.Term)
	case r.Code == core.OK && r.Index > 0:
		n.c.acked[r.Index] = ""
		n.c.printf("%d: reply %d: ok at %d/%d\n", n.id.NodeID, r.ID, r.Index, r.Term)
	case r.Code == core.OK:
		n.c.printf("%d: reply %d: ok\n", n.id.NodeID, r.ID)
	default:
		n.c.printf("%d: reply %d: %s: %s\n", n.id.NodeID, r.ID, codeNames[r.Code], r.Text)
	}
}

var codeNames = map[core.Code]string{core.NotLeader: "not leader", core.Busy: "busy", core.TooLarge: "too large", core.Unknown: "unknown",
	core.NoSuchNode: "no such node", core.Conflict: "conflict", core.LastVoter: "last voter", core.QuorumAtRisk: "quorum at risk",
	core.NotPossible: "not possible", core.RemovedMember: "removed"}

// sync makes all queued batches durable and says so; false if there were none.
func (n *node) sync() bool {
	if n.core == nil || len(n.queue) == 0 {
		return false
	}
	q := n.queue
	n.queue = nil
	for _, b := range q {
		n.write(b)
	}
	n.step(core.Persisted{Seq: q[len(q)-1].Seq})
	return true
}

func (n *node) write(b core.Persist) {
	if b.Snapshot != nil {
		n.disk.Snapshot, n.log = b.Snapshot, nil
	}
	if len(b.Entries) > 0 {
		keep := b.Entries[0].Index - n.disk.Snapshot.Index - 1
		n.log = append(n.log[:keep:keep], b.Entries...)
	}
	if b.Mark != nil {
		n.log = slices.Clone(n.log[b.Mark.Index-n.disk.Snapshot.Index:])
		n.disk.Snapshot = b.Mark
	}
	if b.HardState != nil {
		n.disk.HardState = *b.HardState
	}
	n.disk.PromiseMillis = max(n.disk.PromiseMillis, b.PromiseMillis)
}

// crash loses what is not synced, and every message to the node.
func (n *node) crash() {
	n.core, n.queue, n.toApply = nil, nil, nil
	n.c.lose(func(m message) bool { return m.to == n.id.NodeID })
}

// lose throws messages away. The host owes word of a snapshot's in every
// outcome.
func (c *cluster) lose(match func(message) bool) {
	var lost []message
	c.wire = slices.DeleteFunc(c.wire, func(m message) bool {
		hit := match(m)
		if hit {
			lost = append(lost, m)
		}
		return hit
	})
	for _, m := range lost {
		if from := c.nodes[m.from]; m.send.Snapshot && from.core != nil {
			from.step(core.SnapshotSent{RaftID: m.send.To})
		}
	}
}

// deliver hands over the first message that match accepts.
func (c *cluster) deliver(match func(message) bool) bool {
	i := slices.IndexFunc(c.wire, match)
	if i < 0 {
		return false
	}
	m := c.wire[i]
	c.wire = slices.Delete(c.wire, i, i+1)
	from, to := c.nodes[m.from], c.nodes[m.to]
	ok := to != nil && !c.cut[[2]uint32{m.from, m.to}] && c.greet(from, to, m.send.To)
	if m.send.Snapshot && from.core != nil {
		from.step(core.SnapshotSent{RaftID: m.send.To, OK: ok})
	}
	if !ok {
		if from.core != nil {
			from.step(core.PeerUnreachable{RaftID: m.send.To})
		}
		return true
	}
	to.step(core.Receive{From: from.id.RaftID, Data: m.send.Data})
	return true
}

// greet is the handshake that the host makes when a connection opens.
func (c *cluster) greet(from, to *node, raftID uint64) bool {
	if to.core == nil && to.id.Invited() {
		return false
	}
	member := from.members.Get(raftID)
	if member == nil {
		member = &corepb.Member{RaftId: raftID}
	}
	hello := from.id.Hello(member, core.NodeID(raftID))
	v := core.Greet(to.id, to.members, hello)
	if v.Refusal != corepb.Refusal_NONE {
		c.printf("%d refuses %d: %s\n", to.id.NodeID, from.id.NodeID, v.Reason)
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

// stabilize syncs and delivers until nothing moves.
func (c *cluster) stabilize() {
	steps := 0
	for moved := true; moved; {
		moved = false
		if steps++; steps > 1000 {
			panic(fmt.Sprintf("no end: %v %.3000s", c.wire, c.out.String()))
		}
		for _, n := range c.all() {
			if !n.slow && n.sync() {
				moved = true
			}
		}
		// Only what is on its way now: answers wait for the next round.
		for n := len(c.wire); n > 0 && c.deliver(func(message) bool { return true }); n-- {
			moved = true
		}
	}
}

// run lets time pass: a tick on every node, then all that follows from it.
func (c *cluster) run(ticks int) {
	for range ticks {
		for _, n := range c.all() {
			if n.core != nil {
				n.step(core.Tick{})
			}
		}
		c.stabilize()
	}
}

func (c *cluster) id() uint64 { c.nextID++; return c.nextID }

// form makes a cluster of n voters, node 1 leading.
func (c *cluster) form(n uint32) {
	c.create(1).bootstrap()
	c.run(5)
	for i := uint32(2); i <= n; i++ {
		x := c.create(i)
		c.nodes[1].step(core.AddNode{ID: c.id(), NodeID: i, Address: x.address, Port: 7000, ReplicaUUID: x.id.ReplicaUUID})
		c.run(5)
	}
}

// describe prints one message on its way.
func (m message) String() string {
	var env corepb.Envelope
	if err := proto.Unmarshal(m.send.Data, &env); err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%d->%d ", m.from, m.to)
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_Raft:
		r := b.Raft
		s += fmt.Sprintf("%v term %d", r.GetType(), r.GetTerm())
		if r.GetType() == pb.MsgApp || r.GetType() == pb.MsgAppResp {
			s += fmt.Sprintf(" index %d", r.GetIndex())
		}
		if n := len(r.GetEntries()); n > 0 {
			s += fmt.Sprintf(" +%d", n)
		}
		if r.GetReject() {
			s += " reject"
		}
	default:
		s += strings.TrimPrefix(fmt.Sprintf("%T", env.GetBody()), "*corepb.Envelope_")
	}
	if env.GetLeaseRound() != nil {
		s += " round"
	}
	if env.GetLeasePromise() != nil {
		s += " promise"
	}
	return s
}
