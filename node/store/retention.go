package store

import (
	"github.com/cockroachdb/pebble/v2"
)

// SetRetention implements logstore.Store.
func (p *Pebble) SetRetention(r Retention) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	p.mu.Lock()
	p.retention = r.WithDefaults()
	p.mu.Unlock()
	if p.room.isFull() {
		return nil // the next Write drops it
	}
	return p.guard.do(func() error {
		p.write.Lock()
		defer p.write.Unlock()
		return p.orFail(p.trim())
	})
}

// trim drops the oldest entries when the log is over a limit, if there is enough
// to drop for that to be worth a tombstone. p.write is held.
func (p *Pebble) trim() error {
	p.mu.Lock()
	r, c := p.retention, p.contents
	p.mu.Unlock()
	b := c.bounds()
	first, err := r.Trim(b, c.snapshot, func(index uint64) (uint64, error) { return p.bytesFrom(c, index) })
	if err != nil || first == b.First {
		return err
	}
	offset, err := p.offset(c, first)
	if err != nil {
		return err
	}
	next := c.trim(first, offset)
	p.show(next)
	// No fsync: if this is lost, the entries are there again.
	return p.commit(p.db.NewBatch(), false, func(batch *pebble.Batch) error {
		if err := batch.DeleteRange(entryKey(b.First), entryKey(first), nil); err != nil {
			return err
		}
		if err := putUint64s(batch, keyStart, first); err != nil {
			return err
		}
		return putPieces(batch, c, next, p.version)
	})
}
