package core

import (
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// requestIDs remembers committed request ids for window log entries: the bound is a
// distance in the log, so every node forgets at the same entry.
//
// They come and go in the order of the log, one for nearly every entry, and nearly none is
// asked for twice. So they lie in a ring, and the table that finds them holds a number for
// each, by linear probing: an id costs a cache line or two where a map costs many.
type requestIDs struct {
	window uint64 // Limits.RequestWindow
	seed   uint64 // of the table: whoever makes up ids must not know where they fall
	// ids is a ring, as long as a power of two: the id number n, counted from the first
	// ever, is at n modulo that, and those from first up to next are remembered.
	ids         []committedID
	first, next uint64
	// slots, twice as many as ids, are 0 or the hash of an id, shifted by 32, and one
	// more than its place in ids.
	slots []uint64
	// encoded holds the ids without the last pending ones, as the last field of a
	// corepb.State. It is kept, as snapshots are frequent and mostly made of it.
	encoded []byte
	pending int
}

type place struct{ index, term uint64 }

type committedID struct {
	id [16]byte
	at place
}

// none is requestIDs with none in it.
func (r *requestIDs) none() requestIDs { return requestIDs{window: r.window, seed: r.seed} }

func (r *requestIDs) len() int { return int(r.next - r.first) }

// number is the id number n.
func (r *requestIDs) number(n uint64) *committedID { return &r.ids[n&uint64(len(r.ids)-1)] }

// list is all that is remembered, by index.
func (r *requestIDs) list() []committedID {
	l := make([]committedID, 0, r.len())
	for n := r.first; n < r.next; n++ {
		l = append(l, *r.number(n))
	}
	return l
}

func (r *requestIDs) hash(id [16]byte) uint64 {
	return mix(mix(r.seed^binary.LittleEndian.Uint64(id[:8]))^binary.LittleEndian.Uint64(id[8:])) >> 32
}

// find is where an id was committed, as far as that is remembered.
func (r *requestIDs) find(id [16]byte) (at place, ok bool) {
	if r.first == r.next {
		return place{}, false
	}
	mask, h := uint64(len(r.slots)-1), r.hash(id)
	for i := h & mask; r.slots[i] != 0; i = (i + 1) & mask {
		if s := r.slots[i]; s>>32 == h {
			if x := &r.ids[uint32(s)-1]; x.id == id {
				return x.at, true
			}
		}
	}
	return place{}, false
}

// add remembers an id that is not.
func (r *requestIDs) add(id [16]byte, at place) {
	if r.len() == len(r.ids) {
		r.grow()
	}
	*r.number(r.next) = committedID{id, at}
	r.insert(r.next)
	r.next++
	r.pending++
}

// insert puts the id number n into the table, which has room.
func (r *requestIDs) insert(n uint64) {
	mask, h := uint64(len(r.slots)-1), r.hash(r.number(n).id)
	i := h & mask
	for r.slots[i] != 0 {
		i = (i + 1) & mask
	}
	r.slots[i] = h<<32 | (n&uint64(len(r.ids)-1) + 1)
}

func (r *requestIDs) grow() {
	old := r.list()
	r.ids = make([]committedID, max(16, 2*len(old)))
	r.slots = make([]uint64, 2*len(r.ids))
	for i, x := range old {
		n := r.first + uint64(i)
		*r.number(n) = x
		r.insert(n)
	}
}

// remove takes the id number n out of the table, and moves those behind it up to where
// they are looked for (Knuth, volume 3, section 6.4, algorithm R).
func (r *requestIDs) remove(n uint64) {
	mask, h := uint64(len(r.slots)-1), r.hash(r.number(n).id)
	gap := h & mask
	for r.slots[gap] != h<<32|(n&uint64(len(r.ids)-1)+1) {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; r.slots[i] != 0; i = (i + 1) & mask {
		if home := r.slots[i] >> 32; (i-home)&mask >= (i-gap)&mask {
			r.slots[gap], gap = r.slots[i], i
		}
	}
	r.slots[gap] = 0
}

// encode returns all ids as the last field of a corepb.State.
func (r *requestIDs) encode() []byte {
	b := inputBytes(slices.Grow(r.encoded, r.pending*(2+frame(16)+2*frame(8))))
	for n := r.next - uint64(r.pending); n < r.next; n++ {
		x := r.number(n)
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
	for ; r.first < r.next && r.number(r.first).at.index+r.window <= index; r.first++ {
		r.remove(r.first)
		if r.len() == r.pending {
			r.pending--
			continue
		}
		_, _, size := protowire.ConsumeField(r.encoded)
		if size < 0 {
			panic(fmt.Sprintf("request %d of %d is not in what is encoded: %v", r.first, r.next, protowire.ParseError(size)))
		}
		r.encoded = r.encoded[size:]
	}
}
