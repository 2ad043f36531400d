package main

// #include "engine.h"
import "C"

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// request is a PgraftRequest.
type request struct {
	id        uint64
	op        uint32
	maxEntry  int           // bytes
	timeout   time.Duration // of what waits for the cluster
	requestID [C.PGRAFT_REQUEST_ID_BYTES]byte
	args      args
	data      []byte
}

// args is a PgraftArgs.
type args struct {
	nodeID, oldNodeID, port     uint32
	bootstrap                   uint32 // PGRAFT_BOOTSTRAP_*
	chosen, enabled, importable bool
	wait                        time.Duration
	index, last                 int64
	offset, total               int64 // bytes
	system                      uint64
}

// writes says whether the request may change something, as engine.h has it.
func (q request) writes() bool { return C.pgraft_op_is_write(C.uint32_t(q.op)) != 0 }

// result is what a request comes to: rows in the text form of their columns,
// nil for NULL.
type result struct {
	notice string // empty: none
	rows   [][]any
}

func row(values ...any) result { return result{rows: [][]any{values}} }

// appendError appends the body of a reply that is an error.
func appendError(b []byte, s *sqlError) []byte {
	b = appendString(append(b, s.state...), s.message)
	return appendNullable(appendNullable(b, s.detail), s.hint)
}

// appendNumbers appends the body of a reply of one row.
func appendNumbers(b []byte, row ...uint64) []byte {
	b = appendDone(b, "", 1, len(row))
	for _, v := range row {
		at := len(b)
		b = strconv.AppendUint(append(b, 0, 0, 0, 0), v, 10)
		binary.NativeEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	return b
}

// appendDone appends what is before the values in the body of a reply.
func appendDone(b []byte, notice string, rows, columns int) []byte {
	b = appendNullable(append(b, C.PGRAFT_SQLSTATE_DONE...), notice)
	b = binary.NativeEndian.AppendUint32(b, uint32(rows))
	return binary.NativeEndian.AppendUint32(b, uint32(columns))
}

// appendResult appends the body of a reply.
func appendResult(b []byte, r result) []byte {
	columns := 0
	if len(r.rows) > 0 {
		columns = len(r.rows[0])
	}
	b = appendDone(b, r.notice, len(r.rows), columns)
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

// do carries out a request that is no Call.
func (e *engine) do(ctx context.Context, q request) (result, error) {
	switch q.op { // what needs no node
	case C.PGRAFT_OP_SET_DEBUG:
		e.setDebug(q.args.enabled)
		return result{}, nil
	case C.PGRAFT_OP_HEALTH_CHECK:
		return e.health(ctx), nil
	case C.PGRAFT_OP_STAT_NODE:
		return e.statNode(ctx), nil
	}
	n, err := e.running(ctx)
	if err != nil {
		return e.withoutNode(q, err)
	}
	switch q.op {
	case C.PGRAFT_OP_INIT:
		return e.initialise(ctx, n, q)
	case C.PGRAFT_OP_ADD_NODE:
		return addNode(ctx, n, q)
	case C.PGRAFT_OP_REMOVE_NODE:
		return result{}, n.RemoveNode(ctx, q.args.nodeID)
	case C.PGRAFT_OP_REPLACE_NODE:
		return replaceNode(ctx, n, q)
	case C.PGRAFT_OP_TRANSFER_LEADERSHIP:
		return result{}, transferLeadership(ctx, n, q)
	case C.PGRAFT_OP_RECOVER:
		return e.recoverCluster(ctx, n, q)
	case C.PGRAFT_OP_PROPOSE: // which is no Call for its size
		return result{}, tooLarge(q)
	case C.PGRAFT_OP_APPLY_NEXT:
		return e.applyNext(ctx, n, q)
	case C.PGRAFT_OP_APPLY_RETAIN:
		return result{}, applyRetain(n, q)
	case C.PGRAFT_OP_APPLY_EXPORT:
		return result{}, e.exports.take(q)
	case C.PGRAFT_OP_APPLY_IMPORT:
		return e.importState(ctx, n, q)
	case C.PGRAFT_OP_LOG_ENTRY:
		return logEntry(ctx, n, q)
	case C.PGRAFT_OP_LOG_ENTRIES:
		return logEntries(ctx, n, q)
	case C.PGRAFT_OP_TRACE_SAVE:
		return saveTrace(n, q)
	}
	if isFailover(q) {
		return e.askFailover(ctx, n, q)
	}
	return e.look(ctx, n, q)
}

// withoutNode is the answer of a node that cannot be asked. One that was not started,
// or has stopped, knows no members: a query for alarms must not fail for that on the
// node whose own alarm pgraft_stat_node has.
func (e *engine) withoutNode(q request, err error) (result, error) {
	var failed *sqlError
	var directory *node.OpenError
	if q.op != C.PGRAFT_OP_STAT_PEERS {
		return result{}, err
	}
	if errors.As(err, &failed) && failed.notStarted || errors.As(err, &directory) {
		return result{}, nil
	}
	if state, _ := e.nodeState(); state == node.Failed {
		return result{}, nil
	}
	return result{}, err
}

// look answers from what the node knows of itself and the others.
func (e *engine) look(ctx context.Context, n *node.Node, q request) (result, error) {
	v, err := n.View(ctx)
	if err != nil {
		return e.withoutNode(q, err)
	}
	switch q.op {
	case C.PGRAFT_OP_NODES:
		return nodes(v), nil
	case C.PGRAFT_OP_CLUSTER_STATUS:
		return clusterStatus(v), nil
	case C.PGRAFT_OP_STAT_PEERS:
		return statPeers(v, n.Peers()), nil
	case C.PGRAFT_OP_REPLICATION_STATUS:
		return replicationStatus(v), nil
	case C.PGRAFT_OP_LOG_STATS:
		b := v.LogBounds()
		return row(b.Bytes, max(b.Last, v.Core.Last), v.Core.Commit, v.Core.Applied), nil
	}
	return result{}, &sqlError{state: "XX000", message: fmt.Sprintf("the engine knows no operation %d", q.op)}
}

// leadTimeout is how long a founder, or a node that was recovered, may take to
// lead: it asks nobody.
const leadTimeout = 5 * time.Second

// initialise returns once who founds a cluster leads it, so that nodes can be added
// at once. Called again it has nothing to do.
func (e *engine) initialise(ctx context.Context, n *node.Node, q request) (result, error) {
	var bootstrap *bool
	if q.args.bootstrap != C.PGRAFT_BOOTSTRAP_NULL {
		bootstrap = new(q.args.bootstrap == C.PGRAFT_BOOTSTRAP_TRUE)
	}
	before, _ := n.State()
	founded, err := n.Init(bootstrap)
	if err != nil || !founded || before != node.Uninitialised {
		return result{}, err
	}
	return awaitLead(ctx, n, result{}, fmt.Sprintf("node %d has founded its cluster", n.ID()))
}

// awaitLead waits until n leads, after something that is durable. If it does not in
// time that is no failure of it.
func awaitLead(ctx context.Context, n *node.Node, done result, what string) (result, error) {
	wait, cancel := context.WithTimeout(ctx, leadTimeout)
	defer cancel()
	switch err := n.AwaitLeader(wait); {
	case err == nil:
		return done, nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return result{notice: what + ", and does not lead it yet"}, nil
	default:
		return result{}, &node.UnfinishedError{Err: fmt.Errorf("%s, and stopped before it led it: %w", what, err)}
	}
}

// recoverCluster is the last resort, so it is asked for twice: the argument
// repeats the cluster_id.
func (e *engine) recoverCluster(ctx context.Context, n *node.Node, q request) (result, error) {
	if id := e.config().node.ClusterID; string(q.data) != id {
		return result{}, &sqlError{state: "22023", message: "confirm does not repeat the cluster_id",
			detail: fmt.Sprintf("It is %q; \"pgraft.cluster_id\" is %q.", q.data, id),
			hint:   "Use this function only when a majority of the nodes is gone for good: what only they had is lost."}
	}
	if err := n.RecoverFromLostQuorum(ctx); err != nil {
		return result{}, err
	}
	only := fmt.Sprintf("node %d is the only member of its cluster now", n.ID())
	return awaitLead(ctx, n, result{notice: only + "; every other node has to start with an empty data_dir before it is added again"}, only)
}

func addNode(ctx context.Context, n *node.Node, q request) (result, error) {
	promoted, err := n.AddNode(ctx, q.args.nodeID, string(q.data), q.args.port)
	if err != nil || promoted {
		return result{}, err
	}
	return result{notice: fmt.Sprintf("node %d was added and is still catching up; it votes once it has", q.args.nodeID)}, nil
}

func replaceNode(ctx context.Context, n *node.Node, q request) (result, error) {
	old, id := q.args.oldNodeID, q.args.nodeID
	replaced, err := n.ReplaceNode(ctx, old, id, string(q.data), q.args.port)
	if err != nil || replaced {
		return result{}, err
	}
	return result{notice: fmt.Sprintf("node %d was added and takes the place of node %d by itself, once it has caught up", id, old)}, nil
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
			v.StateOf(m), v.Core.Term, commit, m.Match, heartbeat(m)})
	}
	return r
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
