package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// border is where a piece of the log ends and the next begins: the first index of
// a gap and the index after it, equal once the gap is filled.
type border struct{ from, next uint64 }

// recoverPieces finds the pieces of the log and reads both ends of each. A gap that
// is recorded is right; what else is missing at these ends is damage.
func (p *Pebble) recoverPieces() (c contents, err error) {
	start := uint64(1)
	if _, err := p.get(keyStart, 8, true, func(b []byte) { start = binary.LittleEndian.Uint64(b) }); err != nil {
		return contents{}, err
	}
	borders, err := p.recoverBorders(start)
	if err != nil {
		return contents{}, err
	}
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: entriesBegin, UpperBound: entriesEnd})
	if err != nil {
		return contents{}, p.readError("the log", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	x, first := piece{}, start
	it.First()
	for _, g := range borders {
		if x, err = p.recoverPiece(it, first, g.from-1, x.end); err != nil {
			return contents{}, err
		}
		c.below = append(c.below, x)
		first = g.next
	}
	if !it.Valid() {
		if err := it.Error(); err != nil {
			return contents{}, p.readError("the log", err)
		}
		c.top = piece{first: first, last: first - 1, begin: x.end, end: x.end}
		return c, nil
	}
	c.top, err = p.recoverPiece(it, first, ^uint64(0), x.end)
	return c, err
}

// recoverBorders reads where the gaps of a log are that begins at start.
func (p *Pebble) recoverBorders(start uint64) (borders []border, err error) {
	var version uint64
	if _, err := p.get(keyFormat, 8, true, func(b []byte) { version = binary.LittleEndian.Uint64(b) }); err != nil {
		return nil, err
	}
	var odd bool
	ok, err := p.get(keyGaps, 16, false, func(b []byte) {
		for ; len(b) >= 16; b = b[16:] {
			borders = append(borders, border{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
		}
		odd = len(b) > 0
	})
	if err != nil {
		return nil, err
	}
	if needed := ok || p.version > 0; needed != (version == format) {
		there := map[bool]string{true: "one", false: "none"}[ok]
		return nil, p.corrupt(recordName(keyGaps), fmt.Errorf("there is %s, but the format is %d", there, version))
	}
	for i, g := range borders {
		if g.from < start || i > 0 && g.from <= borders[i-1].next || g.next < g.from {
			odd = true
		}
	}
	if odd {
		return nil, p.corrupt(recordName(keyGaps), fmt.Errorf("%v in a log that begins at %d", borders, start))
	}
	return borders, nil
}

// recoverPiece reads both ends of a piece, the first entry of which it has to be at,
// and moves it to the entry after it. last may be more than there is. An empty
// piece has offset.
func (p *Pebble) recoverPiece(it *pebble.Iterator, first, last, offset uint64) (piece, error) {
	if last < first {
		return piece{first: first, last: last, begin: offset, end: offset}, nil
	}
	e, err := p.entryFound(it, first)
	if err != nil {
		return piece{}, err
	}
	if e.Index != first {
		return piece{}, p.corrupt("log", fmt.Errorf("a hole: the first entry is %d instead of %d", e.Index, first))
	}
	x := piece{first: first, last: last, begin: e.offset}
	if last == ^uint64(0) {
		it.Last()
	} else {
		it.SeekGE(entryKey(last))
	}
	if e, err = p.entryFound(it, last); err != nil {
		return piece{}, err
	}
	if last != ^uint64(0) && e.Index != last {
		return piece{}, p.corrupt("log", fmt.Errorf("a hole: entry %d is missing", last))
	}
	x.last, x.end = e.Index, e.end()
	it.Next()
	return x, nil
}

// entryFound is entryAt where there has to be an entry.
func (p *Pebble) entryFound(it *pebble.Iterator, index uint64) (storedEntry, error) {
	if it.Valid() {
		return p.entryAt(it)
	}
	if err := it.Error(); err != nil {
		return storedEntry{}, p.readError(recordName(entryKey(index)), err)
	}
	return storedEntry{}, p.corrupt("log", fmt.Errorf("a hole: entry %d is missing", index))
}
