package sim

import (
	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// The log in a directory: its entries from first on, but for gaps, where an entry is
// the zero value; and what the store drops of it.

// retention is a store's limits, as package node's store has them: of the log in
// entries and in bytes of data, 0 = none, and the index from which on nothing is
// dropped whatever they say, 0 = none.
type retention struct {
	entries, bytes uint64
	from           uint64
}

// retentionSlack is the share of a limit by which the log may be over it.
const retentionSlack = 8

// entry is the entry at index i; nil if the log does not hold it.
func (d *directory) entry(i uint64) *core.Entry {
	if i < d.first || i > d.last() || len(d.log) == 0 || d.log[i-d.first].Index == 0 {
		return nil
	}
	return &d.log[i-d.first]
}

// gaps are the parts of the log before the newest snapshot that it does not hold.
func (d *directory) gaps() (l []core.Gap) {
	for i := range d.log {
		at := d.first + uint64(i)
		switch {
		case d.log[i].Index != 0:
		case len(l) > 0 && l[len(l)-1].To+1 == at:
			l[len(l)-1].To = at
		default:
			l = append(l, core.Gap{From: at, To: at})
		}
	}
	return l
}

// install puts a leader's snapshot in the place of the log after keep.
func (d *directory) install(s *core.Snapshot, keep uint64) {
	d.snapshot = s
	if keep == 0 {
		d.first, d.log = s.Index+1, d.log[:0]
		return
	}
	d.log = d.log[:keep+1-d.first]
	for d.last() < s.Index {
		d.log = append(d.log, core.Entry{})
	}
}

// fill writes history into a gap.
func (d *directory) fill(h []core.Entry) {
	for _, e := range logstore.History(h, d.first) {
		d.log[e.Index-d.first] = e
	}
}

// check panics on a batch that breaks the log.
func (d *directory) check(b *core.Persist) {
	bounds := logstore.Bounds{First: max(d.first, 1), Last: d.last()}
	if b.Keep > 0 || len(b.History) > 0 {
		bounds.Gaps = d.gaps()
	}
	logstore.Check(bounds, d.snapshotIndex(), d.hard.Commit, b)
}

func (d *directory) snapshotIndex() uint64 {
	if d.snapshot == nil {
		return 0
	}
	return d.snapshot.Index
}

// excess is how many of the oldest entries r has the store drop: none before the log is
// over a limit and its slack, then all that are over the limit.
func (d *directory) excess(r retention) (drop int) {
	if d.snapshot == nil || len(d.log) == 0 {
		return 0
	}
	held, bytes := uint64(len(d.log)), uint64(0)
	if r.bytes != 0 {
		for i := range d.log {
			bytes += uint64(len(d.log[i].Data))
		}
	}
	if (r.entries == 0 || held <= r.entries+r.entries/retentionSlack) && (r.bytes == 0 || bytes <= r.bytes+r.bytes/retentionSlack) {
		return 0
	}
	limit := d.snapshot.Index + 1 // what comes after the newest snapshot stays
	if r.from != 0 {
		limit = min(limit, r.from)
	}
	for at := d.first; at < limit && (r.entries != 0 && held > r.entries || r.bytes != 0 && bytes > r.bytes); at++ {
		bytes -= uint64(len(d.log[drop].Data))
		held--
		drop++
	}
	return drop
}

// trim drops the oldest entries of a log that is over a limit.
func (d *directory) trim() {
	if d.retention == nil {
		return
	}
	if drop := d.excess(*d.retention); drop > 0 {
		d.log, d.first = append(d.log[:0], d.log[drop:]...), d.first+uint64(drop)
	}
}
