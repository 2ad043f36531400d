package main

// #include "engine.h"
import "C"

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
)

// request is a PgraftRequest.
type request struct {
	id       uint64
	op       uint32
	maxEntry int // bytes
	a, b     int64
	data     []byte
}

// result is what a request comes to: rows in the text form of their columns,
// nil for NULL.
type result struct {
	notice string // empty: none
	rows   [][]any
}

func row(values ...any) result { return result{rows: [][]any{values}} }

// answer carries out a request and returns the body of its reply.
func (e *engine) answer(ctx context.Context, q request) []byte {
	r, err := e.do(ctx, q)
	if err != nil {
		s := e.sqlError(err)
		b := appendString([]byte(s.state), s.message)
		return appendNullable(appendNullable(b, s.detail), s.hint)
	}
	b := appendNullable([]byte("00000"), r.notice)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(r.rows)))
	cols := 0
	if len(r.rows) > 0 {
		cols = len(r.rows[0])
	}
	b = binary.NativeEndian.AppendUint32(b, uint32(cols))
	for _, values := range r.rows {
		for _, v := range values {
			b = appendValue(b, v)
		}
	}
	return b
}

func appendNullable(b []byte, s string) []byte {
	if s == "" {
		return appendNull(b)
	}
	return appendString(b, s)
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return appendNull(b)
	case string:
		return appendString(b, v)
	case []byte:
		return append(binary.NativeEndian.AppendUint32(b, uint32(len(v))), v...)
	case bool:
		return appendString(b, strconv.FormatBool(v)[:1])
	}
	return appendString(b, fmt.Sprint(v))
}

func (e *engine) do(ctx context.Context, q request) (result, error) {
	if q.op == C.PGRAFT_OP_SET_DEBUG {
		e.setDebug(q.a != 0)
		return result{}, nil
	}
	n, err := e.running(ctx)
	if err != nil {
		return result{}, err
	}
	switch q.op {
	case C.PGRAFT_OP_INIT:
		return result{}, initialise(ctx, n, q)
	case C.PGRAFT_OP_ADD_NODE:
		return addNode(ctx, n, q)
	case C.PGRAFT_OP_REMOVE_NODE:
		return result{}, n.RemoveNode(ctx, uint32(q.a))
	case C.PGRAFT_OP_REPLICATE:
		return replicate(ctx, n, q)
	case C.PGRAFT_OP_LOG_ENTRY:
		return logEntry(ctx, n, q)
	case C.PGRAFT_OP_TRACE_SAVE:
		return saveTrace(n, q)
	}
	v, err := n.View(ctx)
	if err != nil {
		return result{}, err
	}
	switch q.op {
	case C.PGRAFT_OP_NODES:
		return nodes(v), nil
	case C.PGRAFT_OP_CLUSTER_STATUS:
		return clusterStatus(v), nil
	case C.PGRAFT_OP_REPLICATION_STATUS:
		return replicationStatus(v), nil
	case C.PGRAFT_OP_LOG_STATS:
		b := v.LogBounds()
		return row(b.Bytes, max(b.Last, v.Core.Last), v.Core.Commit, v.Core.Applied), nil
	}
	return result{}, &sqlError{state: "XX000", message: fmt.Sprintf("the engine knows no operation %d", q.op)}
}

// leadTimeout is how long pgraft_init waits for the founder to lead.
const leadTimeout = 5 * time.Second

// initialise returns once a founder leads, so that nodes can be added at once.
func initialise(ctx context.Context, n *node.Node, q request) error {
	var bootstrap *bool
	if q.a == 0 || q.a == 1 {
		bootstrap = new(q.a == 1)
	}
	founded, err := n.Init(bootstrap)
	if err != nil || !founded {
		return err
	}
	ctx, done := context.WithTimeout(ctx, leadTimeout)
	defer done()
	return n.AwaitLeader(ctx)
}

func addNode(ctx context.Context, n *node.Node, q request) (result, error) {
	promoted, err := n.AddNode(ctx, uint32(q.a), string(q.data), uint32(q.b))
	if err != nil || promoted {
		return result{}, err
	}
	return result{notice: fmt.Sprintf("node %d was added and is still catching up; it votes once it has", q.a)}, nil
}

func replicate(ctx context.Context, n *node.Node, q request) (result, error) {
	if len(q.data) > q.maxEntry {
		return result{}, &sqlError{state: "54000", message: "the entry is too large",
			detail: fmt.Sprintf("It has %d bytes; \"pgraft.max_entry_size\" allows %d.", len(q.data), q.maxEntry)}
	}
	ctx, done := context.WithTimeout(ctx, time.Duration(q.a)*time.Millisecond)
	defer done()
	var id [16]byte
	crand.Read(id[:]) // never fails (crypto/rand)
	index, term, err := n.Propose(ctx, id, q.data)
	if err != nil {
		return result{}, &proposeError{id, err}
	}
	return row(index, term), nil
}

func logEntry(ctx context.Context, n *node.Node, q request) (result, error) {
	if q.a < 1 {
		return result{}, &sqlError{state: "22003", message: fmt.Sprintf("log index %d is out of range", q.a), detail: "The log begins at index 1."}
	}
	data, ok, err := n.Entry(ctx, uint64(q.a))
	if err != nil {
		return result{}, indexError(q.a, err)
	}
	if !ok {
		return row(nil), nil
	}
	return row(data), nil
}

func saveTrace(n *node.Node, q request) (result, error) {
	switch size, err := n.SaveTrace(string(q.data)); {
	case errors.Is(err, fs.ErrExist):
		return result{}, &sqlError{state: "58P02", message: fmt.Sprintf("\"%s\" exists already", q.data), // duplicate_file
			hint: "Name a directory that is to be made."}
	case errors.Is(err, recorder.ErrEmpty):
		return result{}, &sqlError{state: "55000", message: "nothing was recorded yet",
			hint: "Set \"pgraft.trace\" to \"ring\"; a node that belongs to no cluster yet has nothing to record."}
	case err != nil:
		return result{}, &sqlError{state: "58030", message: err.Error()} // io_error
	default:
		return row(size), nil
	}
}

func nodes(v node.View) result {
	var r result
	for _, m := range v.Members {
		r.rows = append(r.rows, []any{core.NodeID(m.Member.GetRaftId()), m.Member.GetAddress(), m.Member.GetPort(), v.Leads(m)})
	}
	return r
}

func clusterStatus(v node.View) result {
	var r result
	for _, m := range v.Members {
		commit := v.Core.Commit
		if m.Member.GetRaftId() != v.Core.RaftID {
			commit = min(commit, m.Match)
		}
		r.rows = append(r.rows, []any{core.NodeID(m.Member.GetRaftId()), m.Member.GetAddress(), m.Member.GetPort(), v.Leads(m),
			stateOf(v, m), v.Core.Term, commit, m.Match, heartbeat(m)})
	}
	return r
}

func stateOf(v node.View, m core.MemberStatus) string {
	id := m.Member.GetRaftId()
	switch {
	case id == v.Core.RaftID && v.Core.Role == core.RoleCandidate:
		return "Candidate"
	case !v.Reachable(m):
		return "Unreachable"
	case id == v.Core.Lead:
		return "Leader"
	case m.Member.GetRole() != corepb.Role_VOTER:
		return "Learner"
	}
	return "Follower"
}

// heartbeat is how long ago a member was heard from, like 0.042s.
func heartbeat(m core.MemberStatus) any {
	if !m.Heard {
		return nil
	}
	return fmt.Sprintf("%d.%03ds", m.SilentMillis/1000, m.SilentMillis%1000)
}

func replicationStatus(v node.View) result {
	var r result
	if v.Core.Role != core.RoleLeader {
		return r
	}
	for _, m := range v.Members {
		if m.Member.GetRaftId() != v.Core.RaftID {
			r.rows = append(r.rows, []any{core.NodeID(m.Member.GetRaftId()), m.Match, m.Next, m.Replicating, heartbeat(m)})
		}
	}
	return r
}
