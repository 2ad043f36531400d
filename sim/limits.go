package sim

import "github.com/pgraft/pgraft/core"

// forgetsRequests says that a request id is forgotten within a run. A client that
// sends a request again so late would have it committed twice, and rightly.
func (w *World) forgetsRequests() bool { return w.shape.timing.Limits.RequestWindow > 0 }

// tries is how often a client sends a request at most. It waits for each answer for
// some seconds: twice that is within 200 entries, as the standard workload goes.
func (w *World) tries() int {
	switch window := w.shape.timing.Limits.RequestWindow; {
	case window == 0:
		return maxTries
	case window < 200:
		return 1
	}
	return 2
}

// reachedCommitted marks that more was committed than may be applied in one go.
func (w *World) reachedCommitted(n *node, as []core.Apply) {
	bound := w.shape.timing.Limits.CommittedBytes
	if bound == 0 {
		return
	}
	bytes := uint64(0)
	for i := range as[:len(as)-1] {
		bytes += uint64(len(as[i].Data))
	}
	if bytes > bound {
		w.fail(checkBounds, "%v applies %d bytes in one go and one entry more, %d are the most", n, bytes, bound)
	}
	if n.status.Applied < n.status.Commit {
		w.marks.add(markAppliedInParts)
	}
}

// reachedWindow marks a request that was given up because it could no longer be
// told from a new one.
func (w *World) reachedWindow(q *request, r core.Reply) {
	if w.forgetsRequests() && r.Code == core.Unknown && q.node.status.Applied > q.since+w.shape.timing.Limits.RequestWindow/2 {
		w.marks.add(markWindowPassed)
		q.op.tooOld = true
	}
}

// reachedMarks marks snapshots that a core must have let go: all since its log
// began are over the bound, and the log itself is not.
func (w *World) reachedMarks(n *node, b *core.Persist) {
	seen, bound := &n.seen, w.shape.timing.Limits.MarkBytes
	switch {
	case bound == 0 || n.timing.MaxTailBytes != 0:
	case b.Snapshot != nil:
		seen.markBytes, seen.marks = 0, 0
	case b.Mark != nil:
		seen.markBytes += uint64(len(b.Mark.Data))
		if seen.marks++; seen.marks > 2 && seen.markBytes > bound {
			w.marks.add(markMarkDropped)
		}
	}
}
