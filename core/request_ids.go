package core

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// requestIDs remembers committed request ids for window log entries: the bound is a
// distance in the log, so every node forgets at the same entry.
type requestIDs struct {
	window uint64        // Limits.RequestWindow
	order  []committedID // by index
	byID   idTable
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
	r.order = append(r.order, committedID{id, at})
	r.byID.add(r.order, len(r.order)-1)
	r.pending++
}

// find says where an id is.
func (r *requestIDs) find(id [16]byte) (place, bool) {
	if r.byID.used == 0 {
		return place{}, false
	}
	slot, found := r.byID.look(r.order, id)
	if !found {
		return place{}, false
	}
	return r.order[r.byID.at(slot)].at, true
}

// encode returns order as the last field of a corepb.State.
func (r *requestIDs) encode() []byte {
	st := &corepb.State{}
	for _, x := range r.order[len(r.order)-r.pending:] {
		st.Requests = append(st.Requests, &corepb.Request{RequestId: x.id[:], Index: x.at.index, Term: x.at.term})
	}
	r.encoded, r.pending = append(r.encoded, marshal(st)...), 0
	return r.encoded
}

// forget drops what lies further back than the window.
func (r *requestIDs) forget(index uint64) {
	n := 0
	for ; n < len(r.order) && r.order[n].at.index+r.window <= index; n++ {
		r.byID.remove(r.order, r.order[n].id)
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
	r.byID.dropped += uint64(n)
	r.order = r.order[n:] // append moves what is left when it runs out of room
}
