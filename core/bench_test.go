package core_test

import (
	"encoding/binary"
	"io"
	"log"
	"slices"
	"testing"
	"time"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
)

// The benchmarks compare a core with the library alone: three nodes in one
// process, disks and network that answer at once, every message marshalled and
// unmarshalled. One operation is a proposal of benchBytes until all have
// committed it, or a tick of an idle cluster. The two take turns, so that other
// load on the machine meets both alike; "times" is the core's share by the other's.
//
//	go test ./core -run xxx -bench . -benchmem

const (
	benchBytes = 100
	// benchTurn is the operations of one before the other's turn: so few that most turns
	// end before other load interrupts them, which meets the longer ones more often.
	benchTurn = 10
)

func BenchmarkProposeBoth(b *testing.B) {
	g, bare := newCoreGroup(b), newRawGroup(b)
	n := 0
	both(b, func() { n++; g.propose(n) }, bare.propose)
	if g.replies != n || bare.applied != 3*n {
		b.Fatalf("%d proposals, %d replies, %d applied on three bare nodes", n, g.replies, bare.applied)
	}
}

func BenchmarkIdleTickBoth(b *testing.B) {
	g, bare := newCoreGroup(b), newRawGroup(b)
	both(b, g.tick, bare.tick)
	if s := g.cores[0].Status(); s.Role != core.RoleLeader || s.LeaseTicks == 0 || bare.nodes[0].rn.BasicStatus().RaftState != raft.StateLeader {
		b.Fatalf("a leader is gone: %+v", s)
	}
}

// both reports each one's time, the median of its turns, and their quotient.
func both(b *testing.B, of, bare func()) {
	var spent [2][]time.Duration
	turns := b.N/benchTurn + 1
	for range turns {
		for i, f := range []func(){of, bare} {
			start := time.Now()
			for range benchTurn {
				f()
			}
			spent[i] = append(spent[i], time.Since(start))
		}
	}
	median := func(l []time.Duration) float64 {
		slices.Sort(l)
		return float64(l[len(l)/2].Nanoseconds()) / benchTurn
	}
	b.ReportMetric(median(spent[0]), "core-ns/op")
	b.ReportMetric(median(spent[1]), "bare-ns/op")
	b.ReportMetric(median(spent[0])/median(spent[1]), "times")
}

func BenchmarkCorePropose(b *testing.B) {
	g := newCoreGroup(b)
	b.ReportAllocs()
	for i := range b.N {
		g.propose(i + 1)
	}
	if g.replies != b.N {
		b.Fatalf("%d replies to %d proposals", g.replies, b.N)
	}
}

func BenchmarkBarePropose(b *testing.B) {
	g := newRawGroup(b)
	b.ReportAllocs()
	for range b.N {
		g.propose()
	}
	if g.applied != 3*b.N {
		b.Fatalf("%d entries applied on three nodes, %d proposed", g.applied, b.N)
	}
}

// BenchmarkCoreBatch is a loaded cluster: batchOpen proposals at once, and every node
// takes all that waits for it as one step. One operation is one proposal.
func BenchmarkCoreBatch(b *testing.B) {
	const batchOpen = 64
	g := newCoreGroup(b)
	b.ReportAllocs()
	for n := 0; n < b.N; n += batchOpen {
		in := core.Batch{}
		for i := range batchOpen {
			in.Inputs = append(in.Inputs, proposal(n+i+1))
		}
		g.rounds(in)
	}
	if want := (b.N + batchOpen - 1) / batchOpen * batchOpen; g.replies != want {
		b.Fatalf("%d replies to %d proposals", g.replies, want)
	}
}

func BenchmarkCoreIdleTick(b *testing.B) {
	g := newCoreGroup(b)
	b.ReportAllocs()
	for range b.N {
		g.tick()
	}
	if s := g.cores[0].Status(); s.LeaseTicks == 0 {
		b.Fatalf("no lease: %+v", s)
	}
}

func BenchmarkBareIdleTick(b *testing.B) {
	g := newRawGroup(b)
	b.ReportAllocs()
	for range b.N {
		g.tick()
	}
	if g.nodes[0].rn.BasicStatus().RaftState != raft.StateLeader {
		b.Fatal("the leader is gone")
	}
}

// coreGroup is three cores without any cluster around them.
type coreGroup struct {
	cores   []*core.Core
	ids     []uint64
	queue   []delivery
	replies int
}

type delivery struct {
	to int
	in core.Input
}

// newCoreGroup starts from what a formed cluster has on its disks.
func newCoreGroup(b *testing.B) *coreGroup {
	c := newCluster()
	c.timing.SnapshotEntries, c.timing.MaxEntryBytes = 1<<20, 1<<20
	c.form(3)
	g := &coreGroup{}
	for _, n := range c.all() {
		cfg := n.cfg
		cfg.Identity, cfg.Seed = n.id, uint64(n.key)
		d := n.disk.Durable
		d.Entries, d.PromiseMillis = n.disk.log, 0
		x, err := core.New(cfg, d)
		if err != nil {
			b.Fatal(err)
		}
		g.cores, g.ids = append(g.cores, x), append(g.ids, n.id.RaftID)
	}
	for range 100 { // node 1 alone until it leads, then all
		if g.step(0, core.Tick{}); g.cores[0].Status().Role == core.RoleLeader {
			break
		}
	}
	for range 20 {
		g.tick()
	}
	g.replies = 0
	if s := g.cores[0].Status(); s.LeaseTicks == 0 || s.Applied != s.Last {
		b.Fatalf("not ready: %+v", s)
	}
	return g
}

func proposal(id int) core.Propose {
	in := core.Propose{ID: uint64(id), Data: make([]byte, benchBytes)}
	binary.BigEndian.PutUint64(in.RequestID[:], uint64(id))
	return in
}

func (g *coreGroup) propose(id int) { g.step(0, proposal(id)) }

// rounds gives node 1 an input, and then to each node at once what has come for it.
func (g *coreGroup) rounds(in core.Input) {
	waiting := make([][]core.Input, len(g.cores))
	waiting[0] = []core.Input{in}
	for more := true; more; {
		more = false
		next := make([][]core.Input, len(g.cores))
		for to, ins := range waiting {
			if len(ins) == 0 {
				continue
			}
			more = true
			in := ins[0]
			if len(ins) > 1 {
				in = core.Batch{Inputs: ins}
			}
			g.queue = g.queue[:0]
			g.take(to, in)
			for _, d := range g.queue {
				next[d.to] = append(next[d.to], d.in)
			}
		}
		waiting = next
	}
}

func (g *coreGroup) tick() {
	for i := range g.cores {
		g.step(i, core.Tick{})
	}
}

// step gives an input to a core, and then whatever follows from it.
func (g *coreGroup) step(to int, in core.Input) {
	g.queue = append(g.queue[:0], delivery{to, in})
	for i := 0; i < len(g.queue); i++ {
		g.take(g.queue[i].to, g.queue[i].in)
	}
}

// take gives an input to a core, and puts what follows from it behind the others.
func (g *coreGroup) take(to int, in core.Input) {
	for in != nil {
		out := g.cores[to].Step(in)
		in = nil
		if n := len(out.Persist); n > 0 {
			g.queue = append(g.queue, delivery{to, core.Persisted{Seq: out.Persist[n-1].Seq}})
		}
		for _, s := range out.Send {
			g.queue = append(g.queue, delivery{int(core.NodeID(s.To)) - 1, core.Receive{From: g.ids[to], Data: s.Data}})
		}
		if n := len(out.Apply); n > 0 {
			in = core.Applied{Index: out.Apply[n-1].Index}
		}
		g.replies += len(out.Reply)
	}
}

// rawGroup is the same with the library alone.
type rawGroup struct {
	nodes   []rawNode
	queue   [][]byte
	applied int
}

type rawNode struct {
	rn    *raft.RawNode
	store *raft.MemoryStorage
}

func newRawGroup(b *testing.B) *rawGroup {
	g := &rawGroup{}
	for id := uint64(1); id <= 3; id++ {
		store := raft.NewMemoryStorage()
		s := &pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{Voters: []uint64{1, 2, 3}}, Index: new(uint64(1)), Term: new(uint64(1))}}
		if err := store.ApplySnapshot(s); err != nil {
			b.Fatal(err)
		}
		rn, err := raft.NewRawNode(&raft.Config{ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: store, AsyncStorageWrites: true,
			MaxSizePerMsg: 32 << 10, MaxCommittedSizePerReady: 4 << 20, MaxUncommittedEntriesSize: 32 << 20, MaxInflightMsgs: 128, MaxInflightBytes: 32 << 20,
			CheckQuorum: true, PreVote: true, DisableProposalForwarding: true, StepDownOnRemoval: true, Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)}})
		if err != nil {
			b.Fatal(err)
		}
		g.nodes = append(g.nodes, rawNode{rn, store})
	}
	if err := g.nodes[0].rn.Campaign(); err != nil {
		b.Fatal(err)
	}
	g.settle()
	if g.nodes[0].rn.BasicStatus().RaftState != raft.StateLeader {
		b.Fatal("no leader")
	}
	return g
}

func (g *rawGroup) propose() {
	g.must(g.nodes[0].rn.Propose(make([]byte, benchBytes)))
	g.settle()
}

func (g *rawGroup) tick() {
	g.nodes[0].rn.Tick()
	g.nodes[1].rn.TickQuiesced()
	g.nodes[2].rn.TickQuiesced()
	g.settle()
}

func (g *rawGroup) settle() {
	for moved := true; moved; {
		moved = false
		for i := range g.nodes {
			for g.nodes[i].rn.HasReady() {
				g.ready(&g.nodes[i])
				moved = true
			}
		}
		queue := g.queue
		g.queue = nil
		for _, data := range queue {
			m := new(pb.Message)
			if err := proto.Unmarshal(data, m); err != nil {
				panic(err)
			}
			g.must(g.nodes[m.GetTo()-1].rn.Step(m))
		}
	}
}

func (g *rawGroup) ready(n *rawNode) {
	for _, m := range n.rn.Ready().Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			if m.Term != nil {
				g.must(n.store.SetHardState(&pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}))
			}
			g.must(n.store.Append(m.GetEntries()))
		case raft.LocalApplyThread:
			for _, e := range m.GetEntries() {
				if len(e.GetData()) > 0 {
					g.applied++
				}
			}
		default:
			g.queue = append(g.queue, mustMarshal(m))
			continue
		}
		for _, r := range m.GetResponses() {
			if to := r.GetTo(); to > 3 || n == &g.nodes[to-1] {
				g.must(n.rn.Step(r))
			} else {
				g.queue = append(g.queue, mustMarshal(r))
			}
		}
	}
}

func (g *rawGroup) must(err error) {
	if err != nil {
		panic(err)
	}
}
