package core

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// requestIDs remembers committed request ids for window log entries: the bound is a
// distance in the log, so every node forgets at the same entry.
type requestIDs struct {
	window uint64 // Limits.RequestWindow
	byID   map[[16]byte]place
	order  []committedID // by index
	// encoded holds order without its last pending ids, as the last field of a
	// corepb.State. It is kept, as snapshots are frequent and mostly made of it.
	encoded []byte
	pending int
}

type place struct{ index, term uint64 }

type committedID struct {
	id [16]byte
	at place
}

func (r *requestIDs) add(id [16]byte, at place) {
	r.byID[id] = at
	r.order = append(r.order, committedID{id, at})
	r.pending++
}

// encode returns order as the last field of a corepb.State.
func (r *requestIDs) encode() []byte {
	b := inputBytes(slices.Grow(r.encoded, r.pending*(2+frame(16)+2*frame(8))))
	for i := range r.order[len(r.order)-r.pending:] {
		x := &r.order[len(r.order)-r.pending+i]
		b.head(4, frame(len(x.id))+numberSize(x.at.index)+numberSize(x.at.term))
		b.bytes(1, x.id[:])
		b.number(2, x.at.index)
		b.number(3, x.at.term)
	}
	r.encoded, r.pending = b, 0
	return r.encoded
}

// forget drops what lies further back than the window.
func (r *requestIDs) forget(index uint64) {
	n := 0
	for ; n < len(r.order) && r.order[n].at.index+r.window <= index; n++ {
		delete(r.byID, r.order[n].id)
		if n == len(r.order)-r.pending {
			r.pending--
			continue
		}
		_, _, size := protowire.ConsumeField(r.encoded)
		if size < 0 {
			panic(fmt.Sprintf("request %d of %d is not in what is encoded: %v", n, len(r.order), protowire.ParseError(size)))
		}
		r.encoded = r.encoded[size:]
	}
	r.order = r.order[n:] // append moves what is left when it runs out of room
}
