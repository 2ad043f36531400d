package core

import (
	"io"
	"log"
	"math/rand/v2"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// group is three nodes of the library whose messages are read into the same memory, or
// each into memory of its own.
type group struct {
	nodes []*raft.RawNode
	store []*raft.MemoryStorage
	held  [][]*pb.Message // by node: answers that wait for its disk
	in    []incoming      // by node; nil: each message has memory of its own
	wire  [][]byte
	said  [][]byte // all that was sent
}

func newGroup(t *testing.T, shared bool) *group {
	g := &group{held: make([][]*pb.Message, 3)}
	if shared {
		g.in = make([]incoming, 3)
	}
	for id := uint64(1); id <= 3; id++ {
		store := raft.NewMemoryStorage()
		s := &pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{Voters: []uint64{1, 2, 3}}, Index: new(uint64(1)), Term: new(uint64(1))}}
		if err := store.ApplySnapshot(s); err != nil {
			t.Fatal(err)
		}
		rn, err := raft.NewRawNode(&raft.Config{ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: store, AsyncStorageWrites: true,
			MaxSizePerMsg: 1000, MaxInflightMsgs: 8, CheckQuorum: true, PreVote: true, DisableProposalForwarding: true, StepDownOnRemoval: true,
			Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)}})
		if err != nil {
			t.Fatal(err)
		}
		g.nodes, g.store = append(g.nodes, rn), append(g.store, store)
	}
	return g
}

// receive gives a node message number i on the wire, and then spoils the memory that it
// was read into.
func (g *group) receive(t *testing.T, i int) {
	b := g.wire[i]
	g.wire = append(g.wire[:i:i], g.wire[i+1:]...)
	var m pb.Message
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	node := g.nodes[m.GetTo()-1]
	if g.in == nil {
		g.step(t, node, &m)
		return
	}
	in := &g.in[m.GetTo()-1]
	env, err := in.decode(marshal(&corepb.Envelope{From: m.GetFrom(), To: m.GetTo(), Body: &corepb.Envelope_Raft{Raft: &m}}))
	if err != nil {
		t.Fatal(err)
	}
	if isFrequent(m.GetType()) != (env.GetRaft() == &in.raft.Message) {
		t.Fatalf("a %v is read into memory of its own: %v", m.GetType(), env.GetRaft() != &in.raft.Message)
	}
	g.step(t, node, env.GetRaft())
	r := &in.raft
	r.kind, r.reject = pb.MsgHup, !r.reject
	for _, p := range []*uint64{&r.to, &r.term, &r.logTerm, &r.index, &r.commit, &r.rejectHint, &r.vote} {
		*p = 1 << 60
	}
}

func (g *group) step(t *testing.T, node *raft.RawNode, m *pb.Message) {
	if err := node.Step(m); err != nil && err != raft.ErrProposalDropped {
		t.Fatalf("%v: %v", m.GetType(), err)
	}
}

// ready takes what a node has ready. Answers wait for flush.
func (g *group) ready(t *testing.T, i int) {
	for g.nodes[i].HasReady() {
		for _, m := range g.nodes[i].Ready().Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				if m.Term != nil {
					if err := g.store[i].SetHardState(&pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}); err != nil {
						t.Fatal(err)
					}
				}
				if err := g.store[i].Append(m.GetEntries()); err != nil {
					t.Fatal(err)
				}
				g.held[i] = append(g.held[i], m.GetResponses()...)
			case raft.LocalApplyThread:
				for _, r := range m.GetResponses() {
					g.step(t, g.nodes[i], r)
				}
			default:
				g.send(m)
			}
		}
	}
}

func (g *group) send(m *pb.Message) {
	b := marshal(m)
	g.wire, g.said = append(g.wire, b), append(g.said, b)
}

// flush is the end of a node's write.
func (g *group) flush(t *testing.T, i int) {
	held := g.held[i]
	g.held[i] = nil
	for _, m := range held {
		if to := m.GetTo(); to == uint64(i+1) {
			g.step(t, g.nodes[i], m)
		} else {
			g.send(m)
		}
	}
}

// The library keeps nothing of a frequent message but what is made anew for each: nodes
// that read all of them into the same memory say the same, to the byte.
func TestLibraryKeepsNoFrequentMessage(t *testing.T) {
	own, shared := newGroup(t, false), newGroup(t, true)
	types := map[pb.MessageType]int{}
	rejected := 0
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 20000 {
		node, what, pick := r.IntN(3), r.IntN(100), r.Uint64()
		for _, g := range []*group{own, shared} {
			switch rn := g.nodes[node]; {
			case what < 2:
				if err := rn.Campaign(); err != nil {
					t.Fatal(err)
				}
			case what < 10 && rn.BasicStatus().RaftState == raft.StateLeader:
				rn.Tick() // the library draws no time for a leader
			case what < 10:
				rn.TickQuiesced()
			case what < 20 && rn.BasicStatus().RaftState == raft.StateLeader:
				if err := rn.Propose([]byte{byte(n)}); err != nil && err != raft.ErrProposalDropped {
					t.Fatal(err)
				}
			case what < 25 && len(g.wire) > 0:
				i := int(pick % uint64(len(g.wire)))
				g.wire = append(g.wire[:i:i], g.wire[i+1:]...)
			case what < 70 && len(g.wire) > 0:
				g.receive(t, int(pick%uint64(len(g.wire))))
			case what < 85:
				g.ready(t, node)
			default:
				g.flush(t, node)
			}
		}
		if len(own.said) != len(shared.said) {
			t.Fatalf("after %d: %d messages, %d", n, len(own.said), len(shared.said))
		}
		for i, b := range own.said {
			var x, y pb.Message
			if err := proto.Unmarshal(b, &x); err != nil {
				t.Fatal(err)
			}
			if err := proto.Unmarshal(shared.said[i], &y); err != nil || !proto.Equal(&x, &y) {
				t.Fatalf("after %d: %v, %v", n, &x, &y)
			}
			if types[x.GetType()]++; x.GetReject() {
				rejected++
			}
		}
		own.said, shared.said = own.said[:0], shared.said[:0]
	}
	for _, want := range []pb.MessageType{pb.MsgApp, pb.MsgAppResp, pb.MsgHeartbeat, pb.MsgHeartbeatResp} {
		if types[want] < 500 {
			t.Errorf("%d %v were sent", types[want], want)
		}
	}
	if types[pb.MsgVote] < 8 || rejected < 100 {
		t.Errorf("%d votes were asked for, %d messages reject", types[pb.MsgVote], rejected)
	}
}

// A contact that a peer took is not written over by the message after.
func TestPeerKeepsItsContact(t *testing.T) {
	c := &Core{self: 1, machine: machine{members: Members{List: []*corepb.Member{{RaftId: 1}, {RaftId: 2}, {RaftId: 3}}}}}
	round := func(contacts ...*corepb.Contact) []byte {
		return marshal(&corepb.Envelope{From: 2, To: 1, LeaseRound: &corepb.LeaseRound{Round: 1, Contacts: contacts},
			Body: &corepb.Envelope_Raft{Raft: &pb.Message{Type: pb.MsgHeartbeat.Enum()}}})
	}
	for i, x := range []struct {
		b    []byte
		want uint64
	}{
		{round(&corepb.Contact{RaftId: 3, Match: 7}, &corepb.Contact{RaftId: 9, Match: 8}), 7},
		{round(&corepb.Contact{RaftId: 9, Match: 9, Full: true}), 7},
		{round(&corepb.Contact{RaftId: 9, Match: 10}, &corepb.Contact{RaftId: 3, Match: 11}, &corepb.Contact{RaftId: 3, Match: 12}), 12},
		{round(), 12},
		{round(&corepb.Contact{RaftId: 9}, &corepb.Contact{RaftId: 9}, &corepb.Contact{RaftId: 9}), 12},
	} {
		env, err := c.received.decode(x.b)
		if err != nil {
			t.Fatal(err)
		}
		c.noteContacts(env)
		want := &corepb.Contact{RaftId: 3, Match: x.want}
		if got := c.peer(3).contact; !proto.Equal(got, want) {
			t.Errorf("after message %d the peer has %v, want %v", i+1, got, want)
		}
	}
	many := make([]*corepb.Contact, 10*maxKeptContacts)
	for i := range many {
		many[i] = &corepb.Contact{RaftId: 9}
	}
	for _, b := range [][]byte{round(many...), round()} {
		if _, err := c.received.decode(b); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.received.contacts); n > maxKeptContacts {
		t.Errorf("%d contacts are kept", n)
	}
}
