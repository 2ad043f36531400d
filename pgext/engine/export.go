package main

// #include "engine.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pgraft/pgraft/node"
)

// statePartBytes is what the apply worker gets of a state at once.
const statePartBytes = C.PGRAFT_STATE_PART_BYTES

// exports hands the wish for an exported state to the apply worker, and gathers
// what it answers with. One wish at a time.
type exports struct {
	mu     sync.Mutex
	answer chan []byte // nil: nobody waits
	handed bool        // the worker knows of it
	state  []byte      // the parts so far
}

// export is the node's way to the apply worker. There may be none, or none that
// can export: then the context ends it, or the worker says that it has nothing.
func (e *engine) export(ctx context.Context) ([]byte, error) {
	answer := make(chan []byte, 1)
	set := func(c chan []byte) {
		e.exports.mu.Lock()
		defer e.exports.mu.Unlock()
		e.exports.answer, e.exports.handed, e.exports.state = c, false, nil
	}
	set(answer)
	defer set(nil)
	e.progress.poke()
	select {
	case state := <-answer:
		return state, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the apply worker did not export it: %w", ctx.Err())
	case <-e.ended.Done():
		return nil, e.ended.Err()
	}
}

// hand says, once, that the worker is to export.
func (x *exports) hand() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	wanted := x.answer != nil && !x.handed
	x.handed = x.handed || wanted
	return wanted
}

// take gets a part from the worker.
func (x *exports) take(q request) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.answer == nil:
		return nil // who asked has given up
	case q.args.total > node.MaxStateBytes:
		x.answer <- nil
		x.answer = nil
		return &sqlError{state: "54000", message: "the exported state is too large",
			detail: fmt.Sprintf("It has %d bytes; at most %d are allowed.", q.args.total, node.MaxStateBytes)}
	case q.args.offset != int64(len(x.state)) || q.args.offset+int64(len(q.data)) > q.args.total && q.args.total > 0:
		return fmt.Errorf("a part of %d bytes at %d of %d does not follow the %d bytes so far", len(q.data), q.args.offset, q.args.total, len(x.state))
	}
	x.state = append(x.state, q.data...)
	if int64(len(x.state)) == q.args.total {
		x.answer <- x.state
		x.answer, x.state = nil, nil
	}
	return nil
}

// imported is the state that the apply worker is being given.
type imported struct {
	mu    sync.Mutex
	state []byte
}

func (e *engine) importState(ctx context.Context, n *node.Node, q request) (result, error) {
	e.imported.mu.Lock()
	defer e.imported.mu.Unlock()
	if q.args.offset == 0 {
		state, from, err := n.FetchState(ctx)
		if errors.Is(err, node.ErrNoState) {
			return result{}, nil
		}
		if err != nil {
			return result{}, err
		}
		e.logger.Info(fmt.Sprintf("node %d has exported the state of its database for this node: %d bytes", from, len(state)))
		e.imported.state = state
	}
	total := int64(len(e.imported.state))
	if q.args.offset < 0 || q.args.offset >= total {
		return result{}, fmt.Errorf("a part at %d of a state of %d bytes was asked for", q.args.offset, total)
	}
	end := min(total, q.args.offset+statePartBytes)
	r := row(total, e.imported.state[q.args.offset:end])
	if end == total {
		e.imported.state = nil
	}
	return r, nil
}
