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

// encodeEnvelope is marshal of env; round is encodeRound of what is in it.
func encodeEnvelope(env *corepb.Envelope, round []byte) []byte {
	n, ok := bodySize(env)
	if !ok || env.GetKnownCommit() != nil {
		return marshal(env)
	}
	// The body is last, as protobuf has it.
	promise := env.GetLeasePromise()
	size := numberSize(env.GetFrom()) + numberSize(env.GetTo()) + frame(n)
	if env.LeaseRound != nil {
		size += frame(len(round))
	}
	if promise != nil {
		size += frame(promiseSize(promise))
	}
	if env.GetFull() {
		size += 3
	}
	b := make(inputBytes, 0, size)
	b.number(1, env.GetFrom())
	b.number(2, env.GetTo())
	if env.LeaseRound != nil {
		b.head(10, len(round))
		b = append(b, round...)
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

// set appends a number that is there, be it zero.
func (b *inputBytes) set(field protowire.Number, p *uint64) {
	if p != nil {
		b.always(field, *p)
	}
}

// setBytes appends bytes that are there, be they none.
func (b *inputBytes) setBytes(field protowire.Number, v []byte) {
	if v != nil {
		b.head(field, len(v))
		*b = append(*b, v...)
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
		b.always(1, uint64(*m.Type))
	}
	b.set(2, m.To)
	b.set(3, m.From)
	b.set(4, m.Term)
	b.set(5, m.LogTerm)
	b.set(6, m.Index)
	for _, e := range m.Entries {
		b.head(7, entrySize(e))
		if e.Type != nil {
			b.always(1, uint64(*e.Type))
		}
		b.set(2, e.Term)
		b.set(3, e.Index)
		b.setBytes(4, e.Data)
	}
	b.set(8, m.Commit)
	if m.Reject != nil {
		b.always(10, protowire.EncodeBool(*m.Reject))
	}
	b.set(11, m.RejectHint)
	b.setBytes(12, m.Context)
	b.set(13, m.Vote)
}

// entrySize is proto.Size of e.
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
	return bytesSize(cmd.GetRequestId()) + numberSize(cmd.GetSince()) + bytesSize(cmd.GetData()) + numberSize(uint64(cmd.GetClusterVersion())) +
		bytesSize(cmd.GetFailover())
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
	b.bytes(5, cmd.GetFailover())
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

// encodeRound appends r to b.
func encodeRound(b inputBytes, r *corepb.LeaseRound) []byte {
	b.number(1, r.GetRound())
	for _, k := range r.GetContacts() {
		b.head(2, contactSize(k))
		b.number(1, k.GetRaftId())
		b.number(2, k.GetSilentMillis())
		b.number(3, k.GetMatch())
		b.number(4, uint64(k.GetAlarm()))
		b.number(6, protowire.EncodeBool(k.GetFull()))
		b.number(7, uint64(k.GetNewest()))
	}
	b.number(6, uint64(r.GetNewest()))
	return b
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
