package node

import (
	"context"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// RetainedFrom is the index that the log store keeps everything from; 0 = none.
func (n *Node) RetainedFrom() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cfg.Retention.RetainFrom
}

// DiskHangs says whether Reload would be refused for it.
func (n *Node) DiskHangs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.diskHangs()
}

// Kill ends n as a process that dies does, as far as the others can tell: a leader hands
// nothing over.
func (n *Node) Kill() error {
	n.closing.Do(func() { n.closed = n.end() })
	return n.closed
}

// Greet answers hello as a connection of a peer does.
func (n *Node) Greet(hello *corepb.Hello) *corepb.Welcome { return (*peers)(n).Greet(hello) }

// FailoverState is what the core has of failover.
func (n *Node) FailoverState(ctx context.Context) (failover.State, error) {
	r, err := n.running()
	if err != nil {
		return failover.State{}, err
	}
	answer := make(chan failover.State, 1)
	r.put(func() { answer <- r.core.FailoverState() })
	select {
	case s := <-answer:
		return s, nil
	case <-r.ended:
		return failover.State{}, ErrNotRunning
	case <-ctx.Done():
		return failover.State{}, ctx.Err()
	}
}

// Join and Operate are what an operator asks of the core.
func (n *Node) Join(j failover.Joining) { n.runner().put(core.FailoverJoin{Joining: j}) }

func (n *Node) Operate(ctx context.Context, e failover.Entry) error {
	requestID := newUUID()
	_, err := n.ask(ctx, func(id uint64) core.Input { return core.ProposeFailover{ID: id, RequestID: requestID, Entry: e} })
	return err
}
