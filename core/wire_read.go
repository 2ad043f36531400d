package core

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// reader takes the fields of one message, in any order. It moves on by a number: a slice
// of what is left would be a pointer, which costs more to write while garbage is collected.
type reader struct {
	b   []byte
	at  int
	bad bool
}

// next takes a field: its bytes, or its number.
func (r *reader) next() (field protowire.Number, bytes []byte, number uint64, ok bool) {
	b := r.b[r.at:]
	if r.bad || len(b) == 0 {
		return 0, nil, 0, false
	}
	typ, n := protowire.Type(0), 1
	if tag := b[0]; tag < 0x80 && tag > 7 { // a tag of one byte, as nearly all are
		field, typ = protowire.Number(tag>>3), protowire.Type(tag&7)
		if typ == protowire.VarintType && len(b) > 1 && b[1] < 0x80 {
			r.at += 2
			return -field, nil, uint64(b[1]), true
		}
	} else if field, typ, n = protowire.ConsumeTag(b); n < 0 {
		r.bad = true
		return 0, nil, 0, false
	}
	size := -1
	switch typ {
	case protowire.VarintType:
		number, size = protowire.ConsumeVarint(b[n:])
		field = -field
	case protowire.BytesType:
		bytes, size = protowire.ConsumeBytes(b[n:])
	}
	if size < 0 {
		r.bad = true
		return 0, nil, 0, false
	}
	r.at += n + size
	return field, bytes, number, true
}

// The fields of a reader: numbers have a minus sign.

func (in *incoming) readEnvelope(b []byte) bool {
	env, r := &in.env, reader{b: b}
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
			if in.body.Raft = in.readRaft(v); in.body.Raft == nil {
				return false
			}
			env.Body = &in.body
		case field == 10 && env.LeaseRound == nil:
			if !in.readRound(v) {
				return false
			}
			env.LeaseRound = &in.round
		case field == 11 && env.LeasePromise == nil:
			if !in.readPromise(v) {
				return false
			}
			env.LeasePromise = &in.promise
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

	to, term, logTerm, index, commit, rejectHint, vote uint64
}

// raftEntry is an entry with the memory that its fields point to.
type raftEntry struct {
	pb.Entry
	kind        pb.EntryType
	term, index uint64
}

// readRaft returns nil if protobuf has to read b. The entries of a message lie side by
// side, and so does their data: they stay and go together.
func (in *incoming) readRaft(b []byte) *pb.Message {
	m := &in.raft
	if !frequent(b) {
		m = &raftMessage{}
	}
	*m = raftMessage{}
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
			m.From = new(n)
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
	if r.bad || entries > 0 && !m.readEntries(b, entries, bytes) || m == &in.raft && !isFrequent(m.kind) {
		return nil
	}
	return &m.Message
}

// makeEntries makes count entries, and an empty list for them in m: one alone, as most are
// where the load is low, in one piece.
func (m *raftMessage) makeEntries(count int) []raftEntry {
	if count == 1 {
		one := new(struct {
			entry [1]raftEntry
			list  [1]*pb.Entry
		})
		m.Entries = one.list[:0]
		return one.entry[:]
	}
	m.Entries = make([]*pb.Entry, 0, count)
	return make([]raftEntry, count)
}

// readEntries reads the count entries in b, which are so many bytes long together.
func (m *raftMessage) readEntries(b []byte, count, bytes int) bool {
	es, data := m.makeEntries(count), make([]byte, 0, bytes)
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

func (in *incoming) readRound(b []byte) bool {
	m, n := &in.round, 0
	m.Round, m.Contacts, m.Newest = 0, nil, 0
	if len(in.contacts) > maxKeptContacts {
		in.contacts = nil
	}
	r := reader{b: b}
	for {
		field, v, x, ok := r.next()
		if !ok {
			break
		}
		switch field {
		case -1:
			m.Round = x
		case 2:
			if in.contacts = someContact(in.contacts, n); !readContact(v, in.contacts[n]) {
				return false
			}
			n++
		case -6:
			m.Newest = uint32(x)
		default:
			return false
		}
	}
	if n > 0 {
		m.Contacts = in.contacts[:n:n]
	}
	return !r.bad
}

// readNumbers gives all fields to set, which says whether it knows them.
func readNumbers(b []byte, set func(field protowire.Number, n uint64) bool) bool {
	r := reader{b: b}
	for {
		field, _, n, ok := r.next()
		if !ok {
			return !r.bad
		}
		if !set(field, n) {
			return false
		}
	}
}

func readContact(b []byte, m *corepb.Contact) bool {
	return readNumbers(b, func(field protowire.Number, n uint64) bool {
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
			return false
		}
		return true
	})
}

func (in *incoming) readPromise(b []byte) bool {
	m := &in.promise
	m.Round, m.Millis, m.Alarm, m.Newest = 0, 0, 0, 0
	return readNumbers(b, func(field protowire.Number, n uint64) bool {
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
			return false
		}
		return true
	})
}
