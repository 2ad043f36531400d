package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pgraft/pgraft/core"
)

// Write implements Store.
func (p *Pebble) Write(batches []core.Persist) error {
	leave, err := p.enter()
	if err != nil {
		return err
	}
	defer leave()
	p.write.Lock()
	defer p.write.Unlock()
	sync := false
	for _, in := range batches {
		sync = sync || in.Sync
	}
	for i := range batches {
		// Pebble's log is in order, so an fsync for the last batch is one for all.
		if err := p.writeBatch(&batches[i], sync && i == len(batches)-1); err != nil {
			p.guard.fail(err)
			return p.guard.failed()
		}
	}
	if err := p.trim(); err != nil {
		p.guard.fail(err)
		return p.guard.failed()
	}
	return nil
}

func (p *Pebble) writeBatch(in *core.Persist, sync bool) error {
	old := p.look()
	next := check(old, p.committed, in)
	if len(in.Entries) > 0 {
		var err error
		if next.end, err = p.offset(next, in.Entries[0].Index); err != nil {
			return err
		}
	}
	p.show(shrunk(old, next, in))
	err := p.commit(sync, func(b *pebble.Batch) error { return p.fill(b, old, &next, in) })
	if err != nil {
		return err
	}
	p.promise = max(p.promise, in.PromiseMillis)
	p.version = max(p.version, uint64(in.Version))
	if in.HardState != nil {
		p.committed = in.HardState.Commit
	}
	p.show(next)
	return nil
}

// check panics when in breaks the log, and returns the view with a snapshot of
// the leader in place, but not yet the entries.
func check(v view, committed uint64, in *core.Persist) view {
	if s := in.Snapshot; s != nil {
		if s.Index == 0 {
			panic(fmt.Sprintf("store: batch %d: snapshot at index 0", in.Seq))
		}
		v = view{first: s.Index + 1, last: s.Index, snapshot: s.Index}
	}
	last := v.last
	if in.HardState != nil {
		committed = in.HardState.Commit
	}
	for i, e := range in.Entries {
		switch {
		case i > 0 && e.Index != in.Entries[i-1].Index+1:
			panic(fmt.Sprintf("store: batch %d: entry %d follows %d", in.Seq, e.Index, in.Entries[i-1].Index))
		case e.Index > last+1:
			panic(fmt.Sprintf("store: batch %d: a gap: entry %d, but the log ends at %d", in.Seq, e.Index, last))
		case e.Index <= v.snapshot:
			panic(fmt.Sprintf("store: batch %d: entry %d replaces one of the snapshot at %d", in.Seq, e.Index, v.snapshot))
		}
		last = e.Index
	}
	if m := in.Mark; m != nil && (m.Index == 0 || m.Index > last) {
		panic(fmt.Sprintf("store: batch %d: mark at %d, but the log ends at %d", in.Seq, m.Index, last))
	}
	if committed > last {
		panic(fmt.Sprintf("store: batch %d: commit %d, but the log ends at %d", in.Seq, committed, last))
	}
	return v
}

// shrunk is the part of old that no reader can miss while in is written.
func shrunk(old, next view, in *core.Persist) view {
	if in.Snapshot != nil {
		next.end = next.begin
		return next
	}
	if len(in.Entries) > 0 {
		old.last, old.end = in.Entries[0].Index-1, next.end
	}
	return old
}

// offset returns how many bytes of data there are before index.
func (p *Pebble) offset(v view, index uint64) (uint64, error) {
	switch index {
	case v.first:
		return v.begin, nil
	case v.last + 1:
		return v.end, nil
	}
	var offset uint64
	ok, err := p.get(entryKey(index), entryHeader, false, func(b []byte) { offset = binary.LittleEndian.Uint64(b) })
	if err == nil && !ok {
		err = p.corrupt("log", fmt.Errorf("a hole: entry %d is missing", index))
	}
	return offset, err
}

// fill puts in into b and brings next, whose end is where the entries go, up to
// what b makes of the log.
func (p *Pebble) fill(b *pebble.Batch, old view, next *view, in *core.Persist) error {
	if in.Snapshot != nil {
		if err := b.DeleteRange(entriesBegin, entriesEnd, nil); err != nil {
			return err
		}
		if err := putSnapshot(b, in.Snapshot); err != nil {
			return err
		}
		if err := putUint64s(b, keyStart, next.first); err != nil {
			return err
		}
	}
	for _, e := range in.Entries {
		if err := putEntry(b, storedEntry{Entry: e, offset: next.end}); err != nil {
			return err
		}
		next.end += uint64(len(e.Data))
	}
	if n := len(in.Entries); n > 0 {
		next.last = in.Entries[n-1].Index
		if in.Snapshot == nil && old.last > next.last {
			if err := b.DeleteRange(entryKey(next.last+1), entryKey(old.last+1), nil); err != nil {
				return err
			}
		}
	}
	// A mark that is not the newest is of no use to a restart.
	if m := in.Mark; m != nil && m.Index >= next.snapshot {
		next.snapshot = m.Index
		if err := putSnapshot(b, m); err != nil {
			return err
		}
	}
	if h := in.HardState; h != nil {
		if err := putUint64s(b, keyHard, h.Term, h.Vote, h.Commit); err != nil {
			return err
		}
	}
	if v := uint64(in.Version); v > p.version {
		if err := errors.Join(putUint64s(b, keyVersion, v), putUint64s(b, keyFormat, format)); err != nil {
			return err
		}
	}
	if in.PromiseMillis > p.promise {
		return putUint64s(b, keyPromise, in.PromiseMillis)
	}
	return nil
}

// commit writes one batch. p.write is held.
func (p *Pebble) commit(sync bool, fill func(*pebble.Batch) error) error {
	b := p.db.NewBatch()
	if err := fill(b); err != nil {
		return fmt.Errorf("store: make a batch for %s: %w", p.dir, err)
	}
	if err := putUint64s(b, keyBatch, p.batches+1); err != nil {
		return fmt.Errorf("store: make a batch for %s: %w", p.dir, err)
	}
	err := p.guard.do(func() error {
		if err := b.Commit(&pebble.WriteOptions{Sync: sync}); err != nil {
			return fmt.Errorf("store: write to %s: %w", p.dir, err)
		}
		if sync {
			if err := p.mark.set(p.batches + 1); err != nil {
				return err
			}
		}
		return b.Close()
	})
	if err != nil {
		p.guard.fail(err)
		return p.guard.failed()
	}
	p.batches++
	return nil
}
