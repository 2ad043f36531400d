package core

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// Messages between cores as bytes, and back, for those that a loaded cluster is made of:
// the library's without a snapshot, with what the core says beside them, and forwarded
// commands. The bytes are protobuf's own; going through its tables costs more than all
// else that a core does with a message. Everything else goes that way (encode.go).

// encodeEnvelope is marshal of env.
func encodeEnvelope(env *corepb.Envelope) []byte {
	n, ok := bodySize(env)
	if !ok || env.GetKnownCommit() != nil {
		return marshal(env)
	}
	// The body is last, as protobuf has it.
	round, promise := env.GetLeaseRound(), env.GetLeasePromise()
	b := make(inputBytes, 0, 4+2*protowire.SizeVarint(^uint64(0))+frame(n)+2+frame(roundSize(round))+frame(promiseSize(promise)))
	b.number(1, env.GetFrom())
	b.number(2, env.GetTo())
	if round != nil {
		b.head(10, roundSize(round))
		b.number(1, round.GetRound())
		for _, k := range round.GetContacts() {
			b.head(2, contactSize(k))
			b.number(1, k.GetRaftId())
			b.number(2, k.GetSilentMillis())
			b.number(3, k.GetMatch())
			b.number(4, uint64(k.GetAlarm()))
			b.number(6, protowire.EncodeBool(k.GetFull()))
			b.number(7, uint64(k.GetNewest()))
		}
		b.number(6, uint64(round.GetNewest()))
	}
	if promise != nil {
		b.head(11, promiseSize(promise))
		b.number(1, promise.GetRound())
		b.number(2, promise.GetMillis())
		b.number(3, uint64(promise.GetAlarm()))
		b.number(6, uint64(promise.GetNewest()))
	}
	b.number(21, protowire.EncodeBool(env.GetFull()))
	switch x := env.GetBody().(type) {
	case *corepb.Envelope_Raft:
		b.head(3, n)
		b.raft(x.Raft)
	case *corepb.Envelope_Forward:
		b.head(4, n)
		b.command(1, x.Forward.GetCommand())
		for _, cmd := range x.Forward.GetMore() {
			b.command(2, cmd)
		}
	case *corepb.Envelope_ForwardReply:
		b.head(5, n)
		b.forwardReply(x.ForwardReply)
	}
	return b
}

// bodySize is the length of the body of env; false if protobuf encodes it.
func bodySize(env *corepb.Envelope) (n int, ok bool) {
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_Raft:
		if m := b.Raft; m.GetSnapshot() == nil && len(m.GetResponses()) == 0 {
			return raftSize(m), true
		}
	case *corepb.Envelope_Forward:
		for cmd := range commandsOf(b.Forward) {
			n += frame(commandSize(cmd))
		}
		return n, true
	case *corepb.Envelope_ForwardReply:
		return forwardReplySize(b.ForwardReply), true
	}
	return 0, false
}

// frame is what a message or bytes of length n take with a tag of one byte.
func frame(n int) int { return 1 + protowire.SizeVarint(uint64(n)) + n }

// numberSize is what a number takes with a tag of one byte, 0 if it is zero.
func numberSize(v uint64) int {
	if v == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(v)
}

// setSize is numberSize of a field that can be absent.
func setSize(p *uint64) int {
	if p == nil {
		return 0
	}
	return 1 + protowire.SizeVarint(*p)
}

func (b *inputBytes) head(field protowire.Number, n int) {
	*b = protowire.AppendVarint(protowire.AppendTag(*b, field, protowire.BytesType), uint64(n))
}

// set appends a number that is there, be it zero.
func (b *inputBytes) set(field protowire.Number, p *uint64) {
	if p != nil {
		*b = protowire.AppendVarint(protowire.AppendTag(*b, field, protowire.VarintType), *p)
	}
}

func raftSize(m *pb.Message) int {
	n := setSize(m.To) + setSize(m.From) + setSize(m.Term) + setSize(m.LogTerm) + setSize(m.Index) + setSize(m.Commit) + setSize(m.RejectHint) + setSize(m.Vote)
	if m.Type != nil {
		n += 1 + protowire.SizeVarint(uint64(*m.Type))
	}
	for _, e := range m.Entries {
		n += frame(entrySize(e))
	}
	if m.Reject != nil {
		n += 2
	}
	if m.Context != nil {
		n += frame(len(m.Context))
	}
	return n
}

func (b *inputBytes) raft(m *pb.Message) {
	if m.Type != nil {
		b.set(1, new(uint64(*m.Type)))
	}
	b.set(2, m.To)
	b.set(3, m.From)
	b.set(4, m.Term)
	b.set(5, m.LogTerm)
	b.set(6, m.Index)
	for _, e := range m.Entries {
		b.head(7, entrySize(e))
		if e.Type != nil {
			b.set(1, new(uint64(*e.Type)))
		}
		b.set(2, e.Term)
		b.set(3, e.Index)
		if e.Data != nil {
			*b = protowire.AppendBytes(protowire.AppendTag(*b, 4, protowire.BytesType), e.Data)
		}
	}
	b.set(8, m.Commit)
	if m.Reject != nil {
		b.set(10, new(protowire.EncodeBool(*m.Reject)))
	}
	b.set(11, m.RejectHint)
	if m.Context != nil {
		*b = protowire.AppendBytes(protowire.AppendTag(*b, 12, protowire.BytesType), m.Context)
	}
	b.set(13, m.Vote)
}

func entrySize(e *pb.Entry) int {
	n := setSize(e.Term) + setSize(e.Index)
	if e.Type != nil {
		n += 1 + protowire.SizeVarint(uint64(*e.Type))
	}
	if e.Data != nil {
		n += frame(len(e.Data))
	}
	return n
}

// encodeCommand is marshal of cmd.
func encodeCommand(cmd *corepb.Command) []byte {
	b := make(inputBytes, 0, commandSize(cmd))
	b.commandFields(cmd)
	return b
}

func bytesSize(v []byte) int {
	if len(v) == 0 {
		return 0
	}
	return frame(len(v))
}

func commandSize(cmd *corepb.Command) int {
	return bytesSize(cmd.GetRequestId()) + numberSize(cmd.GetSince()) + bytesSize(cmd.GetData()) + numberSize(uint64(cmd.GetClusterVersion()))
}

func (b *inputBytes) command(field protowire.Number, cmd *corepb.Command) {
	b.head(field, commandSize(cmd))
	b.commandFields(cmd)
}

func (b *inputBytes) commandFields(cmd *corepb.Command) {
	b.bytes(1, cmd.GetRequestId())
	b.number(2, cmd.GetSince())
	b.bytes(3, cmd.GetData())
	b.number(4, uint64(cmd.GetClusterVersion()))
}

func forwardReplySize(r *corepb.ForwardReply) int {
	n := bytesSize(r.GetRequestId()) + numberSize(uint64(r.GetVerdict())) + numberSize(r.GetIndex()) + numberSize(r.GetTerm())
	for _, r := range r.GetMore() {
		n += frame(forwardReplySize(r))
	}
	return n
}

func (b *inputBytes) forwardReply(r *corepb.ForwardReply) {
	b.bytes(1, r.GetRequestId())
	b.number(2, uint64(r.GetVerdict()))
	b.number(3, r.GetIndex())
	b.number(4, r.GetTerm())
	for _, r := range r.GetMore() {
		b.head(5, forwardReplySize(r))
		b.forwardReply(r)
	}
}

func roundSize(r *corepb.LeaseRound) int {
	if r == nil {
		return 0
	}
	n := numberSize(r.GetRound()) + numberSize(uint64(r.GetNewest()))
	for _, k := range r.GetContacts() {
		n += frame(contactSize(k))
	}
	return n
}

func contactSize(k *corepb.Contact) int {
	return numberSize(k.GetRaftId()) + numberSize(k.GetSilentMillis()) + numberSize(k.GetMatch()) + numberSize(uint64(k.GetAlarm())) +
		numberSize(protowire.EncodeBool(k.GetFull())) + numberSize(uint64(k.GetNewest()))
}

func promiseSize(p *corepb.LeasePromise) int {
	if p == nil {
		return 0
	}
	return numberSize(p.GetRound()) + numberSize(p.GetMillis()) + numberSize(uint64(p.GetAlarm())) + numberSize(uint64(p.GetNewest()))
}
