package core

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// envelopes draws messages with any of their fields, absent, zero and large.
type envelopes struct{ *rand.Rand }

func (r envelopes) number() uint64 {
	return []uint64{0, 1, r.Uint64N(300), r.Uint64()}[r.IntN(4)]
}

func (r envelopes) set() *uint64 {
	if r.IntN(3) == 0 {
		return nil
	}
	return new(r.number())
}

func (r envelopes) bytes() []byte {
	if r.IntN(4) == 0 {
		return nil
	}
	return bytes.Repeat([]byte{7}, r.IntN(300)*r.IntN(2))
}

func (r envelopes) raft() *pb.Message {
	m := &pb.Message{To: r.set(), From: r.set(), Term: r.set(), LogTerm: r.set(), Index: r.set(), Commit: r.set(), RejectHint: r.set(), Vote: r.set()}
	if r.IntN(5) > 0 {
		m.Type = pb.MessageType(r.IntN(25)).Enum()
	}
	if r.IntN(3) == 0 {
		m.Reject = new(r.IntN(2) == 0)
	}
	if r.IntN(3) == 0 {
		m.Context = r.bytes()
	}
	for range r.IntN(4) {
		e := &pb.Entry{Term: r.set(), Index: r.set(), Data: r.bytes()}
		if r.IntN(2) == 0 {
			e.Type = pb.EntryType(r.IntN(3)).Enum()
		}
		m.Entries = append(m.Entries, e)
	}
	switch r.IntN(20) {
	case 0:
		m.Snapshot = &pb.Snapshot{Data: r.bytes(), Metadata: &pb.SnapshotMetadata{Index: r.set(), ConfState: &pb.ConfState{Voters: []uint64{1, 2}}}}
	case 1:
		m.Responses = []*pb.Message{{To: r.set()}}
	}
	return m
}

func (r envelopes) command() *corepb.Command {
	return &corepb.Command{RequestId: r.bytes(), Since: r.number(), Data: r.bytes(), ClusterVersion: uint32(r.number()), Failover: r.bytes()}
}

func (r envelopes) forwardReply() *corepb.ForwardReply {
	return &corepb.ForwardReply{RequestId: r.bytes(), Verdict: corepb.ForwardReply_Verdict(r.IntN(4)), Index: r.number(), Term: r.number()}
}

func (r envelopes) draw() *corepb.Envelope {
	env := &corepb.Envelope{From: r.number(), To: r.number(), Full: r.IntN(2) == 0}
	switch r.IntN(9) {
	case 0:
		f := &corepb.Forward{Command: r.command()}
		for range r.IntN(3) {
			f.More = append(f.More, r.command())
		}
		env.Body = &corepb.Envelope_Forward{Forward: f}
	case 1:
		f := r.forwardReply()
		for range r.IntN(3) {
			f.More = append(f.More, r.forwardReply())
		}
		env.Body = &corepb.Envelope_ForwardReply{ForwardReply: f}
	case 2:
		env.Body = &corepb.Envelope_ReadRequest{ReadRequest: &corepb.ReadRequest{Life: r.number(), Round: r.number()}}
	default:
		env.Body = &corepb.Envelope_Raft{Raft: r.raft()}
	}
	if r.IntN(4) == 0 {
		env.LeaseRound = &corepb.LeaseRound{Round: r.number(), Newest: uint32(r.number())}
		for range r.IntN(3) {
			env.LeaseRound.Contacts = append(env.LeaseRound.Contacts, &corepb.Contact{RaftId: r.number(), SilentMillis: r.number(), Match: r.number(),
				Alarm: corepb.Alarm(r.IntN(6)), Full: r.IntN(2) == 0, Newest: uint32(r.number())})
		}
	}
	if r.IntN(4) == 0 {
		env.LeasePromise = &corepb.LeasePromise{Round: r.number(), Millis: r.number(), Alarm: corepb.Alarm(r.IntN(6)), Newest: uint32(r.number())}
	}
	if r.IntN(9) == 0 {
		env.KnownCommit = &corepb.KnownCommit{Index: r.number(), Term: r.number()}
	}
	return env
}

// What is encoded here are the bytes that protobuf writes, and what is read from any
// bytes, damaged ones too, is what protobuf reads.
func TestWireIsProtobuf(t *testing.T) {
	r := envelopes{rand.New(rand.NewPCG(1, 2))}
	var in incoming // one after the other, as in a core
	read, refused := 0, 0
	same := func(b []byte) {
		var theirs corepb.Envelope
		mine, err := in.decode(b)
		want := proto.Unmarshal(b, &theirs)
		if (err == nil) != (want == nil) || err == nil && !proto.Equal(mine, &theirs) {
			t.Fatalf("%x is read as\n%v, %v, by protobuf as\n%v, %v", b, mine, err, &theirs, want)
		}
		if read++; err != nil {
			refused++
		}
	}
	for range 5000 {
		env := r.draw()
		b, want := encodeEnvelope(env, encodeRound(nil, env.GetLeaseRound())), marshal(env)
		if !bytes.Equal(b, want) {
			t.Fatalf("%v is\n%x, protobuf writes\n%x", env, b, want)
		}
		if _, own := bodySize(env); own && env.KnownCommit == nil && cap(b) != len(b) {
			t.Fatalf("room for %d bytes was made for %d", cap(b), len(b))
		}
		same(b)
		for range 8 {
			x := slices.Clone(b)
			switch i := r.IntN(len(x) + 1); r.IntN(4) {
			case 0:
				x = x[:i]
			case 1:
				x = slices.Concat(x[:i], x[r.IntN(i+1):])
			case 2:
				x = slices.Insert(x, i, byte(r.Uint32()))
			default:
				if i < len(x) {
					x[i] ^= byte(1 << r.IntN(8))
				}
			}
			same(x)
		}
		if cmd := r.command(); !bytes.Equal(encodeCommand(cmd), marshal(cmd)) {
			t.Fatalf("%v is %x, protobuf writes %x", cmd, encodeCommand(cmd), marshal(cmd))
		}
	}
	if refused < 10000 || read-refused < 10000 {
		t.Errorf("%d of %d refused", refused, read)
	}
}
