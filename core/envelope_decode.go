package core

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// decodeEnvelope is unmarshal of b into env, which it resets. env shares no
// memory with b.
func decodeEnvelope(b []byte, env *corepb.Envelope) error {
	env.Reset()
	if eachField(b, func(f field) bool { return f.envelope(env) }) && env.Body != nil {
		return nil
	}
	return unmarshal(b, env) // a rare body, or damaged: protobuf says which
}

// field is one field on the wire: v for a number, b for bytes.
type field struct {
	number protowire.Number
	typ    protowire.Type
	v      uint64
	b      []byte
}

// eachField calls f for all fields in b; false if f does not know one, or if b
// is damaged.
func eachField(b []byte, known func(field) bool) bool {
	for len(b) > 0 {
		var f field
		var n int
		if f.number, f.typ, n = protowire.ConsumeTag(b); n < 0 {
			return false
		}
		b = b[n:]
		switch f.typ {
		case protowire.VarintType:
			f.v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.b, n = protowire.ConsumeBytes(b)
		default:
			return false
		}
		if n < 0 || !known(f) {
			return false
		}
		b = b[n:]
	}
	return true
}

// uint and bytes take the field if it is of that type.
func (f field) uint(p *uint64) bool {
	*p = f.v
	return f.typ == protowire.VarintType
}

func (f field) bytes(p *[]byte) bool {
	*p = make([]byte, len(f.b))
	copy(*p, f.b)
	return f.typ == protowire.BytesType
}

// envelope takes a field of an envelope. Nothing is merged: what comes twice is
// left to protobuf.
func (f field) envelope(env *corepb.Envelope) bool {
	switch f.number {
	case 1:
		return f.uint(&env.From)
	case 2:
		return f.uint(&env.To)
	}
	if f.typ != protowire.BytesType {
		return false
	}
	switch {
	case f.number == 3 && env.Body == nil:
		m := new(raftMessage)
		env.Body = &m.body
		m.body.Raft = &m.Message
		return eachField(f.b, m.field)
	case f.number == 4 && env.Body == nil:
		cmd := &corepb.Command{}
		x := &corepb.Forward{}
		env.Body = &corepb.Envelope_Forward{Forward: x}
		return eachField(f.b, func(f field) bool {
			again := x.Command != nil
			x.Command = cmd
			return f.number == 1 && f.typ == protowire.BytesType && !again && eachField(f.b, func(f field) bool { return f.command(cmd) })
		})
	case f.number == 5 && env.Body == nil:
		r := &corepb.ForwardReply{}
		env.Body = &corepb.Envelope_ForwardReply{ForwardReply: r}
		return eachField(f.b, func(f field) bool { return f.forwardReply(r) })
	case f.number == 10 && env.LeaseRound == nil:
		r := &corepb.LeaseRound{}
		env.LeaseRound = r
		return eachField(f.b, func(f field) bool { return f.leaseRound(r) })
	case f.number == 11 && env.LeasePromise == nil:
		p := &corepb.LeasePromise{}
		env.LeasePromise = p
		return eachField(f.b, func(f field) bool { return f.two(&p.Round, &p.Millis) })
	case f.number == 12 && env.KnownCommit == nil:
		k := &corepb.KnownCommit{}
		env.KnownCommit = k
		return eachField(f.b, func(f field) bool { return f.two(&k.Index, &k.Term) })
	}
	return false
}

func (f field) two(first, second *uint64) bool {
	switch f.number {
	case 1:
		return f.uint(first)
	case 2:
		return f.uint(second)
	}
	return false
}

func (f field) command(c *corepb.Command) bool {
	switch f.number {
	case 1:
		return f.bytes(&c.RequestId)
	case 2:
		return f.uint(&c.Since)
	case 3:
		return f.bytes(&c.Data)
	}
	return false
}

func (f field) forwardReply(r *corepb.ForwardReply) bool {
	switch f.number {
	case 1:
		return f.bytes(&r.RequestId)
	case 2:
		r.Verdict = corepb.ForwardReply_Verdict(f.v)
		return f.typ == protowire.VarintType
	case 3:
		return f.uint(&r.Index)
	case 4:
		return f.uint(&r.Term)
	}
	return false
}

func (f field) leaseRound(r *corepb.LeaseRound) bool {
	switch {
	case f.number == 1:
		return f.uint(&r.Round)
	case f.number == 2 && f.typ == protowire.BytesType:
		k := &corepb.Contact{}
		r.Contacts = append(r.Contacts, k)
		return eachField(f.b, func(f field) bool {
			if f.number == 3 {
				return f.uint(&k.Match)
			}
			return f.two(&k.RaftId, &k.SilentMillis)
		})
	}
	return false
}

// raftMessage is a message with the numbers that its fields point to, so that it
// takes one piece of memory.
type raftMessage struct {
	pb.Message
	body    corepb.Envelope_Raft
	typ     pb.MessageType
	numbers [14]uint64 // by field number
	flag    bool
}

func (m *raftMessage) field(f field) bool {
	switch f.number {
	case 1:
		m.typ, m.Type = pb.MessageType(f.v), &m.typ
		return f.typ == protowire.VarintType
	case 2:
		return m.number(f, &m.To)
	case 3:
		return m.number(f, &m.From)
	case 4:
		return m.number(f, &m.Term)
	case 5:
		return m.number(f, &m.LogTerm)
	case 6:
		return m.number(f, &m.Index)
	case 7:
		e := new(raftEntry)
		m.Entries = append(m.Entries, &e.Entry)
		return f.typ == protowire.BytesType && eachField(f.b, e.field)
	case 8:
		return m.number(f, &m.Commit)
	case 10:
		m.flag, m.Reject = protowire.DecodeBool(f.v), &m.flag
		return f.typ == protowire.VarintType
	case 11:
		return m.number(f, &m.RejectHint)
	case 12:
		return f.bytes(&m.Context)
	case 13:
		return m.number(f, &m.Vote)
	}
	return false
}

func (m *raftMessage) number(f field, p **uint64) bool {
	*p = &m.numbers[f.number]
	return f.uint(*p)
}

type raftEntry struct {
	pb.Entry
	typ         pb.EntryType
	term, index uint64
}

func (e *raftEntry) field(f field) bool {
	switch f.number {
	case 1:
		e.typ, e.Type = pb.EntryType(f.v), &e.typ
		return f.typ == protowire.VarintType
	case 2:
		e.Term = &e.term
		return f.uint(e.Term)
	case 3:
		e.Index = &e.index
		return f.uint(e.Index)
	case 4:
		return f.bytes(&e.Data)
	}
	return false
}
