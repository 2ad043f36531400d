package core

import (
	"bytes"
	"encoding/binary"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/retain"
)

// Redaction puts other bytes of the same length in the place of users' data, in
// what is recorded. The core looks at the length of users' data and at nothing
// else of it, so a core that is fed with redacted inputs gives, to the byte, the
// redacted outputs.
type Redaction struct {
	// Over is how many bytes of data stay as they are.
	Over int
	// Stand changes data of more than Over bytes, in place. Equal data must become
	// equal, as one entry comes by several times.
	Stand func(data []byte)

	copies []byte // their memory
	unused int    // so many times in a row
}

const (
	// maxCopyBytes is how much memory is kept for copies.
	maxCopyBytes = 4 << 20
	// maxUnused is how many outputs need none of it until it goes.
	maxUnused = 500
)

// Cut leaves the beginning of data, a sum over all of it, and zeros from n bytes
// on. Data of at most n bytes, and what was cut to n bytes before, it leaves as it
// is.
func Cut(data []byte, n int) {
	if len(data) <= n || allZero(data[n:]) {
		return
	}
	binary.LittleEndian.PutUint32(data[n-4:], crc(data))
	clear(data[n:])
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	return bytes.Count(b, []byte{0}) == len(b)
}

// Input redacts, in place, an input that EncodeInput wrote. It returns whether
// there was anything to redact.
func (r *Redaction) Input(encoded []byte) (found bool) {
	for kind, body := range fields(encoded) {
		for field, v := range fields(body) {
			switch {
			case kind == 27 && field == 1: // Batch
				found = r.Input(v) || found
			case kind == 2 && field == 2: // Receive
				found = r.envelope(v) || found
			case kind == 3 && field == 3: // Propose
				found = r.data(v) || found
			case kind == 24 && field == 3 && len(v) > r.Over: // HistoryRead
				found = r.entry(v) || found
			}
		}
	}
	return found
}

// again makes use of the copies' memory once more.
func (r *Redaction) again() {
	if r.unused++; len(r.copies) > 0 {
		r.unused = 0
	}
	if r.copies = r.copies[:0]; cap(r.copies) > maxCopyBytes || r.unused >= maxUnused {
		r.copies = nil
	}
}

// Output returns out, redacted. What changes is a copy, good until the next call of
// Output or Entries.
func (r *Redaction) Output(out Output) Output {
	r.again()
	copied := false
	for i, p := range out.Persist {
		entries, history := r.entries(p.Entries), r.entries(p.History)
		if same(entries, p.Entries) && same(history, p.History) {
			continue
		}
		if !copied {
			out.Persist, copied = slices.Clone(out.Persist), true
		}
		out.Persist[i].Entries, out.Persist[i].History = entries, history
	}
	copied = false
	for i, s := range out.Send {
		if !r.in((*Redaction).envelope, s.Data) {
			continue
		}
		if !copied {
			out.Send, copied = slices.Clone(out.Send), true
		}
		out.Send[i].Data = r.copyOf((*Redaction).envelope, s.Data)
	}
	copied = false
	for i, a := range out.Apply {
		if !r.in((*Redaction).data, a.Data) {
			continue
		}
		if !copied {
			out.Apply, copied = slices.Clone(out.Apply), true
		}
		out.Apply[i].Data = r.copyOf((*Redaction).data, a.Data)
	}
	if out.Retain != nil {
		out.Retain = r.retained(out.Retain)
	}
	return out
}

// retained is out, redacted: a copy if anything changes.
func (r *Redaction) retained(out *retain.Output) *retain.Output {
	c := *out
	c.Fetched, c.StatePart = slices.Clone(c.Fetched), slices.Clone(c.StatePart)
	for i := range c.Fetched {
		es := slices.Clone(c.Fetched[i].Entries)
		for k := range es {
			es[k].Data = r.copyOf((*Redaction).data, es[k].Data)
		}
		c.Fetched[i].Entries = es
	}
	for i := range c.StatePart {
		c.StatePart[i].Data = r.copyOf((*Redaction).data, c.StatePart[i].Data)
	}
	return &c
}

// same says whether a is b, and no copy of it.
func same(a, b []Entry) bool { return len(a) == 0 || &a[0] == &b[0] }

// Entries returns es, redacted. What changes is a copy, good until the next call of
// Output or Entries.
func (r *Redaction) Entries(es []Entry) []Entry {
	r.again()
	return r.entries(es)
}

func (r *Redaction) entries(es []Entry) []Entry {
	copied := false
	for i, e := range es {
		if e.Kind != EntryNormal || !r.in((*Redaction).command, e.Data) {
			continue
		}
		if !copied {
			es, copied = slices.Clone(es), true
		}
		es[i].Data = r.copyOf((*Redaction).command, e.Data)
	}
	return es
}

// in says whether b, which walk knows, holds anything to redact.
func (r *Redaction) in(walk func(*Redaction, []byte) bool, b []byte) bool {
	return len(b) > r.Over && walk(&Redaction{Over: r.Over}, b)
}

func (r *Redaction) copyOf(walk func(*Redaction, []byte) bool, b []byte) []byte {
	n := len(r.copies)
	r.copies = append(r.copies, b...) // what was copied before may lie where it did
	b = r.copies[n:len(r.copies):len(r.copies)]
	walk(r, b)
	return b
}

// What follows redacts protobuf messages as they are written, in place. Without
// Stand it only looks. Bytes that cannot be read are none of pgraft's.

func (r *Redaction) data(b []byte) bool {
	if len(b) <= r.Over {
		return false
	}
	if r.Stand != nil {
		r.Stand(b)
	}
	return true
}

// command is a corepb.Command, or the data of a normal entry.
func (r *Redaction) command(b []byte) (found bool) {
	for field, v := range fields(b) {
		if field == 3 {
			found = r.data(v) || found
		}
	}
	return found
}

// entry is a raftpb.Entry, or a corepb.LogEntry.
func (r *Redaction) entry(b []byte) (found bool) {
	for field, v := range fields(b) {
		if kind, _ := protowire.ConsumeVarint(v); field == 1 && kind != uint64(EntryNormal) {
			return false
		}
	}
	for field, v := range fields(b) {
		if field == 4 && len(v) > r.Over {
			found = r.command(v) || found
		}
	}
	return found
}

// message is a raftpb.Message.
func (r *Redaction) message(b []byte) (found bool) {
	for field, v := range fields(b) {
		switch {
		case len(v) <= r.Over:
		case field == 7: // entries
			found = r.entry(v) || found
		case field == 14: // responses
			found = r.message(v) || found
		}
	}
	return found
}

// envelope is a corepb.Envelope.
func (r *Redaction) envelope(b []byte) (found bool) {
	for field, v := range fields(b) {
		switch {
		case len(v) <= r.Over:
		case field == 3: // raft
			found = r.message(v) || found
		case field == 4: // forward
			for field, v := range fields(v) {
				if field == 1 || field == 2 {
					found = r.command(v) || found
				}
			}
		case field == 14: // history
			found = r.history(v) || found
		case field == 17: // table_state
			for field, v := range fields(v) {
				if field == 4 {
					found = r.data(v) || found
				}
			}
		}
	}
	return found
}

// history is a corepb.History.
func (r *Redaction) history(b []byte) (found bool) {
	for field, v := range fields(b) {
		switch {
		case len(v) <= r.Over:
		case field == 2: // entries
			for field, v := range fields(v) {
				if field == 4 {
					found = r.data(v) || found
				}
			}
		case field == 10: // stored
			found = r.entry(v) || found
		}
	}
	return found
}

// written redacts m, which b is.
func (r *Redaction) written(m proto.Message, b []byte) {
	switch m.(type) {
	case *corepb.Command:
		r.command(b)
	case *pb.Entry:
		r.entry(b)
	case *pb.Message:
		r.message(b)
	}
}

// fields walks the fields of a protobuf message up to one that cannot be read.
func fields(b []byte) func(yield func(protowire.Number, []byte) bool) {
	return func(yield func(protowire.Number, []byte) bool) {
		for len(b) > 0 {
			num, typ, n := protowire.ConsumeTag(b)
			if n < 0 {
				return
			}
			b = b[n:]
			v := b
			if typ == protowire.BytesType {
				v, n = protowire.ConsumeBytes(b)
			} else if n = protowire.ConsumeFieldValue(num, typ, b); n >= 0 {
				v = b[:n]
			}
			if n < 0 || !yield(num, v) {
				return
			}
			b = b[n:]
		}
	}
}
