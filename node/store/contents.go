package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// contents are what the log holds. They never promise an entry that a reader could
// miss: they shrink before a batch removes entries and grow after one adds some.
type contents struct {
	// below are the pieces of the log before the last one, ascending. Between a
	// piece and the next is a gap, or nothing once it is filled. Never changed in
	// place.
	below      []piece
	top        piece  // the last one, which entries are added to
	snapshot   uint64 // index of the newest snapshot, 0 if there is none
	generation uint64 // counts the changes
}

// piece is entries that follow each other, also by their offsets.
type piece struct {
	first, last uint64 // first is last+1 on an empty one
	begin, end  uint64 // offset of the first entry, and after the last one
}

func (p piece) bytes() uint64 { return p.end - p.begin }

// pieces are all of them, ascending.
func (c contents) pieces() []piece { return append(c.below[:len(c.below):len(c.below)], c.top) }

func (c contents) first() uint64 {
	if len(c.below) > 0 {
		return c.below[0].first
	}
	return c.top.first
}

func (c contents) bounds() Bounds {
	b := Bounds{First: c.first(), Last: c.top.last, Bytes: c.top.bytes()}
	for i, p := range c.below {
		b.Bytes += p.bytes()
		if next := c.next(i); p.last+1 < next {
			b.Gaps = append(b.Gaps, core.Gap{From: p.last + 1, To: next - 1})
		}
	}
	return b
}

// next is where the piece after below[i] begins.
func (c contents) next(i int) uint64 {
	if i+1 < len(c.below) {
		return c.below[i+1].first
	}
	return c.top.first
}

// install is c after a snapshot from the leader that keeps the entries up to keep.
func (c contents) install(s *core.Snapshot, keep, offset uint64) contents {
	next := contents{top: piece{first: s.Index + 1, last: s.Index}, snapshot: s.Index}
	if keep == 0 {
		return next
	}
	next.below = c.below
	// An empty piece between two gaps is none: they become one gap.
	if kept := (piece{first: c.top.first, last: keep, begin: c.top.begin, end: offset}); kept.first <= keep || len(c.below) == 0 {
		next.below = append(c.below[:len(c.below):len(c.below)], kept)
	}
	next.top.begin, next.top.end = offset, offset
	return next
}

// fill is c with h in the gap that it fills, and what of it is to be stored. Check
// has seen that there is one.
func (c contents) fill(h []core.Entry) (contents, []storedEntry) {
	if h = logstore.History(h, c.first()); len(h) == 0 {
		return c, nil
	}
	c.below = slices.Clone(c.below)
	p := &c.below[slices.IndexFunc(c.below, func(p piece) bool { return p.last+1 == h[0].Index })]
	stored := make([]storedEntry, len(h))
	for i, e := range h {
		stored[i] = storedEntry{Entry: e, offset: p.end}
		p.end += uint64(len(e.Data))
	}
	p.last = h[len(h)-1].Index
	return c, stored
}

// trim is c from first on; offset is that of first if a piece holds it.
func (c contents) trim(first, offset uint64) contents {
	for len(c.below) > 0 && c.next(0) <= first {
		c.below = c.below[1:]
	}
	if len(c.below) == 0 {
		c.top.first, c.top.begin = first, offset
		return c
	}
	c.below = slices.Clone(c.below)
	if p := &c.below[0]; first <= p.last {
		p.first, p.begin = first, offset
	} else { // in the gap after it
		*p = piece{first: first, last: first - 1, begin: p.end, end: p.end}
	}
	return c
}

// offsetIn returns how many bytes of data there are before index, which is in x or
// right after it.
func (p *Pebble) offsetIn(x piece, index uint64) (uint64, error) {
	switch index {
	case x.first:
		return x.begin, nil
	case x.last + 1:
		return x.end, nil
	}
	var offset uint64
	ok, err := p.get(entryKey(index), entryHeader, false, func(b []byte) { offset = binary.LittleEndian.Uint64(b) })
	if err == nil && !ok {
		err = p.corrupt("log", fmt.Errorf("a hole: entry %d is missing", index))
	}
	return offset, err
}

// offset is offsetIn the piece that index is in or right after, 0 in a gap.
func (p *Pebble) offset(c contents, index uint64) (uint64, error) {
	for _, x := range slices.Backward(c.pieces()) {
		if x.first <= index && index <= x.last+1 {
			return p.offsetIn(x, index)
		}
	}
	return 0, nil
}

// bytesFrom returns how many bytes of data are held from index on.
func (p *Pebble) bytesFrom(c contents, index uint64) (n uint64, err error) {
	for _, x := range c.pieces() {
		switch {
		case x.first >= index:
			n += x.bytes()
		case x.last >= index:
			offset, err := p.offsetIn(x, index)
			if err != nil {
				return 0, err
			}
			n += x.end - offset
		}
	}
	return n, nil
}
