// Package grown makes a log of many entries and reads it, over package node: Fill, then
// Open and Log.Read; Restart does the latter in a process of its own, which calls Serve.
package grown

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/tools/internal/bench"
	"github.com/pgraft/pgraft/tools/internal/freeport"
)

// Place is where a member is that has its cluster to itself.
type Place struct {
	ClusterID  string `json:"cluster_id"`
	NodeID     uint32 `json:"node_id"`
	Port       uint32 `json:"port"`
	DataDir    string `json:"data_dir"`
	MarkerPath string `json:"marker_path"`
}

// config has the defaults of the extension, but for the flight recorder, which is off,
// and for retention: everything stays.
func (p Place) config() node.Config {
	return node.Config{ClusterID: p.ClusterID, NodeID: p.NodeID, Address: freeport.Loopback, Port: p.Port, DataDir: p.DataDir,
		MarkerPath: p.MarkerPath, ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond,
		MaxEntryBytes: 1 << 20, SnapshotEntries: 10000, Retention: store.Retention{RetainEntries: 1 << 40, RetainBytes: 1 << 50},
		Logger: slog.New(slog.DiscardHandler)}
}

const (
	// openLimit is far above what a start takes, and its election.
	openLimit = 5 * time.Minute
	// batchCalls are handed to the node at once, and so many batches are under way. It
	// takes 4,096 requests at once.
	batchCalls   = 1000
	batchesAhead = 3
	ordinalBytes = 16
)

// MinBytes is the size of the smallest entry.
const MinBytes = ordinalBytes

// Value is the data of an entry: its ordinal, and bytes that follow from it.
func Value(ordinal uint64, bytes int) []byte {
	b := append(make([]byte, 0, bytes), fmt.Sprintf("%0*d", ordinalBytes, ordinal)...)
	for r := rand.New(rand.NewPCG(ordinal, 0)); len(b) < bytes; {
		x := r.Uint64()
		for i := 0; i < 8 && len(b) < bytes; i++ {
			b = append(b, 'A'+byte(x>>(8*i))%26)
		}
	}
	return b
}

// Check says whether data is what Value makes, for an entry at index. The ordinal of an
// entry is its index, less one for each entry of Raft's own before it.
func Check(index uint64, data []byte) error {
	if len(data) < ordinalBytes {
		return fmt.Errorf("entry %d has %d bytes", index, len(data))
	}
	ordinal, err := strconv.ParseUint(string(data[:ordinalBytes]), 10, 64)
	if err != nil || ordinal > index || string(Value(ordinal, len(data))) != string(data) {
		return fmt.Errorf("entry %d is %.60q, which was never written", index, data)
	}
	return nil
}

// First is the index of a log's first entry.
const First = core.FoundingIndex + 1

// Log is one that is open.
type Log struct {
	node *node.Node
	Last uint64 // index that could be read at Open
}

// Open opens a log, founding its cluster if there is none, and returns once its last
// entry can be read.
func Open(ctx context.Context, p Place) (*Log, error) {
	ctx, done := context.WithTimeout(ctx, openLimit)
	defer done()
	n, err := node.Open(p.config())
	if err != nil {
		return nil, err
	}
	l := &Log{node: n}
	if _, err := n.Init(nil); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := l.look(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return l, nil
}

// Close closes the log.
func (l *Log) Close() error { return l.node.Close() }

// look reads the last entry.
func (l *Log) look(ctx context.Context) error {
	v, err := l.node.View(ctx)
	if err != nil {
		return err
	}
	if l.Last = v.Readable; l.Last < First {
		return nil
	}
	_, err = l.entry(ctx, l.Last)
	return err
}

// entry reads an entry and checks it; false: it is Raft's own.
func (l *Log) entry(ctx context.Context, index uint64) (user bool, err error) {
	data, user, err := l.node.Entry(ctx, index)
	if err != nil || !user {
		return false, err
	}
	return true, Check(index, data)
}

// Read reads so many entries, drawn by seed, and says how long each took.
func (l *Log) Read(ctx context.Context, reads int, seed uint64) (bench.Latency, error) {
	if l.Last < First {
		return bench.Latency{}, errors.New("the log holds no entry")
	}
	took := make([]time.Duration, 0, reads)
	for _, index := range Draw(First, l.Last, reads, seed) {
		began := time.Now()
		_, err := l.entry(ctx, index)
		took = append(took, time.Since(began))
		if err != nil {
			return bench.Latency{}, err
		}
	}
	return bench.LatencyOf(took), nil
}

// Draw draws indexes from first to last.
func Draw(first, last uint64, n int, seed uint64) []uint64 {
	r := rand.New(rand.NewPCG(seed, 0))
	all := make([]uint64, n)
	for i := range all {
		all[i] = first + r.Uint64N(last-first+1)
	}
	return all
}

// Fill has a log hold so many entries, each of so many bytes, and says how many it has
// written, in what time, and the index of the last. They are proposed to the node, many
// at once, so the log is one that the node has written.
func Fill(ctx context.Context, p Place, entries, bytes int) (written int, took time.Duration, last uint64, err error) {
	if bytes < MinBytes {
		return 0, 0, 0, fmt.Errorf("entries of %d bytes: want %d at least", bytes, MinBytes)
	}
	l, err := Open(ctx, p)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	leads, done := context.WithTimeout(ctx, openLimit)
	defer done()
	if err := l.node.AwaitLeader(leads); err != nil {
		return 0, 0, 0, err
	}
	if err := l.look(ctx); err != nil {
		return 0, 0, 0, err
	}
	written = max(0, entries-int(l.Last-First+1))
	began := time.Now()
	f := filling{node: l.node, ctx: ctx, slots: make(chan struct{}, batchesAhead)}
	for at := 0; at < written && f.failed() == nil; at += batchCalls {
		f.submit(l.Last+1+uint64(at), min(batchCalls, written-at), bytes)
	}
	for range batchesAhead { // all batches have ended
		f.slots <- struct{}{}
	}
	took = time.Since(began)
	if err := f.failed(); err != nil {
		return 0, 0, 0, err
	}
	err = l.look(ctx)
	return written, took, l.Last, err
}

// filling is what Fill has under way.
type filling struct {
	node  *node.Node
	ctx   context.Context
	slots chan struct{} // one for each batch
	mu    sync.Mutex
	err   error // the first
}

func (f *filling) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.err, f.ctx.Err())
}

// submit waits until one batch less is under way, and proposes n entries.
func (f *filling) submit(ordinal uint64, n, bytes int) {
	f.slots <- struct{}{}
	var left atomic.Int64
	left.Store(int64(n))
	calls := make([]*node.Call, n)
	for i := range calls {
		o := ordinal + uint64(i)
		var request [16]byte
		binary.BigEndian.PutUint64(request[8:], o)
		data := Value(o, bytes)
		calls[i] = &node.Call{
			Input: func(id uint64) core.Input { return core.Propose{ID: id, RequestID: request, Data: data} },
			Done: func(_ core.Reply, err error) {
				if err != nil {
					f.mu.Lock()
					f.err = errors.Join(f.err, fmt.Errorf("entry %d: %w", o, err))
					f.mu.Unlock()
				}
				if left.Add(-1) == 0 {
					<-f.slots
				}
			}}
	}
	f.node.Submit(calls)
}
