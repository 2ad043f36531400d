package main

// #include "engine.h"
import "C"

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

const (
	// applyBatchEntries and applyBatchBytes bound what the apply worker gets at
	// once. One entry may be over the bytes.
	applyBatchEntries = 1024
	applyBatchBytes   = 1 << 20

	// retainEverything holds the whole log until the apply worker has said what
	// its database still needs: it comes up later than the engine, after a crash
	// recovery much later.
	retainEverything = 1
)

// progress wakes who waits for the log to grow.
type progress struct {
	mu      sync.Mutex
	applied uint64
	state   node.State
	grown   chan struct{} // closed with the next change
}

func newProgress() *progress { return &progress{grown: make(chan struct{})} }

// next is closed with the next change after this call.
func (p *progress) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grown
}

func (p *progress) publish(s node.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.applied == s.Core.Applied && p.state == s.State {
		return
	}
	p.applied, p.state = s.Core.Applied, s.State
	close(p.grown)
	p.grown = make(chan struct{})
}

// poke wakes who waits for the log to grow without that it has.
func (p *progress) poke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.grown)
	p.grown = make(chan struct{})
}

// applyNext answers with the committed entries after q.a, as soon as there are
// any, or with none after q.b milliseconds. What the rows are stands in engine.h.
func (e *engine) applyNext(ctx context.Context, n *node.Node, q request) (result, error) {
	if q.a < 0 || q.b < 0 {
		return result{}, fmt.Errorf("the next entry after %d within %d ms was asked for", q.a, q.b)
	}
	timeout := time.NewTimer(time.Duration(q.b) * time.Millisecond)
	defer timeout.Stop()
	for {
		grown := e.progress.next() // before the look
		c, err := n.Committed(ctx, uint64(q.a), applyBatchEntries, applyBatchBytes)
		if err != nil {
			return result{}, err
		}
		missing := uint64(0)
		if after := max(uint64(q.a), core.FoundingIndex); after < c.Last && after+1 < c.First && len(c.Entries) == 0 {
			missing = c.First - 1
		}
		wanted := e.exports.hand()
		if len(c.Entries) > 0 || missing > 0 || wanted {
			return applyRows(c, missing, wanted), nil
		}
		select {
		case <-grown:
		case <-timeout.C:
			return applyRows(c, 0, false), nil
		case <-ctx.Done():
			return result{}, ctx.Err()
		}
	}
}

func applyRows(c node.Committed, missing uint64, export bool) result {
	var cluster any
	if c.ClusterUUID != [16]byte{} {
		names := uuidText(c.ClusterUUID)
		for _, u := range c.Former {
			names += "," + uuidText(u)
		}
		cluster = names
	}
	wanted := 0
	if export {
		wanted = 1
	}
	r := result{rows: [][]any{{missing, c.Last, cluster}, {wanted, nil, nil}}}
	for _, entry := range c.Entries {
		var data any
		if !entry.Own {
			data = entry.Data
		}
		r.rows = append(r.rows, []any{entry.Index, entry.Term, data})
	}
	return r
}

func uuidText(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// applyRetain keeps the entries from q.a on in the log store; 0 means that the
// database applies nothing.
func applyRetain(n *node.Node, q request) error {
	if q.a < 0 {
		return fmt.Errorf("the log is to be kept from index %d on", q.a)
	}
	n.RetainFrom(uint64(q.a), q.b != 0)
	return nil
}
