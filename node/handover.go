package node

import (
	"context"

	"github.com/pgraft/pgraft/core"
)

// handOver has a leader hand leadership over before it stops, so that the others need no
// election. It waits for that for a heartbeat interval: what comes to nothing so long is
// left to an election. Who does not lead is told so at once.
func (n *Node) handOver() {
	n.mu.Lock()
	r, running, limit := n.run, n.state == Running, n.cfg.HeartbeatInterval
	n.mu.Unlock()
	if !running {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	done := make(chan struct{})
	n.cfg.Go(func() { // its end may have to wait for room, or for who owns the core
		defer close(done)
		r.do(ctx, func(id uint64) core.Input { return core.TransferLeader{ID: id} })
	})
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
