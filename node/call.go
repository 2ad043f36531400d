package node

import (
	"context"
	"time"

	"github.com/pgraft/pgraft/core"
)

// Call is a request that no goroutine waits for. A Call is submitted once; what is
// exported of it does not change from then on.
type Call struct {
	// Input makes the request: a Propose, ReadBarrier, ConfirmLeader or WaitApplied
	// with this id. It can be called again, with another id, when Reload has put
	// another core in place.
	Input func(id uint64) core.Input
	// Timeout is how long the Call may take; then it is given up as Cancel does. 0:
	// as long as it takes.
	Timeout time.Duration
	// Done gets the outcome, once: what Propose and the others return. It is called by
	// any goroutine, also from inside Submit, and must not block.
	Done func(core.Reply, error)

	cancel context.CancelFunc
}

// Submit hands in requests and does not wait for their outcome. What cannot be asked
// now is Done with an error before Submit returns.
func (n *Node) Submit(calls []*Call) {
	for _, c := range calls {
		ctx := context.Background()
		if c.Timeout > 0 {
			ctx, c.cancel = context.WithTimeout(ctx, c.Timeout)
		} else {
			ctx, c.cancel = context.WithCancel(ctx)
		}
		n.cfg.Go(func() {
			defer c.cancel()
			n.carryOut(ctx, c)
		})
	}
}

func (n *Node) carryOut(ctx context.Context, c *Call) {
	began, proposal := time.Now(), false
	rep, err := n.ask(ctx, func(id uint64) core.Input {
		in := c.Input(id)
		_, proposal = in.(core.Propose)
		return in
	})
	if proposal {
		n.stats.proposed(began, err)
	}
	c.Done(rep, err)
	n.cfg.Answered()
}

// Cancel says that nobody waits for a Call any longer. Done still comes: with an error
// of code core.Unknown, unless the outcome was known just then.
func (n *Node) Cancel(c *Call) { c.cancel() }
