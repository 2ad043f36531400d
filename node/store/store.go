// Package store keeps what a node must not forget on a disk, with Pebble. The
// contract is that of package logstore; storetest tests it.
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
// hole in the log that is no recorded gap, and a log that ends before what was
// once durable. Skipping any of them would forget a vote or an entry that this node acknowledged
// (Alagappan et al., Protocol-Aware Recovery, FAST 18). Such a node is removed
// from its cluster and added again with an empty directory.
package store

import (
	"errors"
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// Store is a log store on a disk that may be full or taken away. What it has beside
// logstore.Store may be called while it is written, as may all that only reads.
// SetIdentity fails with ErrFull, and nothing happened, while another write waits
// for room.
type Store interface {
	logstore.Store

	// Writer calls loop on a goroutine of its own and returns what loop returns, or
	// panics as it does. The write that loop is given is Write, but does not return
	// once the store fails: Writer does then, with the failure, and leaves loop where
	// it is. It spares every write two changes of goroutines.
	Writer(loop func(write func([]core.Persist) error) error) error

	// Entry returns one entry. The error is a *CompactedError, a *GapError or a
	// *BeyondError when the log does not hold index.
	Entry(index uint64) (core.Entry, error)

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
}

// The terms of the contract.
type (
	Bounds         = logstore.Bounds
	Retention      = logstore.Retention
	CompactedError = logstore.CompactedError
	BeyondError    = logstore.BeyondError
	GapError       = logstore.GapError
)

var (
	// ErrClosed is returned by every call after Close but another Close.
	ErrClosed = errors.New("store: closed")
	// ErrLocked is returned by Open when another process, or another Store of
	// this one, has the directory open.
	ErrLocked = errors.New("another process has it open")
	// ErrNewerFormat is returned by Open when a newer pgraft wrote the store.
	ErrNewerFormat = errors.New("written by a newer pgraft")
)

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
