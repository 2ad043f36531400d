// Package logstore is the contract of a log store: what a node must not forget,
// its identity, Raft's hard state, the newest snapshot of the core and the log.
// node/store keeps it on a disk with Pebble, sim in a model of a disk; package
// storetest tests both.
//
// Open a store, ask Load for what the core starts from, then hand the core's
// persist batches to Write in their order:
//
//	durable, err := s.Load()
//	err = s.Write(output.Persist) // nil: answer core.Persisted
//
// The log is the indexes from Bounds.First to Bounds.Last. Retention moves its
// beginning. In between there may be gaps: a snapshot from the leader with
// core.Persist.Keep leaves one, core.Persist.History fills it. A gap is recorded
// with the batch that makes it; an entry that is missing elsewhere is damage, and
// the store fails.
package logstore

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
)

// Store is a log store. Write, SetRetention and SetIdentity have one caller at a
// time.
type Store interface {
	// Identity returns who this node is; ok is false on a store that has none yet.
	Identity() (id core.Identity, ok bool, err error)

	// SetIdentity stores who this node is. Durable on return; what was written
	// before without a sync may still be lost in a crash.
	SetIdentity(core.Identity) error

	// Load returns what a core starts from: the newest snapshot, all entries
	// after it, the hard state as it was stored, the longest promise and the gaps
	// of the log. It reads and checks every one of those records.
	Load() (core.Durable, error)

	// Write stores batches in order, each atomically, with one fsync for all
	// if any of them has Sync set. On return with nil all are written, and
	// durable if any had Sync set, and then so is all that was written before.
	// A crash loses whole batches, those at the end first. After an error every
	// later call fails with the same error.
	//
	// Write panics on a batch that breaks the log, before it writes any of it:
	// a snapshot that keeps what the log does not hold, or less than the newest
	// snapshot; history that fills no gap; a hole before or among its entries,
	// entries that replace a snapshot's; a mark or a commit index past the end.
	Write(batches []core.Persist) error

	// Entries returns the entries from first to last, both included. It ends with
	// the one that brings their data to maxBytes or over it, and before a gap: at
	// least one entry, unless first > last. The error is a *CompactedError, a
	// *GapError or a *BeyondError when the log does not hold first, and a
	// *BeyondError when it ends before last.
	Entries(first, last, maxBytes uint64) ([]core.Entry, error)

	// SetRetention changes how much history is kept, and drops what is now too
	// much. What it dropped may be there again after a restart. After an error
	// every later call fails.
	SetRetention(Retention) error

	// Bounds returns what part of the log is held.
	Bounds() Bounds

	// Close makes all that was written durable, and releases the store.
	Close() error
}

// Bounds is the part of the log that a store holds: the indexes from First to
// Last but for Gaps, which are ascending and lie in between. The log is empty when
// First is Last+1; Last is then the index of the snapshot that replaced it, or 0.
// First itself is missing while a gap begins there. Bytes is the length of the
// data of the entries that are there.
type Bounds struct {
	First, Last uint64
	Bytes       uint64
	Gaps        []core.Gap
}

// Find returns how far the entries from first to last can be read in one go: up
// to last, or to the one before a gap. Errors are those of Store.Entries.
func (b Bounds) Find(first, last uint64) (to uint64, err error) {
	switch {
	case first < b.First:
		return 0, &CompactedError{First: b.First}
	case last > b.Last:
		return 0, &BeyondError{Last: b.Last}
	}
	// The first gap that does not end before first.
	if i := slices.IndexFunc(b.Gaps, func(g core.Gap) bool { return g.To >= first }); i >= 0 {
		if g := b.Gaps[i]; g.From <= first {
			return 0, &GapError{Gap: g}
		} else if g.From <= last {
			last = g.From - 1
		}
	}
	return last, nil
}

// CompactedError says that the log no longer holds an index.
type CompactedError struct{ First uint64 }

func (e *CompactedError) Error() string {
	return fmt.Sprintf("store: no longer in the log, which begins at %d", e.First)
}

// BeyondError says that the log does not yet hold an index.
type BeyondError struct{ Last uint64 }

func (e *BeyondError) Error() string {
	return fmt.Sprintf("store: not in the log yet, which ends at %d", e.Last)
}

// GapError says that an index is in a gap of the log. The entries may be there
// later: other members hold them.
type GapError struct{ Gap core.Gap }

func (e *GapError) Error() string {
	return fmt.Sprintf("store: entries %d to %d are not in the log: the leader sent a snapshot in their place", e.Gap.From, e.Gap.To)
}
