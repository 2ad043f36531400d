package main

// #include "engine.h"
import "C"

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// proposed is what a proposal comes to that was refused, or whose request id the
// caller chose.
func proposed(ctx context.Context, n *node.Node, q request, rep core.Reply, err error) (result, error) {
	if err != nil {
		return result{}, &proposeError{q.requestID, err}
	}
	if err := sameEntry(ctx, n, rep.Index, q); err != nil {
		return result{}, err
	}
	return row(rep.Index, rep.Term), nil
}

// tooLarge refuses an entry.
func tooLarge(q request) error {
	return &sqlError{state: "54000", message: "the entry is too large",
		detail: fmt.Sprintf("It has %d bytes; \"pgraft.max_entry_size\" allows %d.", len(q.data), q.maxEntry)}
}

// sameEntry refuses a request id that stands for other data: whoever takes one
// twice by mistake must not believe that the second entry is in the log. Where
// the log no longer reaches, or has a gap, it takes the caller's word.
func sameEntry(ctx context.Context, n *node.Node, index uint64, q request) error {
	data, ok, err := n.Entry(ctx, index)
	var gone *store.CompactedError
	var gap *store.GapError
	switch {
	case errors.As(err, &gone), errors.As(err, &gap):
		return nil
	case err != nil:
		// It is committed, so this must not read like a plain failure.
		return &proposeError{q.requestID, &node.RequestError{Code: core.Unknown, Text: fmt.Sprintf("look at entry %d, which it became: %v", index, err)}}
	case !ok || !bytes.Equal(data, q.data):
		return &sqlError{state: "22023", message: fmt.Sprintf("request_id %s stands for other data", uuidText(q.requestID)),
			detail: fmt.Sprintf("The entry at index %d has this request_id and %d bytes of other data.", index, len(data)),
			hint:   "Take a new request_id for every entry; use one again only to retry."}
	}
	return nil
}

// unread is what a question comes to that waits for the cluster, and was not answered.
// late: its time was over.
func unread(q request, err error, late bool) (result, error) {
	var refused *node.RequestError
	unknown := errors.As(err, &refused) && refused.Code == core.Unknown // nothing is left open by a read
	switch {
	case unknown && late && q.op == C.PGRAFT_OP_WAIT_APPLIED:
		return row(false), nil
	case unknown && late:
		err = &sqlError{state: "57P03", message: "no quorum of the cluster answered in time", // cannot_connect_now
			detail: "\"pgraft.propose_timeout\" says how long to wait.",
			hint:   "pgraft_health_check() shows what is missing."}
	case unknown:
		err = &sqlError{state: "57P03", message: "this node stopped before it could answer"}
	}
	return result{}, err
}

func checkIndex(index int64) error {
	if index < 1 {
		return &sqlError{state: "22003", message: fmt.Sprintf("log index %d is out of range", index), detail: "The log begins at index 1."}
	}
	return nil
}

func logEntry(ctx context.Context, n *node.Node, q request) (result, error) {
	if err := checkIndex(q.args.index); err != nil {
		return result{}, err
	}
	data, ok, err := n.Entry(ctx, uint64(q.args.index))
	if err != nil {
		return result{}, indexError(q.args.index, err)
	}
	if !ok {
		return row(nil), nil
	}
	return row(data), nil
}

// pieceBytes bounds the data in one answer of log entries, but for the last one.
const pieceBytes = 1 << 20

// logEntries answers with the first entries of those asked for.
func logEntries(ctx context.Context, n *node.Node, q request) (result, error) {
	if err := checkIndex(q.args.index); err != nil {
		return result{}, err
	}
	if q.args.last < q.args.index {
		return result{}, nil
	}
	es, err := n.Entries(ctx, uint64(q.args.index), uint64(q.args.last), pieceBytes)
	if err != nil {
		return result{}, indexError(q.args.index, err)
	}
	var r result
	for _, e := range es {
		kind, data, err := describe(e)
		if err != nil {
			return result{}, err
		}
		r.rows = append(r.rows, []any{e.Index, e.Term, kind, data})
	}
	return r, nil
}

// describe says what an entry is; data is nil for one of Raft's own.
func describe(e core.Entry) (kind string, data any, err error) {
	user, ok, err := core.UserData(e)
	v, raises, _ := core.ClusterVersion(e) // the same error
	switch {
	case err != nil:
		return "", nil, err
	case raises:
		return fmt.Sprintf("cluster version %d", v), nil, nil
	case ok && user == nil:
		return "data", "", nil // nil stands for NULL
	case ok:
		return "data", user, nil
	case e.Index == core.FoundingIndex:
		return "founding", nil, nil
	case e.Kind == core.EntryNormal:
		return "leader", nil, nil
	}
	kind, err = membership(e)
	return kind, nil, err
}

func membership(e core.Entry) (string, error) {
	ch, ok, err := core.Change(e)
	if err != nil {
		return "", err
	}
	if !ok {
		return "membership", nil // the end of a change in two steps
	}
	id := core.NodeID(ch.GetMember().GetRaftId())
	if old := ch.GetMember().GetReplaces(); ch.GetStep() == corepb.MemberChange_REPLACE {
		return fmt.Sprintf("replace node %d by node %d", core.NodeID(old), id), nil
	}
	return fmt.Sprintf("%s node %d", strings.ToLower(ch.GetStep().String()), id), nil
}
