// Package store keeps what a node must not forget: its identity, Raft's hard
// state, the newest snapshot of the core and the log.
//
// Open a store, ask Load for what the core starts from, then hand the core's
// persist batches to Write in their order:
//
//	s, err := store.Open(dir, store.Options{})
//	durable, err := s.Load()
//	err = s.Write(output.Persist) // nil: answer core.Persisted
//
// Write has one caller at a time. Everything else may be called meanwhile.
//
// What is assumed of the disk: what an fsync has confirmed is still there after
// a crash, and of what was written without one any part may be. A failed write
// or fsync says nothing about what is on the disk, and a second fsync that
// succeeds says nothing either (Rebello et al., Can Applications Recover from
// fsync Failures, ATC 20). So the first failure is final: the store answers
// every later call with it, and the node must stop and start anew. But a write that
// finds no room has not happened, and waits for some (failure.go says which is
// which, room.go what it does).
//
// What is refused rather than repaired: a record that fails its checksum, a
// hole in the log, and a log that ends before what was once durable. Skipping
// any of them would forget a vote or an entry that this node acknowledged
// (Alagappan et al., Protocol-Aware Recovery, FAST 18). Such a node is removed
// from its cluster and added again with an empty directory.
package store

import (
	"errors"
	"fmt"

	"github.com/pgraft/pgraft/core"
)

// Store is a log store. Pebble is the one on a disk; the contract that every
// implementation keeps is tested by package storetest.
type Store interface {
	// Identity returns who this node is; ok is false on a store that has none yet.
	Identity() (id core.Identity, ok bool, err error)

	// SetIdentity stores who this node is. Durable on return. ErrFull: nothing
	// happened, as another write waits for room.
	SetIdentity(core.Identity) error

	// Load returns what a core starts from: the newest snapshot, all entries
	// after it, the hard state as it was stored and the longest promise. It
	// reads and checks every one of those records.
	Load() (core.Durable, error)

	// Write stores batches in order, each atomically, with one fsync for all
	// if any of them has Sync set. On return with nil all are written, and
	// durable if any had Sync set, and then so is all that was written before.
	// After an error every later call fails with the same error.
	//
	// Write panics on a batch that breaks the log: a gap before its entries,
	// entries that replace a snapshot's, a mark or a commit index past the end.
	Write(batches []core.Persist) error

	// Entry returns one entry. The error is a *CompactedError or a
	// *BeyondError when the log does not hold index.
	Entry(index uint64) (core.Entry, error)

	// Entries returns the entries from first to last, both included, but ends
	// with the one that brings their data to maxBytes or over it: at least one
	// entry, unless first > last. Errors are those of Entry.
	Entries(first, last, maxBytes uint64) ([]core.Entry, error)

	// SetRetention changes how much history is kept, and drops what is now too
	// much. After an error every later call fails.
	SetRetention(Retention) error

	// Bounds returns what part of the log is held.
	Bounds() Bounds

	// Room says how much room there is on the disk. Ask it now and then: it is also
	// what takes note that a full disk has some again.
	Room() (Room, error)

	// WaitForRoom has calls that find no room wait for it from now on, until the
	// channel or the store is closed: they fail with ErrAbandoned then. Before, such
	// a call fails, and with it the store.
	WaitForRoom(until <-chan struct{})

	// Present fails with a *LostError, and so does every later call, once a file
	// that the store needs is not there any more: somebody has removed or moved it.
	// It is cheap enough for every second.
	Present() error

	// Close releases the store. Calls after it fail with ErrClosed.
	Close() error
}

// Bounds is the part of the log that a store holds: the indexes from First to
// Last. The log is empty when First is Last+1; Last is then the index of the
// snapshot that replaced it, or 0. Bytes is the length of the entries' data.
type Bounds struct {
	First, Last uint64
	Bytes       uint64
}

var (
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("store: closed")
	// ErrLocked is returned by Open when another process, or another Store of
	// this one, has the directory open.
	ErrLocked = errors.New("another process has it open")
	// ErrNewerFormat is returned by Open when a newer pgraft wrote the store.
	ErrNewerFormat = errors.New("written by a newer pgraft")
)

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

// CorruptError says what in a store is damaged.
type CorruptError struct {
	Dir    string // of the store
	Record string // which record, with its index
	Detail string // what is wrong with it
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("store: %s is damaged: %s: %s; the way out: remove this node, empty its data_dir, add it again",
		e.Dir, e.Record, e.Detail)
}
