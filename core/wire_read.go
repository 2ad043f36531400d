package core

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// decodeEnvelope is unmarshal of b into env; body is what a message of the library's is
// put into. Whatever is not known here, protobuf reads.
func decodeEnvelope(b []byte, env *corepb.Envelope, body *corepb.Envelope_Raft) error {
	env.Reset()
	if readEnvelope(b, env, body) {
		return nil
	}
	return unmarshal(b, env) // resets it
}

// reader takes the fields of one message, in any order.
type reader struct {
	b   []byte
	bad bool
}

// next takes a field: its bytes, or its number.
func (r *reader) next() (field protowire.Number, bytes []byte, number uint64, ok bool) {
	if r.bad || len(r.b) == 0 {
		return 0, nil, 0, false
	}
	// A tag of one byte and a number of one, as nearly all are.
	if b := r.b; len(b) > 1 && b[0] < 0x80 && b[0] > 7 && b[0]&7 == byte(protowire.VarintType) && b[1] < 0x80 {
		r.b = b[2:]
		return -protowire.Number(b[0] >> 3), nil, uint64(b[1]), true
	}
	field, typ, n := protowire.ConsumeTag(r.b)
	if n < 0 {
		r.bad = true
		return 0, nil, 0, false
	}
	r.b = r.b[n:]
	switch typ {
	case protowire.VarintType:
		number, n = protowire.ConsumeVarint(r.b)
		field = -field
	case protowire.BytesType:
		bytes, n = protowire.ConsumeBytes(r.b)
	default:
		n = -1
	}
	if n < 0 {
		r.bad = true
		return 0, nil, 0, false
	}
	r.b = r.b[n:]
	return field, bytes, number, true
}

// The fields of a reader: numbers have a minus sign.

func readEnvelope(b []byte, env *corepb.Envelope, body *corepb.Envelope_Raft) bool {
	r := reader{b: b}
	for {
		field, v, n, ok := r.next()
		if !ok {
			return !r.bad && env.Body != nil
		}
		switch {
		case field == -1:
			env.From = n
		case field == -2:
			env.To = n
		case field == 3 && env.Body == nil:
			if body.Raft = readRaft(v); body.Raft == nil {
				return false
			}
			env.Body = body
		case field == 10 && env.LeaseRound == nil:
			if env.LeaseRound = readRound(v); env.LeaseRound == nil {
				return false
			}
		case field == 11 && env.LeasePromise == nil:
			if env.LeasePromise = readPromise(v); env.LeasePromise == nil {
				return false
			}
		case field == -21:
			env.Full = protowire.DecodeBool(n)
		default:
			return false
		}
	}
}

// raftMessage is a message with the memory that its fields point to.
type raftMessage struct {
	pb.Message
	kind   pb.MessageType
	reject bool

	to, from, term, logTerm, index, commit, rejectHint, vote uint64
}

// raftEntry is an entry with the memory that its fields point to.
type raftEntry struct {
	pb.Entry
	kind        pb.EntryType
	term, index uint64
}

// readRaft returns nil if protobuf has to read b. The entries of a message lie side by
// side, and so does their data: they stay and go together.
func readRaft(b []byte) *pb.Message {
	m := &raftMessage{}
	entries, bytes := 0, 0
	r := reader{b: b}
	for {
		field, v, n, ok := r.next()
		if !ok {
			break
		}
		switch field {
		case -1:
			m.kind, m.Type = pb.MessageType(n), &m.kind
		case -2:
			m.to, m.To = n, &m.to
		case -3:
			m.from, m.From = n, &m.from
		case -4:
			m.term, m.Term = n, &m.term
		case -5:
			m.logTerm, m.LogTerm = n, &m.logTerm
		case -6:
			m.index, m.Index = n, &m.index
		case -8:
			m.commit, m.Commit = n, &m.commit
		case -11:
			m.rejectHint, m.RejectHint = n, &m.rejectHint
		case -13:
			m.vote, m.Vote = n, &m.vote
		case 7:
			entries, bytes = entries+1, bytes+len(v)
		case -10:
			m.reject, m.Reject = protowire.DecodeBool(n), &m.reject
		case 12:
			m.Context = append([]byte{}, v...)
		default:
			return nil
		}
	}
	if r.bad || entries > 0 && !m.readEntries(b, entries, bytes) {
		return nil
	}
	return &m.Message
}

// readEntries reads the count entries in b, which are so many bytes long together.
func (m *raftMessage) readEntries(b []byte, count, bytes int) bool {
	es, data := make([]raftEntry, count), make([]byte, 0, bytes)
	m.Entries = make([]*pb.Entry, 0, count)
	for r := (reader{b: b}); ; {
		field, v, _, ok := r.next()
		if !ok {
			return true
		}
		if field != 7 {
			continue
		}
		e := &es[len(m.Entries)]
		x := reader{b: v}
		for {
			field, v, n, ok := x.next()
			if !ok {
				break
			}
			switch field {
			case -1:
				e.kind, e.Type = pb.EntryType(n), &e.kind
			case -2:
				e.term, e.Term = n, &e.term
			case -3:
				e.index, e.Index = n, &e.index
			case 4:
				at := len(data)
				data = append(data, v...)
				e.Data = data[at:len(data):len(data)]
			default:
				return false
			}
		}
		if x.bad {
			return false
		}
		m.Entries = append(m.Entries, &e.Entry)
	}
}

func readRound(b []byte) *corepb.LeaseRound {
	m := &corepb.LeaseRound{}
	r := reader{b: b}
	for {
		field, v, n, ok := r.next()
		if !ok {
			break
		}
		switch field {
		case -1:
			m.Round = n
		case 2:
			k := readContact(v)
			if k == nil {
				return nil
			}
			m.Contacts = append(m.Contacts, k)
		case -6:
			m.Newest = uint32(n)
		default:
			return nil
		}
	}
	if r.bad {
		return nil
	}
	return m
}

func readContact(b []byte) *corepb.Contact {
	m := &corepb.Contact{}
	r := reader{b: b}
	for {
		field, _, n, ok := r.next()
		if !ok {
			break
		}
		switch field {
		case -1:
			m.RaftId = n
		case -2:
			m.SilentMillis = n
		case -3:
			m.Match = n
		case -4:
			m.Alarm = corepb.Alarm(n)
		case -6:
			m.Full = protowire.DecodeBool(n)
		case -7:
			m.Newest = uint32(n)
		default:
			return nil
		}
	}
	if r.bad {
		return nil
	}
	return m
}

func readPromise(b []byte) *corepb.LeasePromise {
	m := &corepb.LeasePromise{}
	r := reader{b: b}
	for {
		field, _, n, ok := r.next()
		if !ok {
			break
		}
		switch field {
		case -1:
			m.Round = n
		case -2:
			m.Millis = n
		case -3:
			m.Alarm = corepb.Alarm(n)
		case -6:
			m.Newest = uint32(n)
		default:
			return nil
		}
	}
	if r.bad {
		return nil
	}
	return m
}
