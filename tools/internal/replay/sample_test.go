package replay

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain/retaintest"
	"github.com/pgraft/pgraft/core/trace"
)

// sample is a cluster of three in memory, each node under a recorder. One step
// is a millisecond.
type sample struct {
	t     testing.TB
	now   int64 // nanoseconds
	nodes []*sampleNode
	wire  []sampleMessage
	skew  int64 // of node 2's clock
	// corrupt changes what a node does, after it was recorded.
	corrupt func(n *sampleNode, out *core.Output)
}

type sampleMessage struct {
	from, to uint64
	data     []byte
}

type sampleNode struct {
	retaintest.None
	s      *sample
	id     core.Identity
	core   *core.Core
	disk   core.Durable
	log    []core.Entry
	todo   []core.Input
	rec    trace.Recorder
	files  [][]byte
	life   uint64
	asked  uint64
	paused bool
}

const millisecond = 1_000_000

func newSample(t testing.TB) *sample {
	s := &sample{t: t, now: 1_000_000_000_000}
	for id := uint32(1); id <= 3; id++ {
		n := &sampleNode{s: s, id: core.Identity{ClusterID: "sample", NodeID: id, ReplicaUUID: [16]byte{byte(id)}}}
		s.nodes = append(s.nodes, n)
	}
	first := s.nodes[0]
	first.id.ClusterUUID, first.id.RaftID = [16]byte{9}, core.RaftID(1, 1)
	first.disk = core.Bootstrap(first.id, "h1", 1, core.OldestVersion)
	first.start()
	s.run(300)
	for i, n := range s.nodes[1:] {
		first.do(core.AddNode{ID: first.ask(), NodeID: n.id.NodeID, Address: fmt.Sprintf("h%d", n.id.NodeID), Port: 1, ReplicaUUID: n.id.ReplicaUUID})
		n.id.ClusterUUID, n.id.RaftID = first.id.ClusterUUID, core.RaftID(uint32(i)+2, n.id.NodeID)
		s.run(1500)
	}
	return s
}

func (n *sampleNode) clock() int64 {
	if n.id.NodeID == 2 {
		return n.s.now + n.s.skew
	}
	return n.s.now
}

func (n *sampleNode) take() {
	n.files[len(n.files)-1] = append(n.files[len(n.files)-1], n.rec.Take(nil)...)
}

func (n *sampleNode) file() {
	if len(n.files) > 0 {
		n.rec.End(n.clock(), "next")
		n.take()
	}
	n.files = append(n.files, nil)
	n.rec.Begin(trace.Header{Build: "sample", ClusterID: n.id.ClusterID, NodeID: n.id.NodeID, RaftID: n.id.RaftID, ReplicaUUID: n.id.ReplicaUUID,
		Life: n.life, File: uint64(len(n.files)), Time: n.clock()})
}

func (n *sampleNode) start() {
	n.life = uint64(n.id.NodeID)<<32 | uint64(n.s.now)
	cfg := core.Config{Identity: n.id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, Seed: n.life, SnapshotEntries: 40, MaxEntryBytes: 1000}
	d := n.disk
	d.Entries = slices.Clone(n.log)
	c, err := core.New(cfg, d)
	if err != nil {
		n.s.t.Fatal(err)
	}
	n.core = c
	n.file()
	n.rec.Boot(n.clock(), cfg, d)
	n.take()
}

// crash loses the core, and what it had not written yet.
func (n *sampleNode) crash() {
	n.rec.Note(n.clock(), "fault", "the node is killed")
	n.take()
	n.core, n.todo = nil, nil
}

func (n *sampleNode) ask() uint64 { n.asked++; return n.asked }

func (n *sampleNode) do(in core.Input) {
	n.todo = append(n.todo, in)
	for len(n.todo) > 0 && n.core != nil {
		in := n.todo[0]
		n.todo = n.todo[1:]
		core.Perform(n.core, in, n)
	}
}

func (n *sampleNode) RecordInput(in core.Input) { n.rec.Input(n.clock(), in) }

func (n *sampleNode) RecordOutput(out core.Output) {
	if n.s.corrupt != nil {
		n.s.corrupt(n, &out)
	}
	n.rec.Output(out)
	n.take()
	if n.rec.Seq()%300 == 0 {
		n.file()
		if err := n.rec.Checkpoint(n.clock(), n.core); err != nil {
			n.s.t.Fatal(err)
		}
		n.take()
	}
}

func (n *sampleNode) Clock() *core.Clock          { return nil }
func (*sampleNode) Failover(core.FailoverOutput)  { panic("failover is on nowhere") }
func (n *sampleNode) Publish(core.Status, int64)  {}
func (n *sampleNode) Removed()                    {}
func (n *sampleNode) Reply(core.Reply)            {}
func (n *sampleNode) Event(core.Event)            {}
func (n *sampleNode) MembersChanged(core.Members) {}
func (n *sampleNode) Send(m core.Send) {
	n.s.wire = append(n.s.wire, sampleMessage{n.id.RaftID, m.To, m.Data})
	if m.Snapshot {
		n.todo = append(n.todo, core.SnapshotSent{RaftID: m.To, OK: true})
	}
}
func (n *sampleNode) Apply([]core.Apply) (taken bool) { return true }
func (n *sampleNode) Persist(batches []core.Persist) {
	for _, b := range batches {
		if b.Snapshot != nil {
			n.disk.Snapshot, n.log = b.Snapshot, nil
		}
		if len(b.Entries) > 0 {
			keep := b.Entries[0].Index - n.disk.Snapshot.Index - 1
			n.log = append(slices.Clone(n.log[:keep]), b.Entries...)
		}
		if b.Mark != nil {
			n.log = slices.Clone(n.log[b.Mark.Index-n.disk.Snapshot.Index:])
			n.disk.Snapshot = b.Mark
		}
		if b.HardState != nil {
			n.disk.HardState = *b.HardState
		}
		n.disk.PromiseMillis = max(n.disk.PromiseMillis, b.PromiseMillis)
		n.todo = append(n.todo, core.Persisted{Seq: b.Seq})
	}
}

// run lets milliseconds pass: messages take one, ticks come every hundred.
func (s *sample) run(millis int) {
	for range millis {
		s.now += millisecond
		wire := s.wire
		s.wire = nil
		for _, m := range wire {
			to := s.nodes[core.NodeID(m.to)-1]
			if to.core == nil && to.life == 0 && to.id.RaftID == m.to { // it is invited
				to.start()
			}
			if to.core != nil && !to.paused {
				to.do(core.Receive{From: m.from, Data: m.data})
			}
		}
		if s.now/millisecond%100 == 0 {
			for _, n := range s.nodes {
				if n.core != nil && !n.paused {
					n.do(core.Tick{})
				}
			}
		}
	}
}

func (s *sample) propose(n int) {
	for range n {
		for _, x := range s.nodes {
			if x.core != nil && !x.paused {
				id := x.ask()
				x.do(core.Propose{ID: id, RequestID: [16]byte{byte(x.id.NodeID), byte(id), byte(id >> 8), byte(x.life >> 20), 1}, Data: fmt.Appendf(nil, "entry %d of node %d", id, x.id.NodeID)})
			}
		}
		s.run(20)
	}
}

func (s *sample) leader() *sampleNode {
	for range 200 {
		for _, n := range s.nodes {
			if n.core != nil && n.core.Status().Role == core.RoleLeader && n.core.Status().LeaseTicks > 0 {
				return n
			}
		}
		s.run(50)
	}
	s.t.Fatal("nobody leads")
	return nil
}

// incident is the traces of all nodes, as far as they were written.
func (s *sample) incident() *Incident {
	var names []string
	var data [][]byte
	for _, n := range s.nodes {
		for i, b := range n.files {
			names = append(names, fmt.Sprintf("node%d/%d.trace", n.id.NodeID, i+1))
			data = append(data, b)
		}
	}
	inc, err := OpenBytes(names, data)
	if err != nil {
		s.t.Fatal(err)
	}
	return inc
}

// crashed is a run in which the leader dies under load and comes back.
func crashed(t testing.TB) *sample {
	s := newSample(t)
	s.propose(30)
	l := s.leader()
	l.crash()
	s.leader()
	s.propose(10)
	l.start()
	s.propose(30)
	return s
}
