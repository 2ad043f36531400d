package core

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// received is the message that came in last. Its memory serves the next one too,
// but for what a core keeps of it: what lies in these fields, and not beyond
// pointers or slices, is gone then.
type received struct {
	corepb.Envelope
	raft    corepb.Envelope_Raft
	message pb.Message
	round   corepb.LeaseRound
	promise corepb.LeasePromise
	commit  corepb.KnownCommit
}

// decode is unmarshal of b. The envelope shares no memory with b.
func (r *received) decode(b []byte) error {
	r.Reset()
	if eachField(b, r.field) && r.Body != nil {
		return nil
	}
	return unmarshal(b, &r.Envelope) // a rare body, or damaged: protobuf says which
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

// field takes a field of an envelope. Nothing is merged: what comes twice is left
// to protobuf.
func (r *received) field(f field) bool {
	switch f.number {
	case 1:
		return f.uint(&r.From)
	case 2:
		return f.uint(&r.To)
	}
	if f.typ != protowire.BytesType {
		return false
	}
	switch {
	case f.number == 3 && r.Body == nil:
		r.message.Reset()
		r.raft.Raft, r.Body = &r.message, &r.raft
		m := raftMessage{&r.message, new(raftNumbers)}
		return eachField(f.b, m.field)
	case f.number == 4 && r.Body == nil:
		x := &corepb.Forward{}
		r.Body = &corepb.Envelope_Forward{Forward: x}
		return eachField(f.b, func(f field) bool {
			if f.number != 1 || f.typ != protowire.BytesType || x.Command != nil {
				return false
			}
			x.Command = &corepb.Command{}
			return eachField(f.b, func(f field) bool { return f.command(x.Command) })
		})
	case f.number == 5 && r.Body == nil:
		x := &corepb.ForwardReply{}
		r.Body = &corepb.Envelope_ForwardReply{ForwardReply: x}
		return eachField(f.b, func(f field) bool { return f.forwardReply(x) })
	case f.number == 10 && r.LeaseRound == nil:
		before := r.round.Contacts[:0]
		r.round.Reset()
		r.round.Contacts, r.LeaseRound = before, &r.round
		return eachField(f.b, func(f field) bool { return f.leaseRound(&r.round) })
	case f.number == 11 && r.LeasePromise == nil:
		r.promise.Reset()
		r.LeasePromise = &r.promise
		return eachField(f.b, func(f field) bool { return f.two(&r.promise.Round, &r.promise.Millis) })
	case f.number == 12 && r.KnownCommit == nil:
		r.commit.Reset()
		r.KnownCommit = &r.commit
		return eachField(f.b, func(f field) bool { return f.two(&r.commit.Index, &r.commit.Term) })
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
		var k *corepb.Contact
		r.Contacts, k = another(r.Contacts)
		k.Reset()
		return eachField(f.b, func(f field) bool {
			if f.number == 3 {
				return f.uint(&k.Match)
			}
			return f.two(&k.RaftId, &k.SilentMillis)
		})
	}
	return false
}

// raftMessage fills a message. What its fields point to lies together, in one
// piece of memory of its own: the library takes over pointers.
type raftMessage struct {
	*pb.Message
	*raftNumbers
}

type raftNumbers struct {
	to, from, term, logTerm, index, commit, rejectHint, vote uint64
	typ                                                      pb.MessageType
	reject                                                   bool
}

func (m raftMessage) field(f field) bool {
	switch f.number {
	case 1:
		m.typ, m.Type = pb.MessageType(f.v), &m.typ
		return f.typ == protowire.VarintType
	case 2:
		m.To = &m.to
		return f.uint(m.To)
	case 3:
		m.From = &m.from
		return f.uint(m.From)
	case 4:
		m.Term = &m.term
		return f.uint(m.Term)
	case 5:
		m.LogTerm = &m.logTerm
		return f.uint(m.LogTerm)
	case 6:
		m.Index = &m.index
		return f.uint(m.Index)
	case 7:
		e := new(raftEntry)
		m.Entries = append(m.Entries, &e.Entry)
		return f.typ == protowire.BytesType && eachField(f.b, e.field)
	case 8:
		m.Commit = &m.commit
		return f.uint(m.Commit)
	case 10:
		m.reject, m.Reject = protowire.DecodeBool(f.v), &m.reject
		return f.typ == protowire.VarintType
	case 11:
		m.RejectHint = &m.rejectHint
		return f.uint(m.RejectHint)
	case 12:
		return f.bytes(&m.Context)
	case 13:
		m.Vote = &m.vote
		return f.uint(m.Vote)
	}
	return false
}

// raftEntry is an entry with the numbers that its fields point to.
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
