// Package historytest makes histories for tests: a cluster of cores in virtual
// time, with crashes, partitions, loss and repeats. The same options give the
// same history.
package historytest

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/tools/internal/history"
)

// Options say what happens. Times are from the start of the run.
type Options struct {
	Nodes    uint32
	Duration time.Duration
	Every    time.Duration // between two proposals of a client; 0: none
	Loss     int           // messages lost, in 1000
	Repeat   int           // messages that arrive twice, in 1000
	Seed     uint64
	Script   []Event
	// Dir, when not empty, gets the nodes' traces, a directory for each node.
	Dir string
	// Servers has each node report a PostgreSQL server, and an operator enable failover
	// after 4 s, on node 1.
	Servers bool
	// Ahead are nodes whose clocks are not right, in the traces.
	Ahead map[uint32]time.Duration
}

// Event is one fault at a time of the run.
type Event struct {
	At    time.Duration
	Kind  history.MomentKind // Down, Up, Cut, Heal
	Nodes []uint32           // Cut: the nodes on one side
}

const (
	tick       = 100 * time.Millisecond
	latency    = 2 * time.Millisecond // shortest, of a message
	jitter     = 3 * time.Millisecond // at most beside it
	syncTime   = 4 * time.Millisecond
	tickMillis = uint64(tick / time.Millisecond)
)

type task struct {
	at  time.Duration
	seq int
	do  func()
}

type agenda []task

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(task)) }
func (a *agenda) Pop() any {
	t := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return t
}

type cluster struct {
	Options
	history.Builder
	now    time.Duration
	seq    int
	agenda agenda
	random *rand.Rand
	nodes  []*node // by node id less 1
	cut    map[uint32]bool
	nextID uint64
}

// Run runs a cluster and returns its history.
func Run(o Options) (*history.History, error) {
	c := &cluster{Options: o, random: rand.New(rand.NewPCG(o.Seed, 1)), cut: map[uint32]bool{}}
	for i := uint32(1); i <= o.Nodes; i++ {
		c.nodes = append(c.nodes, &node{c: c, address: fmt.Sprintf("host%d", i),
			id: core.Identity{ClusterID: "test", NodeID: i, ReplicaUUID: [16]byte{byte(i)}}})
	}
	c.form()
	for _, e := range o.Script {
		c.after(e.At, func() { c.strike(e) })
	}
	if o.Every > 0 {
		c.after(2*time.Second, c.propose)
	}
	if o.Servers {
		c.after(4*time.Second, c.enable)
	}
	for len(c.agenda) > 0 && c.agenda[0].at <= o.Duration {
		t := heap.Pop(&c.agenda).(task)
		c.now = t.at
		t.do()
	}
	for _, n := range c.nodes {
		n.recorded()
		if n.err != nil {
			return nil, fmt.Errorf("node %d: %w", n.id.NodeID, n.err)
		}
	}
	return c.Build("test run")
}

func (c *cluster) after(d time.Duration, do func()) {
	c.seq++
	heap.Push(&c.agenda, task{c.now + d, c.seq, do})
}

// form founds the cluster on node 1, which then adds the others.
func (c *cluster) form() {
	first := c.nodes[0]
	first.id.ClusterUUID, first.id.RaftID = [16]byte{0xc1}, core.RaftID(1, 1)
	first.disk = core.Bootstrap(first.id, first.address, 7000, c.version())
	first.start()
	for i, n := range c.nodes[1:] {
		c.after(time.Duration(300+200*i)*time.Millisecond, func() {
			c.nextID++
			first.step(core.AddNode{ID: c.nextID, NodeID: n.id.NodeID, Address: n.address, Port: 7000, ReplicaUUID: n.id.ReplicaUUID, Newest: c.newest()})
		})
	}
}

// newest is the version that the nodes know, version the cluster's.
func (c *cluster) newest() uint32 {
	if c.Servers {
		return core.FailoverVersion
	}
	return 0
}

func (c *cluster) version() uint32 { return max(c.newest(), core.OldestVersion) }

// propose has a random node that runs propose something, and again after Every.
func (c *cluster) propose() {
	c.nextID++
	in := core.Propose{ID: c.nextID, Data: fmt.Appendf(nil, "entry %d", c.nextID)}
	binary.BigEndian.PutUint64(in.RequestID[8:], c.nextID)
	if n := c.nodes[c.random.IntN(len(c.nodes))]; n.core != nil {
		n.step(in)
	}
	c.after(c.Every, c.propose)
}

func (c *cluster) strike(e Event) {
	switch e.Kind {
	case history.Down, history.Up:
		for _, id := range e.Nodes {
			if n := c.nodes[id-1]; e.Kind == history.Up {
				c.Moment(id, c.now, history.Up, "starts again")
				n.start()
			} else {
				c.Moment(id, c.now, history.Down, "killed")
				n.crash()
			}
		}
	case history.Cut, history.Heal:
		clear(c.cut)
		for _, id := range e.Nodes {
			c.cut[id] = true
		}
		text := "all connections back"
		if e.Kind == history.Cut {
			text = fmt.Sprintf("nodes %v cut off", e.Nodes)
		}
		c.Moment(0, c.now, e.Kind, text)
	}
}

// send takes a message from one node to another, if nothing is in the way.
func (c *cluster) send(from *node, s core.Send) {
	to := c.nodes[core.NodeID(s.To)-1]
	lost := c.random.IntN(1000) < c.Loss
	copies := 1
	if !s.Snapshot && c.random.IntN(1000) < c.Repeat {
		copies = 2
	}
	for range copies {
		c.after(latency+time.Duration(c.random.Int64N(int64(jitter))), func() {
			ok := !lost && c.cut[from.id.NodeID] == c.cut[to.id.NodeID] && c.greet(from, to, s.To)
			if from.core != nil && s.Snapshot {
				from.step(core.SnapshotSent{RaftID: s.To, OK: ok})
			}
			if ok {
				to.step(core.Receive{From: from.id.RaftID, Data: slices.Clone(s.Data)})
			}
		})
	}
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
	v := core.Greet(to.id, c.version(), to.members, from.id.Hello(from.members.Speaks(c.version()), member, core.NodeID(raftID)))
	if v.Refusal == corepb.Refusal_NONE && v.Join != nil {
		to.id = *v.Join
		to.start()
	}
	return v.Refusal == corepb.Refusal_NONE && to.core != nil
}
