package store

import (
	"github.com/cockroachdb/pebble/v2"
)

// SetRetention changes how much history is kept, and drops what is now too much.
func (p *Pebble) SetRetention(r Retention) error {
	leave, err := p.enter()
	if err != nil {
		return err
	}
	defer leave()
	p.mu.Lock()
	p.retention = r.withDefaults()
	p.mu.Unlock()
	if p.room.isFull() {
		return nil // the next Write drops it
	}
	p.write.Lock()
	defer p.write.Unlock()
	if err := p.trim(); err != nil {
		p.guard.fail(err)
		return p.guard.failed()
	}
	return nil
}

// trim drops the oldest entries when the log is over a limit, if there is enough
// to drop for that to be worth a tombstone. p.write is held.
func (p *Pebble) trim() error {
	p.mu.Lock()
	r, v := p.retention, p.view
	p.mu.Unlock()
	if v.last-v.first+1 <= r.RetainEntries+r.RetainEntries/retentionSlack &&
		v.end-v.begin <= r.RetainBytes+r.RetainBytes/retentionSlack {
		return nil
	}
	limit := v.snapshot + 1 // what comes after the newest snapshot stays
	if r.RetainFrom != 0 {
		limit = min(limit, r.RetainFrom)
	}
	if worth, err := p.worthIt(r, v, limit); err != nil || !worth {
		return err
	}
	first, err := p.keepFrom(r, v, limit)
	if err != nil {
		return err
	}
	if worth, err := p.worthIt(r, v, first); err != nil || !worth {
		return err
	}
	next := v
	next.first = first
	if next.begin, err = p.offset(v, first); err != nil {
		return err
	}
	p.show(next)
	// No fsync: if this is lost, the entries are there again.
	return p.commit(false, func(b *pebble.Batch) error {
		if err := b.DeleteRange(entryKey(v.first), entryKey(first), nil); err != nil {
			return err
		}
		return putUint64s(b, keyStart, first)
	})
}

// worthIt says whether the entries before first are an eighth of a limit.
func (p *Pebble) worthIt(r Retention, v view, first uint64) (bool, error) {
	if first <= v.first {
		return false, nil
	}
	if first-v.first >= max(1, r.RetainEntries/retentionSlack) {
		return true, nil
	}
	offset, err := p.offset(v, first)
	return offset-v.begin >= max(1, r.RetainBytes/retentionSlack), err
}

// keepFrom returns the first index up to limit from which on the log is within
// both limits, or limit if there is none.
func (p *Pebble) keepFrom(r Retention, v view, limit uint64) (uint64, error) {
	low := v.first
	if v.last-v.first+1 > r.RetainEntries {
		low = min(limit, v.last-r.RetainEntries+1)
	}
	for high := limit; low < high; {
		mid := low + (high-low)/2
		offset, err := p.offset(v, mid)
		if err != nil {
			return 0, err
		}
		if v.end-offset <= r.RetainBytes {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, nil
}
