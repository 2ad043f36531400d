package main

// #include "engine.h"
import "C"

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
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
	grown   chan struct{} // closed with the next change; nil: nobody waits for it
}

// next is closed with the next change after this call.
func (p *progress) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.grown == nil {
		p.grown = make(chan struct{})
	}
	return p.grown
}

func (p *progress) publish(s node.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.applied == s.Core.Applied && p.state == s.State {
		return
	}
	p.applied, p.state = s.Core.Applied, s.State
	p.wake()
}

// wake is called with mu held.
func (p *progress) wake() {
	if p.grown != nil {
		close(p.grown)
		p.grown = nil
	}
}

// poke wakes who waits for the log to grow without that it has.
func (p *progress) poke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake()
}

// applyNext answers with the committed entries after q.args.index, as soon as there
// are any, or with none after q.args.wait. What the rows are stands in engine.h. If
// q.data, whose progress that index is, names another cluster than the log's, it answers at
// once.
func (e *engine) applyNext(ctx context.Context, n *node.Node, q request) (result, error) {
	after := q.args.index
	if after < 0 {
		return result{}, fmt.Errorf("the next entry after %d was asked for", after)
	}
	of, err := parseUUID(string(q.data))
	if err != nil {
		return result{}, err
	}
	timeout := time.NewTimer(q.args.wait)
	defer timeout.Stop()
	for {
		grown := e.progress.next() // before the look
		c, err := n.Committed(ctx, uint64(after), applyBatchEntries, applyBatchBytes)
		if err != nil {
			return result{}, err
		}
		missing := uint64(0)
		if from := max(uint64(after), core.FoundingIndex); from < c.Last && from+1 < c.First && len(c.Entries) == 0 {
			missing = c.First - 1
		}
		progress := checkProgress(c, of, uint64(after))
		wanted := e.exports.hand()
		if len(c.Entries) > 0 || missing > 0 || wanted || progress.value != C.PGRAFT_PROGRESS_OWN {
			return applyRows(c, missing, wanted, progress), nil
		}
		select {
		case <-grown:
		case <-timeout.C:
			return applyRows(c, 0, false, progress), nil
		case <-ctx.Done():
			return result{}, ctx.Err()
		}
	}
}

// progressCheck is the row of it that engine.h describes.
type progressCheck struct {
	value     int // PGRAFT_PROGRESS_*
	recovered uint64
}

// checkProgress has the core judge the progress of a database, at index of the cluster
// of. One that has none, and that of a node that is no member, is in order.
func checkProgress(c node.Committed, of [16]byte, index uint64) progressCheck {
	if of == [16]byte{} || c.ClusterUUID == [16]byte{} {
		return progressCheck{value: C.PGRAFT_PROGRESS_OWN}
	}
	p, recovered := core.CheckProgress(c.ClusterUUID, c.Former, of, index)
	switch p {
	case core.ProgressOwn:
		return progressCheck{C.PGRAFT_PROGRESS_OWN, recovered}
	case core.ProgressRecovered:
		return progressCheck{C.PGRAFT_PROGRESS_RECOVERED, recovered}
	case core.ProgressAhead:
		return progressCheck{C.PGRAFT_PROGRESS_AHEAD, recovered}
	case core.ProgressOther:
		return progressCheck{C.PGRAFT_PROGRESS_OTHER, recovered}
	}
	panic(fmt.Sprintf("engine: progress %d", p))
}

func applyRows(c node.Committed, missing uint64, export bool, progress progressCheck) result {
	var cluster any
	if c.ClusterUUID != [16]byte{} {
		cluster = uuidText(c.ClusterUUID)
	}
	wanted := 0
	if export {
		wanted = 1
	}
	header := [C.PGRAFT_NEXT_HEADER_ROWS][]any{{missing, c.Last, cluster}, {progress.value, progress.recovered, nil}, {wanted, nil, nil}}
	r := result{rows: header[:]}
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

// parseUUID reads what uuidText wrote; zero if it is empty.
func parseUUID(text string) (id [16]byte, err error) {
	if text == "" {
		return id, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no uuid", text)
	}
	return [16]byte(b), nil
}

// applyRetain keeps the entries from q.args.index on in the log store; 0 means that the
// database applies nothing.
func applyRetain(n *node.Node, q request) error {
	if q.args.index < 0 {
		return fmt.Errorf("the log is to be kept from index %d on", q.args.index)
	}
	n.RetainFrom(uint64(q.args.index), q.args.importable)
	return nil
}
