package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// maxTogetherBytes bounds what is written as one of Pebble's batches, which is in
// memory three times meanwhile, unless one core.Persist alone is more.
const maxTogetherBytes = 1 << 20

// Write implements logstore.Store.
func (p *Pebble) Write(batches []core.Persist) error {
	return orPanic(p.guard.do(func() error { return p.writeHere(batches) }))
}

// Writer implements Store.
func (p *Pebble) Writer(loop func(write func([]core.Persist) error) error) error {
	panicked := "" // not looked at while loop may still run
	err := p.guard.do(func() error {
		defer func() {
			if what := recover(); what != nil {
				panicked = fmt.Sprintf("%v\n%s", what, debug.Stack())
			}
		}()
		return loop(func(batches []core.Persist) error {
			return orPanic(p.guard.caught(func() error { return p.writeHere(batches) }))
		})
	})
	if err == nil && panicked != "" {
		panic(panicked)
	}
	return err
}

// writeHere is Write within guard.do.
func (p *Pebble) writeHere(batches []core.Persist) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	p.write.Lock()
	defer p.write.Unlock()
	sync := slices.ContainsFunc(batches, func(in core.Persist) bool { return in.Sync })
	for len(batches) > 0 {
		n := p.together(batches)
		// Pebble's log is in order, so an fsync for the last is one for all.
		if err := p.writeTogether(batches[:n], sync && n == len(batches)); err != nil {
			return p.orFail(err)
		}
		batches = batches[n:]
	}
	if err := p.orFail(p.trim()); err != nil {
		return err
	}
	return p.guard.failed() // in the background
}

// orFail makes err, if it is one, the store's last word.
func (p *Pebble) orFail(err error) error {
	var broken *brokenError
	if err == nil || errors.As(err, &broken) {
		return err
	}
	p.guard.fail(err)
	return p.guard.failed()
}

// together says how many of batches are written as one of Pebble's: after the first
// only such as add entries to the end of the log, or none.
func (p *Pebble) together(batches []core.Persist) int {
	last, bytes := p.look().top.last, 0
	for i := range batches {
		in := &batches[i]
		for j := range in.Entries {
			bytes += len(in.Entries[j].Data)
		}
		if i > 0 && (bytes > maxTogetherBytes || in.Snapshot != nil || len(in.History) > 0 ||
			len(in.Entries) > 0 && in.Entries[0].Index != last+1) {
			return i
		}
		if s := in.Snapshot; s != nil {
			last = s.Index
		}
		if n := len(in.Entries); n > 0 {
			last = in.Entries[n-1].Index
		}
	}
	return len(batches)
}

// brokenError says which batch breaks the log, and how.
type brokenError struct{ what any }

func (e *brokenError) Error() string { return fmt.Sprint(e.what) }

// orPanic is what Write does with such an error.
func orPanic(err error) error {
	var broken *brokenError
	if errors.As(err, &broken) {
		panic(broken.what)
	}
	return err
}

// check is logstore.Check with an error.
func check(c *contents, commit uint64, in *core.Persist) (err error) {
	defer func() {
		if what := recover(); what != nil {
			err = &brokenError{what}
		}
	}()
	logstore.Check(c.bounds(), c.snapshot, commit, in)
	return nil
}

// written is what batches that are written together leave behind.
type written struct {
	contents
	hard    *core.HardState // the newest; nil: none of them has one
	mark    *core.Snapshot  // the same
	commit  uint64
	version uint64
	promise uint64
}

// writeTogether writes what together has found.
func (p *Pebble) writeTogether(batches []core.Persist, sync bool) error {
	old, first := p.look(), &batches[0]
	if err := check(&old, p.committed, first); err != nil {
		return err
	}
	during, err := p.shrunk(old, first)
	if err != nil {
		return err
	}
	next := written{commit: p.committed, version: p.version, promise: p.promise}
	var history []storedEntry
	next.contents, history = during.fill(first.History)
	p.show(during)
	b := p.db.NewBatchWithSize(batchBytes(batches), pebble.WithMaxRetainedSizeBytes(2*maxTogetherBytes))
	err = p.commit(b, sync, func(b *pebble.Batch) error {
		if err := p.fillFirst(b, old, &next, history, first); err != nil {
			return err
		}
		for i := range batches {
			in := &batches[i]
			if i > 0 {
				if err := check(&next.contents, next.commit, in); err != nil {
					return err
				}
			}
			if err := next.add(b, in); err != nil {
				return err
			}
		}
		return p.fillLast(b, &next)
	})
	if err != nil {
		return err
	}
	p.promise, p.version, p.committed = next.promise, next.version, next.commit
	p.show(next.contents)
	return nil
}

// batchBytes is how large one of Pebble's batches gets, or somewhat less.
func batchBytes(batches []core.Persist) int {
	const header, meta = 12, 256
	n := header + meta
	for i := range batches {
		for j := range batches[i].Entries {
			n += recordBytes + len(batches[i].Entries[j].Data)
		}
	}
	return n
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

// fillFirst puts into b what only the first of several batches may have: a snapshot,
// the entries of its history that are to be stored, the removal of entries.
func (p *Pebble) fillFirst(b *pebble.Batch, old contents, next *written, history []storedEntry, in *core.Persist) error {
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
	for i := range history {
		if err := putEntry(b, &history[i].Entry, history[i].offset); err != nil {
			return err
		}
	}
	if in.Snapshot != nil || len(history) > 0 {
		if err := putPieces(b, old, next.contents, max(p.version, uint64(in.Version))); err != nil {
			return err
		}
	}
	if n := len(in.Entries); n > 0 && in.Snapshot == nil {
		if last := in.Entries[n-1].Index; old.top.last > last {
			return b.DeleteRange(entryKey(last+1), entryKey(old.top.last+1), nil)
		}
	}
	return nil
}

// add puts the entries of in into b, and brings w up to what in makes of the log.
func (w *written) add(b *pebble.Batch, in *core.Persist) error {
	for i := range in.Entries {
		e := &in.Entries[i]
		if err := putEntry(b, e, w.top.end); err != nil {
			return err
		}
		w.top.end += uint64(len(e.Data))
		w.top.last = e.Index
	}
	// A mark that is not the newest is of no use to a restart.
	if m := in.Mark; m != nil && m.Index >= w.snapshot {
		w.snapshot, w.mark = m.Index, m
	}
	if h := in.HardState; h != nil {
		w.hard, w.commit = h, h.Commit
	}
	w.version = max(w.version, uint64(in.Version))
	w.promise = max(w.promise, in.PromiseMillis)
	return nil
}

// fillLast puts into b what is stored once for several batches.
func (p *Pebble) fillLast(b *pebble.Batch, next *written) error {
	if next.mark != nil {
		if err := putSnapshot(b, next.mark); err != nil {
			return err
		}
	}
	if h := next.hard; h != nil {
		if err := putUint64s(b, keyHard, h.Term, h.Vote, h.Commit); err != nil {
			return err
		}
	}
	if next.version > p.version {
		if err := errors.Join(putUint64s(b, keyVersion, next.version), putUint64s(b, keyFormat, format)); err != nil {
			return err
		}
	}
	if next.promise > p.promise {
		return putUint64s(b, keyPromise, next.promise)
	}
	return nil
}

// commit writes one batch. p.write is held, within guard.do.
func (p *Pebble) commit(b *pebble.Batch, sync bool, fill func(*pebble.Batch) error) error {
	if err := fill(b); err != nil {
		return fmt.Errorf("store: make a batch for %s: %w", p.dir, err)
	}
	if err := putUint64s(b, keyBatch, p.batches+1); err != nil {
		return fmt.Errorf("store: make a batch for %s: %w", p.dir, err)
	}
	if err := b.Commit(&pebble.WriteOptions{Sync: sync}); err != nil {
		return p.orFail(fmt.Errorf("store: write to %s: %w", p.dir, err))
	}
	if sync {
		if err := p.mark.set(p.batches + 1); err != nil {
			return p.orFail(err)
		}
	}
	p.batches++
	return p.orFail(b.Close())
}
