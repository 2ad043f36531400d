package core

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// Messages between members are most of what a core does, so the frequent ones
// are written and read by hand, without reflection: protobuf's own bytes, which
// a test compares. All others go the general way.

// encodeEnvelope is marshal of env.
func encodeEnvelope(env *corepb.Envelope) []byte {
	body, number := 0, protowire.Number(0)
	switch x := env.Body.(type) {
	case *corepb.Envelope_Raft:
		if x.Raft.Snapshot != nil || x.Raft.Responses != nil {
			return marshal(env)
		}
		body, number = sizeRaft(x.Raft), 3
	case *corepb.Envelope_Forward:
		body, number = sizeNested(sizeCommand(x.Forward.GetCommand())), 4
	case *corepb.Envelope_ForwardReply:
		body, number = sizeForwardReply(x.ForwardReply), 5
	default:
		return marshal(env)
	}
	size := sizeUint(env.From) + sizeUint(env.To) + sizeNested(body)
	round, promise, commit := 0, 0, 0
	if r := env.LeaseRound; r != nil {
		round = sizeUint(r.Round)
		for _, k := range r.Contacts {
			round += sizeNested(sizeContact(k))
		}
		size += sizeNested(round)
	}
	if p := env.LeasePromise; p != nil {
		promise = sizeUint(p.Round) + sizeUint(p.Millis)
		size += sizeNested(promise)
	}
	if k := env.KnownCommit; k != nil {
		commit = sizeUint(k.Index) + sizeUint(k.Term)
		size += sizeNested(commit)
	}
	b := make([]byte, 0, size)
	b = putUint(putUint(b, 1, env.From), 2, env.To)
	if r := env.LeaseRound; r != nil {
		b = putUint(putNested(b, 10, round), 1, r.Round)
		for _, k := range r.Contacts {
			b = putUint(putNested(b, 2, sizeContact(k)), 1, k.RaftId)
			b = putUint(putUint(b, 2, k.SilentMillis), 3, k.Match)
		}
	}
	if p := env.LeasePromise; p != nil {
		b = putUint(putUint(putNested(b, 11, promise), 1, p.Round), 2, p.Millis)
	}
	if k := env.KnownCommit; k != nil {
		b = putUint(putUint(putNested(b, 12, commit), 1, k.Index), 2, k.Term)
	}
	b = putNested(b, number, body) // last, as protobuf puts it
	switch x := env.Body.(type) {
	case *corepb.Envelope_Raft:
		b = putRaft(b, x.Raft)
	case *corepb.Envelope_Forward:
		b = putCommand(putNested(b, 1, sizeCommand(x.Forward.GetCommand())), x.Forward.GetCommand())
	case *corepb.Envelope_ForwardReply:
		r := x.ForwardReply
		b = putUint(putBytes(b, 1, r.RequestId), 2, uint64(r.Verdict))
		b = putUint(putUint(b, 3, r.Index), 4, r.Term)
	}
	return b
}

// encodeCommand is marshal of cmd.
func encodeCommand(cmd *corepb.Command) []byte {
	return putCommand(make([]byte, 0, sizeCommand(cmd)), cmd)
}

func sizeCommand(c *corepb.Command) int {
	return sizeBytes(c.RequestId) + sizeUint(c.Since) + sizeBytes(c.Data)
}

func putCommand(b []byte, c *corepb.Command) []byte {
	return putBytes(putUint(putBytes(b, 1, c.RequestId), 2, c.Since), 3, c.Data)
}

func sizeForwardReply(r *corepb.ForwardReply) int {
	return sizeBytes(r.RequestId) + sizeUint(uint64(r.Verdict)) + sizeUint(r.Index) + sizeUint(r.Term)
}

func sizeContact(k *corepb.Contact) int {
	return sizeUint(k.RaftId) + sizeUint(k.SilentMillis) + sizeUint(k.Match)
}

func sizeRaft(m *pb.Message) int {
	n := sizeOptional(m.Type) + sizeOptional(m.To) + sizeOptional(m.From) + sizeOptional(m.Term) + sizeOptional(m.LogTerm) +
		sizeOptional(m.Index) + sizeOptional(m.Commit) + sizeOptional(m.RejectHint) + sizeOptional(m.Vote)
	if m.Reject != nil {
		n += 2
	}
	if m.Context != nil {
		n += 1 + protowire.SizeBytes(len(m.Context))
	}
	for _, e := range m.Entries {
		n += sizeNested(sizeEntry(e))
	}
	return n
}

func putRaft(b []byte, m *pb.Message) []byte {
	b = putOptional(putOptional(putOptional(b, 1, m.Type), 2, m.To), 3, m.From)
	b = putOptional(putOptional(putOptional(b, 4, m.Term), 5, m.LogTerm), 6, m.Index)
	for _, e := range m.Entries {
		b = putNested(b, 7, sizeEntry(e))
		b = putOptional(putOptional(putOptional(b, 1, e.Type), 2, e.Term), 3, e.Index)
		if e.Data != nil {
			b = protowire.AppendBytes(protowire.AppendTag(b, 4, protowire.BytesType), e.Data)
		}
	}
	b = putOptional(b, 8, m.Commit)
	if m.Reject != nil {
		b = protowire.AppendVarint(protowire.AppendTag(b, 10, protowire.VarintType), protowire.EncodeBool(*m.Reject))
	}
	b = putOptional(b, 11, m.RejectHint)
	if m.Context != nil {
		b = protowire.AppendBytes(protowire.AppendTag(b, 12, protowire.BytesType), m.Context)
	}
	return putOptional(b, 13, m.Vote)
}

func sizeEntry(e *pb.Entry) int {
	n := sizeOptional(e.Type) + sizeOptional(e.Term) + sizeOptional(e.Index)
	if e.Data != nil {
		n += 1 + protowire.SizeBytes(len(e.Data))
	}
	return n
}

// All field numbers here are below 16, so a tag is one byte.

// sizeUint and putUint leave out a 0, and sizeBytes and putBytes what is empty.
func sizeUint(v uint64) int {
	if v == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(v)
}

func putUint(b []byte, number protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), v)
}

func sizeBytes(v []byte) int {
	if len(v) == 0 {
		return 0
	}
	return 1 + protowire.SizeBytes(len(v))
}

func putBytes(b []byte, number protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), v)
}

// sizeOptional and putOptional leave out what is not set.
func sizeOptional[T ~uint64 | ~int32](p *T) int {
	if p == nil {
		return 0
	}
	return 1 + protowire.SizeVarint(uint64(*p))
}

func putOptional[T ~uint64 | ~int32](b []byte, number protowire.Number, p *T) []byte {
	if p == nil {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(*p))
}

// sizeNested is that of a message of size bytes, putNested what comes before it.
func sizeNested(size int) int { return 1 + protowire.SizeBytes(size) }

func putNested(b []byte, number protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.BytesType), uint64(size))
}
