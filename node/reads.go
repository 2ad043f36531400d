package node

import (
	"context"
	"errors"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/store"
)

// maxReadEntries bounds the entries of one call of Entries.
const maxReadEntries = 1000

// TransferLeader hands leadership to another voter; 0 picks the most caught-up
// one. It returns once this node knows the new leader. Only on the leader.
func (n *Node) TransferLeader(ctx context.Context, nodeID uint32) error {
	r, err := n.running()
	if err != nil {
		return err
	}
	rep, _ := r.do(ctx, func(id uint64) core.Input { return core.TransferLeader{ID: id, NodeID: nodeID} })
	return failure(rep)
}

// ConfirmLeader asks a quorum whether this node leads, and returns the term in
// which it does. Only on the leader.
func (n *Node) ConfirmLeader(ctx context.Context) (term uint64, err error) {
	rep, err := n.ask(ctx, func(id uint64) core.Input { return core.ConfirmLeader{ID: id} })
	return rep.Term, err
}

// ReadBarrier returns an index once this node has applied up to it; everything
// that was acknowledged anywhere before the call is at or below it. It waits for
// a leader until ctx ends.
func (n *Node) ReadBarrier(ctx context.Context) (index uint64, err error) {
	rep, err := n.ask(ctx, func(id uint64) core.Input { return core.ReadBarrier{ID: id} })
	return rep.Index, err
}

// WaitApplied returns once this node has applied the entry at index, which need
// not exist yet.
func (n *Node) WaitApplied(ctx context.Context, index uint64) error {
	_, err := n.ask(ctx, func(id uint64) core.Input { return core.WaitApplied{ID: id, Index: index} })
	return err
}

// Entries returns the entries from first to last, as far as this node has
// applied them, but at most maxReadEntries and not many more bytes of data than
// maxBytes; at least one if there is one. For the founding index, which no entry
// has, it returns one without data if the log begins right after it.
// Errors are those of store.Store.Entry, but none for what lies beyond the end.
func (n *Node) Entries(ctx context.Context, first, last, maxBytes uint64) ([]core.Entry, error) {
	v, err := n.View(ctx)
	if err != nil {
		return nil, err
	}
	last = min(last, v.Readable)
	if first > last {
		return nil, nil
	}
	last = min(last, first+maxReadEntries-1)
	es, err := v.store.Entries(first, last, maxBytes)
	var gone *store.CompactedError
	if errors.As(err, &gone) && first == core.FoundingIndex && gone.First == first+1 {
		return []core.Entry{{Index: first, Term: core.FoundingTerm}}, nil
	}
	return es, v.missing(err)
}
