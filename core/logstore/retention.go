package logstore

const (
	// DefaultRetainEntries and DefaultRetainBytes are what the zero value of a
	// Retention stands for.
	DefaultRetainEntries = 1_000_000
	DefaultRetainBytes   = 1 << 30

	// retentionSlack is the part of a limit by which the history may be over
	// it, so that the log's head is cut now and then and not at each write.
	retentionSlack = 8
)

// Retention says how much history before the newest snapshot is kept. Entries
// after it are always kept. The history may be over a limit by an eighth.
type Retention struct {
	// RetainEntries and RetainBytes bound the log, in entries and in bytes of
	// their data; whichever is reached first. 0 stands for the defaults. Entries in
	// a gap count, as they may be filled in; their bytes do not.
	RetainEntries uint64
	RetainBytes   uint64
	// RetainFrom, when not 0, is an index from which on no entry is dropped
	// whatever the limits say: what some member has still to apply.
	RetainFrom uint64
}

// WithDefaults returns r with the defaults in place of zeros.
func (r Retention) WithDefaults() Retention {
	if r.RetainEntries == 0 {
		r.RetainEntries = DefaultRetainEntries
	}
	if r.RetainBytes == 0 {
		r.RetainBytes = DefaultRetainBytes
	}
	return r
}

// Trim returns the index that a log with bounds b is to begin at from now on:
// what lies before it is to be dropped. It is b.First while there is nothing to
// drop, or too little to be worth it, and never more than snapshot+1 or
// RetainFrom. snapshot is the index of the newest snapshot; r has its defaults.
// bytesFrom returns how many bytes of data the log holds from an index on; Trim
// asks only if the log is over a limit. The error is one of bytesFrom.
func (r Retention) Trim(b Bounds, snapshot uint64, bytesFrom func(index uint64) (uint64, error)) (uint64, error) {
	if b.Last-b.First+1 <= r.RetainEntries+r.RetainEntries/retentionSlack &&
		b.Bytes <= r.RetainBytes+r.RetainBytes/retentionSlack {
		return b.First, nil
	}
	limit := snapshot + 1 // what comes after the newest snapshot stays
	if r.RetainFrom != 0 {
		limit = min(limit, r.RetainFrom)
	}
	if worth, err := r.worthIt(b, limit, bytesFrom); err != nil || !worth {
		return b.First, err
	}
	first, err := r.keepFrom(b, limit, bytesFrom)
	if err != nil {
		return b.First, err
	}
	if worth, err := r.worthIt(b, first, bytesFrom); err != nil || !worth {
		return b.First, err
	}
	return first, nil
}

// worthIt says whether the entries before first are an eighth of a limit.
func (r Retention) worthIt(b Bounds, first uint64, bytesFrom func(uint64) (uint64, error)) (bool, error) {
	if first <= b.First {
		return false, nil
	}
	if first-b.First >= max(1, r.RetainEntries/retentionSlack) {
		return true, nil
	}
	left, err := bytesFrom(first)
	return err == nil && b.Bytes-left >= max(1, r.RetainBytes/retentionSlack), err
}

// keepFrom returns the first index up to limit from which on the log is within
// both limits, or limit if there is none.
func (r Retention) keepFrom(b Bounds, limit uint64, bytesFrom func(uint64) (uint64, error)) (uint64, error) {
	low := b.First
	if b.Last-b.First+1 > r.RetainEntries {
		low = min(limit, b.Last-r.RetainEntries+1)
	}
	for high := limit; low < high; {
		mid := low + (high-low)/2
		bytes, err := bytesFrom(mid)
		if err != nil {
			return 0, err
		}
		if bytes <= r.RetainBytes {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, nil
}
