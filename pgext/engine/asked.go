package main

// #include "engine.h"
import "C"

import (
	"context"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// asked is a request under way. What waits for the cluster is a Call of the node;
// anything else has a goroutine, and so has a Call while the node is being opened.
type asked struct {
	node.Call
	e *engine
	q request

	cancel context.CancelFunc // of the goroutine; nil: there is none

	// Of a Call, set before it is submitted.
	node  *node.Node
	until time.Time

	submitted bool // the Call was; guarded by engine.mu
}

// isCall says that a request waits for the cluster.
func (a *asked) isCall() bool {
	switch a.q.op {
	case C.PGRAFT_OP_PROPOSE:
		return len(a.q.data) <= a.q.maxEntry
	case C.PGRAFT_OP_CONFIRM_LEADER, C.PGRAFT_OP_READ_BARRIER, C.PGRAFT_OP_WAIT_APPLIED:
		return true
	}
	return false
}

// submit starts requests, in their order, and says how many: the first ones. The
// others are too many at once. It is called by the worker's main thread, and so is
// cancel.
func (e *engine) submit(qs []request) int {
	if slices.ContainsFunc(qs, func(q request) bool { return q.op != C.PGRAFT_OP_APPLY_NEXT }) { // that waits for what comes
		e.pace.work()
	}
	n, now := e.openNode(), time.Now()
	all := make([]asked, len(qs))
	calls := make([]*node.Call, 0, len(qs))
	e.mu.Lock()
	taken := all[:max(0, min(len(all), maxRequests-len(e.waiting)))]
	for i := range taken {
		a := &all[i]
		a.e, a.q = e, qs[i]
		e.waiting[a.q.id] = a
		if n != nil && a.isCall() {
			a.submitted = true
			calls = append(calls, a.makeCall(n, now))
		}
	}
	e.mu.Unlock()
	if len(calls) > 0 {
		n.Submit(calls)
	}
	for i := range taken {
		if a := &all[i]; !a.submitted {
			a.start()
		}
	}
	return len(taken)
}

// makeCall makes a's Call, for n.
func (a *asked) makeCall(n *node.Node, now time.Time) *node.Call {
	a.node, a.until = n, now.Add(a.q.timeout)
	a.Input, a.Done, a.Timeout = a.input, a.done, a.q.timeout
	return &a.Call
}

// start carries a request out in a goroutine.
func (a *asked) start() {
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(a.e.ended)
	a.e.spawn(func() {
		defer a.cancel()
		if a.isCall() {
			a.submitLate(ctx)
			return
		}
		a.answer(a.e.do(ctx, a.q))
	})
}

// submitLate waits for the node first.
func (a *asked) submitLate(ctx context.Context) {
	n, err := a.e.running(ctx)
	if err != nil {
		a.answer(result{}, err)
		return
	}
	n.Submit([]*node.Call{a.makeCall(n, time.Now())})
	a.e.mu.Lock()
	a.submitted = true
	_, wanted := a.e.waiting[a.q.id]
	a.e.mu.Unlock()
	if !wanted {
		n.Cancel(&a.Call)
	}
}

// input is what the core is asked.
func (a *asked) input(id uint64) core.Input {
	switch a.q.op {
	case C.PGRAFT_OP_PROPOSE:
		return core.Propose{ID: id, RequestID: a.q.requestID, Data: a.q.data}
	case C.PGRAFT_OP_CONFIRM_LEADER:
		return core.ConfirmLeader{ID: id}
	case C.PGRAFT_OP_READ_BARRIER:
		return core.ReadBarrier{ID: id}
	}
	return core.WaitApplied{ID: id, Index: uint64(a.q.args.index)}
}

// done answers with what the core said. It does not wait, as the goroutine that owns
// the core calls it: what has to ask the node more gets a goroutine. All that a step
// has answered is given at once, by records.give.
func (a *asked) done(rep core.Reply, err error) {
	if err != nil || a.q.op == C.PGRAFT_OP_PROPOSE && a.q.args.chosen {
		a.e.spawn(func() { a.answer(a.outcome(rep, err)) })
		return
	}
	if !a.wanted() {
		return
	}
	a.e.records.reply(a.q.id, func(b []byte) []byte {
		switch a.q.op {
		case C.PGRAFT_OP_PROPOSE:
			return appendNumbers(b, rep.Index, rep.Term)
		case C.PGRAFT_OP_CONFIRM_LEADER:
			return appendNumbers(b, rep.Term)
		case C.PGRAFT_OP_READ_BARRIER:
			return appendNumbers(b, rep.Index)
		}
		return appendResult(b, row(true))
	})
}

// outcome is what a Call comes to that is not just done. It may ask the node.
func (a *asked) outcome(rep core.Reply, err error) (result, error) {
	if a.q.op == C.PGRAFT_OP_PROPOSE {
		return proposed(a.e.ended, a.node, a.q, rep, err)
	}
	return unread(a.q, err, !time.Now().Before(a.until))
}

// answer gives the reply, if anybody still waits for it.
func (a *asked) answer(r result, err error) {
	var failed *sqlError
	if err != nil {
		failed = a.e.sqlError(err)
	}
	if !a.wanted() {
		return
	}
	a.e.records.reply(a.q.id, func(b []byte) []byte {
		if failed != nil {
			return appendError(b, failed)
		}
		return appendResult(b, r)
	})
	a.e.records.give()
}

// wanted ends a request, and says whether somebody waits for its reply. Whoever
// waits for one that changes nothing sees an engine go that has ended, and asks the
// next one.
func (a *asked) wanted() bool {
	e := a.e
	e.mu.Lock()
	_, wanted := e.waiting[a.q.id]
	delete(e.waiting, a.q.id)
	e.mu.Unlock()
	return wanted && (e.ended.Err() == nil || a.q.writes())
}

// cancel says that nobody waits for the reply to a request any more.
func (e *engine) cancel(id uint64) {
	e.mu.Lock()
	a := e.waiting[id]
	delete(e.waiting, id)
	e.mu.Unlock()
	if a != nil {
		a.giveUp()
	}
}

func (a *asked) giveUp() {
	if a.cancel != nil {
		a.cancel()
	}
	a.e.mu.Lock()
	submitted := a.submitted
	a.e.mu.Unlock()
	if submitted {
		a.node.Cancel(&a.Call)
	}
}

// giveUpAll has the node answer all Calls. The goroutines see the engine's end.
func (e *engine) giveUpAll() {
	e.mu.Lock()
	all := make([]*asked, 0, len(e.waiting))
	for _, a := range e.waiting {
		all = append(all, a)
	}
	e.mu.Unlock()
	for _, a := range all {
		a.giveUp()
	}
}
