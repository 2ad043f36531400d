package main

// #include "engine.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// sqlError is an error as PostgreSQL reports it. Texts follow the error message
// style of its manual.
type sqlError struct {
	state   string // SQLSTATE
	message string
	detail  string // empty: none
	hint    string // empty: none

	notStarted bool // the node, and nothing of the request was tried
}

func (e *sqlError) Error() string { return e.message }

// proposeError is an error of a proposal, with its request id.
type proposeError struct {
	id  [16]byte
	err error
}

func (e *proposeError) Error() string { return e.err.Error() }
func (e *proposeError) Unwrap() error { return e.err }

// states maps the core's refusals. What needs another state of affairs first is
// 55000 (object_not_in_prerequisite_state).
var states = map[core.Code]string{
	core.NotLeader:     "55000",
	core.Busy:          "53000", // insufficient_resources
	core.TooLarge:      "54000", // program_limit_exceeded
	core.Unknown:       "40003", // statement_completion_unknown
	core.NoSuchNode:    "42704", // undefined_object
	core.Conflict:      "42710", // duplicate_object
	core.LastVoter:     "55000",
	core.QuorumAtRisk:  "55000",
	core.NotPossible:   "55000",
	core.RemovedMember: "55000",
	core.NoRoom:        "53100", // disk_full
}

var hints = map[core.Code]string{
	core.Busy:          "Try again later.",
	core.Unknown:       "Look for its effect before doing it again.",
	core.LastVoter:     "Add another node first. To give the cluster up, stop the server.",
	core.QuorumAtRisk:  "Bring other nodes back first.",
	core.RemovedMember: removedHint,
	core.NoRoom:        roomHint,
}

const roomHint = "Make room on the file system of pgraft.data_dir there: it goes on by itself. Until then ask a node that has room."

const removedHint = "To have it back: stop the server, empty pgraft.data_dir, start it, run SELECT pgraft_init(false), and add it on the leader; with pgraft.failover on, empty the data directory and run pgraft join instead."

// sqlError finds the way to say err.
func (e *engine) sqlError(err error) *sqlError {
	var s *sqlError
	var r *node.RequestError
	var p *node.ProbeError
	var h *node.HistoryError
	var u *node.UnfinishedError
	var o *node.OpenError
	if failed := failoverError(err); failed != nil {
		return failed
	}
	switch {
	case errors.As(err, &s):
		return s
	case errors.As(err, &r):
		return e.requestError(err, r)
	case errors.As(err, &u):
		return &sqlError{state: "40003", message: "it is not known whether all of it took effect: " + u.Error(), hint: hints[core.Unknown]}
	case errors.As(err, &p) && p.Unreachable:
		return &sqlError{state: "08001", message: p.Text, detail: p.Detail, hint: p.Hint} // sqlclient_unable_to_establish_sqlconnection
	case errors.As(err, &p) && p.Invalid:
		return &sqlError{state: "22023", message: p.Text, detail: p.Detail, hint: p.Hint} // invalid_parameter_value
	case errors.As(err, &p):
		return &sqlError{state: "55000", message: p.Text, detail: p.Detail, hint: p.Hint}
	case errors.As(err, &h):
		return &sqlError{state: "57P03", message: h.Error(), // cannot_connect_now
			hint: "They are asked again."}
	case errors.As(err, &o):
		return &sqlError{state: "55000", message: o.Text, hint: o.Hint}
	case errors.Is(err, node.ErrNotInitialised):
		return &sqlError{state: "55000", message: "this server's Raft node is not initialised",
			hint: "Run SELECT pgraft_init()."}
	case errors.Is(err, node.ErrQuorumThere):
		return &sqlError{state: "55000", message: "the cluster has not lost its quorum", detail: sentence(err, node.ErrQuorumThere),
			hint: "Remove nodes that are gone with pgraft_remove_node() on the leader."}
	case errors.Is(err, node.ErrNoRecovery):
		return &sqlError{state: "55000", message: "this node cannot be recovered", detail: sentence(err, node.ErrNoRecovery)}
	case errors.Is(err, node.ErrContradiction):
		return &sqlError{state: "55000", message: "the argument of pgraft_init() contradicts this node's data directory",
			detail: sentence(err, node.ErrContradiction),
			hint:   "Call pgraft_init() without an argument."}
	case errors.Is(err, node.ErrFoundingBegun):
		return &sqlError{state: "55000", message: err.Error(),
			hint: "Call pgraft_init(bootstrap => true), or empty pgraft.data_dir first."}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &sqlError{state: "57014", message: err.Error()} // query_canceled
	case errors.Is(err, node.ErrNotRunning):
		return e.notRunning(err)
	}
	if state, failure := e.nodeState(); state == node.Failed {
		if node.MayPass(failure) {
			return &sqlError{state: "58030", message: failure.Error(),
				hint: "The other members go on without this node. Once the cause is removed, it starts by itself."}
		}
		return &sqlError{state: "58030", message: failure.Error(), // io_error
			hint: "The other members go on without this node. Repair the cause, then restart the server."}
	}
	if isFull(err) {
		return &sqlError{state: "53100", message: err.Error(), hint: "Make room on the file system of pgraft.data_dir, then repeat it."}
	}
	return &sqlError{state: "58030", message: err.Error()}
}

// sentence is what err says beyond the sentinel that it wraps, as a DETAIL.
func sentence(err, sentinel error) string {
	s := strings.TrimPrefix(strings.TrimPrefix(err.Error(), sentinel.Error()+": "), "core: ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func (e *engine) nodeState() (node.State, error) {
	if e.node == nil {
		return node.Closed, nil
	}
	return e.node.State()
}

func (e *engine) notRunning(err error) *sqlError {
	switch state, _ := e.nodeState(); state {
	case node.Removed:
		return &sqlError{state: "55000", message: "this node was removed from its cluster", hint: removedHint}
	case node.Waiting:
		return &sqlError{state: "55000", message: "this node does not belong to a cluster yet",
			hint: "Run pgraft_add_node() for it on the cluster's leader."}
	}
	return &sqlError{state: "57P01", message: err.Error()} // admin_shutdown
}

// requestError adds what only this side knows: who leads, the request id.
func (e *engine) requestError(err error, r *node.RequestError) *sqlError {
	s := &sqlError{state: states[r.Code], message: r.Text, detail: r.Detail, hint: hints[r.Code]}
	var p *proposeError
	switch {
	case r.Code == core.NotLeader:
		s.hint = e.leaderHint()
	case r.Code == core.Unknown && errors.As(err, &p):
		s.message = "it is not known whether the entry was committed: " + r.Text
		s.detail = fmt.Sprintf("The request_id is %s.", uuidText(p.id))
		s.hint = C.PGRAFT_HINT_PROPOSE_AGAIN
	case r.Code == core.TooLarge:
		s.detail = fmt.Sprintf("The limit is %d bytes.", maxEntryBytes)
	}
	return s
}

// hintTimeout bounds the question who leads.
const hintTimeout = time.Second

func (e *engine) leaderHint() string {
	ctx, done := context.WithTimeout(e.ended, hintTimeout)
	defer done()
	v, err := e.node.View(ctx)
	if err != nil {
		return "This node does not know who leads."
	}
	var m *corepb.Member
	if m = v.Leader(); m == nil || v.Core.Lead == v.Core.RaftID {
		return "No leader is known at the moment. Try again once pgraft_get_leader() is greater than 0."
	}
	return fmt.Sprintf("The leader is node %d, at %s:%d: run this there.", core.NodeID(m.GetRaftId()), m.GetAddress(), m.GetPort())
}

// indexError is for a log index that the log does not hold.
func indexError(index int64, err error) error {
	var compacted *store.CompactedError
	var beyond *store.BeyondError
	var missing *node.MissingError
	switch {
	case errors.As(err, &compacted):
		return &sqlError{state: "22003", message: fmt.Sprintf("log index %d is no longer in the log", index),
			detail: fmt.Sprintf("The log begins at index %d.", compacted.First),
			hint:   "Raise pgraft.retain_entries and pgraft.retain_size to keep more of it."}
	case errors.As(err, &beyond):
		return &sqlError{state: "22003", message: fmt.Sprintf("log index %d is beyond the log", index),
			detail: fmt.Sprintf("The last index that this node has applied is %d.", beyond.Last)}
	case errors.As(err, &missing) && missing.Gone:
		gap := missing.Err.Gap
		return &sqlError{state: "22003", message: fmt.Sprintf("log index %d is not in this node's log", index),
			detail: fmt.Sprintf("The leader sent a snapshot in place of entries %d to %d, and no node's log holds all of them any more.", gap.From, gap.To),
			hint:   "Raise pgraft.retain_entries and pgraft.retain_size on all nodes to keep more of the log for nodes that are away."}
	case errors.As(err, &missing):
		gap := missing.Err.Gap
		return &sqlError{state: "55000", message: fmt.Sprintf("log index %d is not in this node's log yet", index), // object_not_in_prerequisite_state
			detail: fmt.Sprintf("The leader sent a snapshot in place of entries %d to %d, which are being fetched from other nodes.", gap.From, gap.To),
			hint:   "Try again later, or ask a node whose log holds it."}
	}
	return err
}
