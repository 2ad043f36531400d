package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
	"github.com/pgraft/pgraft/node/store"
)

// CommittedEntry is an entry that every node applies, at the same place.
type CommittedEntry = retain.Entry

// Committed is a part of the log for who applies it.
type Committed struct {
	// First is the first index that the log still holds, after the one that was
	// asked for if that is in a gap. Where no member has what follows that one, it is
	// the first index behind it that any member is known to hold.
	First uint64
	// Last is the last index that can be read.
	Last uint64
	// ClusterUUID says whose log it is; zero on a node that is no member yet.
	ClusterUUID [16]byte
	// Former are the clusters that this node recovered from lost quorums: see
	// core.CheckProgress.
	Former []core.FormerCluster
	// Entries follow the index that was asked for without gap. There are none
	// if that is Last, or over it, or if no member has what follows.
	Entries []CommittedEntry
}

// Committed returns at most maxEntries entries after an index, and ends with the
// one that brings their data to maxBytes or over it. A node that is no member
// yet has none. What this node's log no longer holds comes from another member,
// if one has it: then First is later than the entries. The error is a
// *HistoryError if a member that might have them did not answer.
//
// Request ids are in a log at most once, so this is the sequence that every node
// applies.
func (n *Node) Committed(ctx context.Context, after, maxEntries, maxBytes uint64) (Committed, error) {
	v, err := n.View(ctx)
	if errors.Is(err, ErrNotInitialised) || errors.Is(err, ErrNotRunning) {
		return Committed{}, nil
	}
	if err != nil {
		return Committed{}, err
	}
	c, err := committedHere(v, after, maxEntries, maxBytes)
	if err != nil {
		return Committed{}, err
	}
	n.mu.Lock()
	c.ClusterUUID, c.Former = n.id.ClusterUUID, n.former
	n.mu.Unlock()
	if after = max(after, core.FoundingIndex); after < c.Last && after+1 < c.First {
		var first uint64
		if c.Entries, first, err = n.fetch(ctx, after, c.First-1); first != 0 && first < c.First {
			c.First = first // what is before it is in no log
		}
	}
	return c, err
}

// committedHere is Committed for this node's own log store.
func committedHere(v View, after, maxEntries, maxBytes uint64) (c Committed, err error) {
	c.Last = v.Readable
	after = max(after, core.FoundingIndex) // that is Raft's own, and a snapshot
	var es []core.Entry
	c.First, es, err = readCommitted(v.store, after, min(c.Last, after+maxEntries), maxBytes)
	var gap *store.GapError
	if errors.As(err, &gap) { // other members have it
		c.First = gap.Gap.To + 1
		return c, nil
	}
	if err != nil {
		return Committed{}, err
	}
	for _, e := range es {
		data, user, err := core.UserData(e)
		if err != nil {
			return Committed{}, fmt.Errorf("node: %w", err)
		}
		c.Entries = append(c.Entries, CommittedEntry{Index: e.Index, Term: e.Term, Data: data, Own: !user})
	}
	return c, nil
}

// readCommitted reads the entries from after+1 to last of a log store, but ends with
// the one that brings their data to maxBytes or over it, and before a gap. There are
// none if the log begins later; first is where it begins. The error is a GapError if
// the first of them is in a gap.
func readCommitted(s store.Store, after, last, maxBytes uint64) (first uint64, es []core.Entry, err error) {
	first = s.Bounds().First
	if after >= last || after+1 < first {
		return first, nil, nil
	}
	es, err = s.Entries(after+1, last, maxBytes)
	var gone *store.CompactedError
	if errors.As(err, &gone) {
		return gone.First, nil, nil
	}
	return first, es, err
}
