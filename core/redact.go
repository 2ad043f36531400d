package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
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
	// Cut is to how many bytes data of more than Over is cut; 0: not at all.
	Cut int
	// Stand, if it is set, changes data of more than Over bytes, or what Cut has left of
	// it, in place. Equal data must become equal, as one entry comes by several times.
	Stand func(data []byte)

	copies []byte            // their memory, all zeros but for written
	writes [][]byte          // what of copies is not
	meet   func(data []byte) // is called in place of a change
	unused int               // so many times in a row
}

const (
	// maxCopyBytes is how much memory is kept for copies.
	maxCopyBytes = 8 << 20
	// maxUnused is how many outputs need none of it until it goes.
	maxUnused = 500
)

// Cut leaves the beginning of data, a sum over all of it, and zeros from n bytes
// on. Data of at most n bytes, and what was cut to n bytes before, it leaves as it
// is.
func Cut(data []byte, n int) {
	if len(data) > n {
		putCut(data[:n], data)
		clear(data[n:])
	}
}

// putCut makes head, the beginning of data, what Cut leaves of it.
func putCut(head, data []byte) {
	if n := len(head); !allZero(data[n:]) {
		binary.LittleEndian.PutUint32(head[n-4:], crc(data))
	}
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
	if cap(r.copies) > maxCopyBytes || r.unused >= maxUnused {
		r.copies, r.writes = nil, nil
	}
	for _, b := range r.writes {
		clear(b)
	}
	clear(r.writes)
	r.copies, r.writes = r.copies[:0], r.writes[:0]
}

// room is n zeros for a copy.
func (r *Redaction) room(n int) []byte {
	at := len(r.copies)
	if cap(r.copies)-at < n { // what was copied before stays where it is
		r.copies, r.writes = make([]byte, 0, max(n, min(2*cap(r.copies), maxCopyBytes))), nil
		at = 0
	}
	r.copies = r.copies[:at+n]
	return r.copies[at : at+n : at+n]
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

// copyOf is b, redacted. What is cut is not copied first: there are zeros already.
func (r *Redaction) copyOf(walk func(*Redaction, []byte) bool, b []byte) []byte {
	to, done := r.room(len(b)), 0
	upTo := func(i int) {
		if i > done {
			r.writes = append(r.writes, to[done:i])
			copy(to[done:i], b[done:i])
		}
	}
	r.meet = func(data []byte) {
		at, n := cap(b)-cap(data), len(data)
		if &b[at] != &data[0] {
			panic(fmt.Sprintf("%d bytes of data are not at %d of %d", n, at, len(b)))
		}
		if r.Cut > 0 {
			n = min(n, r.Cut)
		}
		upTo(at + n)
		if n < len(data) {
			putCut(to[at:at+n], data)
		}
		if r.Stand != nil {
			r.Stand(to[at : at+n])
		}
		done = at + len(data)
	}
	walk(r, b)
	r.meet = nil
	upTo(len(b))
	return to
}

// What follows redacts protobuf messages as they are written, in place. Without
// Cut and Stand it only looks. Bytes that cannot be read are none of pgraft's.

func (r *Redaction) data(b []byte) bool {
	if len(b) <= r.Over {
		return false
	}
	if r.meet != nil {
		r.meet(b)
		return true
	}
	if r.Cut > 0 {
		Cut(b, r.Cut)
		b = b[:min(len(b), r.Cut)]
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
