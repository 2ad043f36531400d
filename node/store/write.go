package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// Write implements logstore.Store.
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
	logstore.Check(old.bounds(), old.snapshot, p.committed, in)
	during, err := p.shrunk(old, in)
	if err != nil {
		return err
	}
	next, history := during.fill(in.History)
	p.show(during)
	err = p.commit(sync, func(b *pebble.Batch) error { return p.fill(b, old, &next, history, in) })
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

// shrunk is c without what in removes: the part of it that no reader can miss
// while in is written.
func (p *Pebble) shrunk(c contents, in *core.Persist) (_ contents, err error) {
	if s := in.Snapshot; s != nil {
		var end uint64
		if in.Keep > 0 {
			if end, err = p.offsetIn(c.top, in.Keep+1); err != nil {
				return contents{}, err
			}
		}
		c = c.install(s, in.Keep, end)
	}
	if len(in.Entries) > 0 {
		first := in.Entries[0].Index
		if c.top.end, err = p.offsetIn(c.top, first); err != nil {
			return contents{}, err
		}
		c.top.last = first - 1
	}
	return c, nil
}

// fill puts in into b, with the entries of its history that are to be stored, and
// brings next, which in's entries are to follow, up to what b makes of the log.
func (p *Pebble) fill(b *pebble.Batch, old contents, next *contents, history []storedEntry, in *core.Persist) error {
	if in.Snapshot != nil {
		from := entriesBegin
		if in.Keep > 0 {
			from = entryKey(in.Keep + 1)
		}
		if err := b.DeleteRange(from, entriesEnd, nil); err != nil {
			return err
		}
		if err := putSnapshot(b, in.Snapshot); err != nil {
			return err
		}
		if err := putUint64s(b, keyStart, next.first()); err != nil {
			return err
		}
	}
	for _, e := range history {
		if err := putEntry(b, e); err != nil {
			return err
		}
	}
	if in.Snapshot != nil || len(history) > 0 {
		if err := putPieces(b, old, *next, max(p.version, uint64(in.Version))); err != nil {
			return err
		}
	}
	for _, e := range in.Entries {
		if err := putEntry(b, storedEntry{Entry: e, offset: next.top.end}); err != nil {
			return err
		}
		next.top.end += uint64(len(e.Data))
	}
	if n := len(in.Entries); n > 0 {
		next.top.last = in.Entries[n-1].Index
		if in.Snapshot == nil && old.top.last > next.top.last {
			if err := b.DeleteRange(entryKey(next.top.last+1), entryKey(old.top.last+1), nil); err != nil {
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
