package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pgraft/pgraft/core"
)

// recover reads what is needed to serve, and refuses a store in which something
// is missing. It reads the ends of the log only; Load reads what the core needs,
// and older history is checked when it is read.
func (p *Pebble) recover() error {
	fresh, err := p.recoverFormat()
	if err != nil {
		return err
	}
	if err := p.recoverWatermark(fresh); err != nil {
		return err
	}
	if fresh {
		p.contents = contents{top: piece{first: 1}}
		return p.commit(p.db.NewBatch(), true, func(b *pebble.Batch) error { return putUint64s(b, keyFormat, formatFirst) })
	}
	return p.recoverBounds()
}

// recoverFormat says whether the store is new, and refuses a newer format.
func (p *Pebble) recoverFormat() (fresh bool, err error) {
	var version uint64
	ok, err := p.get(keyFormat, 8, true, func(b []byte) { version = binary.LittleEndian.Uint64(b) })
	if err != nil {
		return false, err
	}
	if ok {
		if version > format {
			return false, fmt.Errorf("store: open %s: %w: format %d, this one knows up to %d",
				p.dir, ErrNewerFormat, version, format)
		}
		return false, nil
	}
	it, err := p.db.NewIter(nil)
	if err != nil {
		return false, p.readError("its records", err)
	}
	if it.First() {
		err = p.corrupt("format version", fmt.Errorf("it is missing, but there is a %s", recordName(it.Key())))
	}
	return err == nil, errors.Join(err, it.Close())
}

// recoverWatermark compares what came back with what was certainly durable.
func (p *Pebble) recoverWatermark(fresh bool) error {
	durable, err := readWatermark(p.fs, p.dir)
	if fresh && errors.Is(err, errNoWatermark) {
		p.mark, err = openWatermark(p.fs, p.dir, true)
		return err
	}
	var unread *unreadError
	if errors.As(err, &unread) {
		return fmt.Errorf("store: open %s: %w", p.dir, err)
	}
	if err != nil {
		return p.corrupt("watermark (file "+watermarkPath(p.fs, p.dir)+")", err)
	}
	if _, err := p.get(keyBatch, 8, true, func(b []byte) { p.batches = binary.LittleEndian.Uint64(b) }); err != nil {
		return err
	}
	if durable > p.batches {
		return p.corrupt("write-ahead log", fmt.Errorf("it ends at batch %d, but batch %d was durable", p.batches, durable))
	}
	p.mark, err = openWatermark(p.fs, p.dir, false)
	return err
}

// recoverBounds finds the ends of the log and checks that they fit the rest.
func (p *Pebble) recoverBounds() error {
	d, err := p.loadMeta()
	if err != nil {
		return err
	}
	if _, err := p.get(keyVersion, 8, true, func(b []byte) { p.version = binary.LittleEndian.Uint64(b) }); err != nil {
		return err
	}
	if p.version > p.newest {
		return fmt.Errorf("store: open %s: %w: its cluster is at version %d, this one knows up to %d", p.dir, ErrNewerFormat, p.version, p.newest)
	}
	p.promise, p.committed = d.PromiseMillis, d.HardState.Commit
	c, err := p.recoverPieces()
	if err != nil {
		return err
	}
	if d.Snapshot != nil {
		c.snapshot = d.Snapshot.Index
	}
	first, last := c.first(), c.top.last
	switch {
	case first > c.snapshot+1:
		return p.corrupt("log", fmt.Errorf("it begins at %d, but the newest snapshot is at %d", first, c.snapshot))
	case c.top.first > c.snapshot+1:
		return p.corrupt(recordName(keyGaps), fmt.Errorf("one ends at %d, but the newest snapshot is at %d", c.top.first-1, c.snapshot))
	case last < c.snapshot:
		return p.corrupt("log", fmt.Errorf("it ends at %d, but the newest snapshot is at %d", last, c.snapshot))
	case last < d.HardState.Commit:
		return p.corrupt("log", fmt.Errorf("it ends at %d, but the commit index is %d", last, d.HardState.Commit))
	}
	p.show(c)
	return nil
}

// entryAt decodes what an iterator is at.
func (p *Pebble) entryAt(it *pebble.Iterator) (storedEntry, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return storedEntry{}, p.readError(recordName(it.Key()), err)
	}
	e, err := getEntry(it.Key(), value)
	if err != nil {
		return storedEntry{}, p.corrupt(recordName(it.Key()), err)
	}
	return e, nil
}

// loadMeta reads all of a core.Durable but the entries.
func (p *Pebble) loadMeta() (d core.Durable, err error) {
	_, err = p.get(keyHard, 24, true, func(b []byte) {
		d.HardState = core.HardState{Term: binary.LittleEndian.Uint64(b),
			Vote: binary.LittleEndian.Uint64(b[8:]), Commit: binary.LittleEndian.Uint64(b[16:])}
	})
	if err != nil {
		return core.Durable{}, err
	}
	if _, err := p.get(keyPromise, 8, true, func(b []byte) { d.PromiseMillis = binary.LittleEndian.Uint64(b) }); err != nil {
		return core.Durable{}, err
	}
	if _, err := p.get(keySnapshot, 16, false, func(b []byte) { d.Snapshot = getSnapshot(b) }); err != nil {
		return core.Durable{}, err
	}
	// The identity is nothing that a core starts from, but a damaged one is a
	// reason not to start.
	if _, err := p.get(keyIdentity, identityBytes, false, func([]byte) {}); err != nil {
		return core.Durable{}, err
	}
	return d, nil
}

// Load implements logstore.Store.
func (p *Pebble) Load() (core.Durable, error) {
	if err := p.enter(); err != nil {
		return core.Durable{}, err
	}
	defer p.leave()
	var loaded core.Durable
	err := p.guard.do(func() error {
		p.write.Lock() // a write in between would tear what is read
		defer p.write.Unlock()
		d, err := p.loadMeta()
		if err != nil {
			return err
		}
		c := p.look()
		d.Gaps = c.bounds().Gaps
		d.Entries, err = p.scan(c.snapshot+1, c.top.last, ^uint64(0))
		loaded = d
		return err
	})
	if err != nil {
		return core.Durable{}, err
	}
	return loaded, nil
}
