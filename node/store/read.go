package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pgraft/pgraft/core"
)

// Entry implements Store.
func (p *Pebble) Entry(index uint64) (core.Entry, error) {
	es, err := p.Entries(index, index, 0)
	if err != nil {
		return core.Entry{}, err
	}
	return es[0], nil
}

// Entries implements logstore.Store.
func (p *Pebble) Entries(first, last, maxBytes uint64) ([]core.Entry, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	for {
		if first > last {
			return nil, nil
		}
		c := p.look()
		to, err := c.bounds().Find(first, last)
		if err != nil {
			return nil, err
		}
		es, err := p.scan(first, to, maxBytes)
		// A write that came between may have taken away what was to be read.
		// The contents change before an entry goes, so a hole under unchanged ones
		// is a hole.
		if err != nil && p.look().generation != c.generation {
			continue
		}
		return es, err
	}
}

// scan reads the entries from first to last without gap, up to the one that
// brings their data to maxBytes.
func (p *Pebble) scan(first, last, maxBytes uint64) (es []core.Entry, err error) {
	if first > last {
		return nil, nil
	}
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: entryKey(first), UpperBound: entriesEnd})
	if err != nil {
		return nil, p.readError(recordName(entryKey(first)), err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var bytes uint64
	for want, ok := first, it.First(); ; want, ok = want+1, it.Next() {
		if !ok && it.Error() != nil {
			return nil, p.readError(recordName(entryKey(want)), it.Error())
		}
		if !ok {
			return nil, p.corrupt("log", fmt.Errorf("a hole: entries %d to %d are missing", want, last))
		}
		e, err := p.entryAt(it)
		if err != nil {
			return nil, err
		}
		if e.Index != want {
			return nil, p.corrupt("log", fmt.Errorf("a hole: entry %d follows %d", e.Index, want-1))
		}
		bytes += uint64(len(e.Data))
		es = append(es, e.Entry)
		if want == last || bytes >= maxBytes {
			return es, nil
		}
	}
}
