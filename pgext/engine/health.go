package main

// #include "engine.h"
import "C"

import (
	"context"

	"github.com/pgraft/pgraft/node/health"
)

// health answers with a row for every metric, in every state of the node. What
// is not known has a NULL for its value.
func (e *engine) health(ctx context.Context) result {
	var r result
	for _, f := range e.findings(ctx) {
		var value any
		if f.Status != health.Unknown || f.Value != "" {
			value = f.Value
		}
		r.rows = append(r.rows, []any{f.Metric, value, f.Status})
	}
	return r
}

// findings are what is judged healthy.
func (e *engine) findings(ctx context.Context) []health.Finding {
	n := e.openNode()
	v, err := view(ctx, n)
	cfg := e.config().node
	found := health.Check(n, v, err, e.openFailure(), e.workerState(), cfg.ElectionTimeout, cfg.HeartbeatInterval)
	for i := range found {
		if why := e.trouble(); why != nil && found[i].Metric == health.WorkerState {
			found[i].Value += ": " + why.Error()
		}
	}
	return found
}

// trouble is why there is no node that works; nil if none is known.
func (e *engine) trouble() error {
	if err := e.openFailure(); err != nil {
		return err
	}
	if n := e.openNode(); n != nil {
		_, failure := n.State()
		return failure
	}
	return nil
}
