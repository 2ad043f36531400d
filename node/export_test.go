package node

import (
	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
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

// FailOver has the node carry out what package failover decides.
func (n *Node) FailOver() {
	n.mu.Lock()
	r := n.run
	n.mu.Unlock()
	r.Failover(core.FailoverOutput{})
}

// Greet answers hello as a connection of a peer does.
func (n *Node) Greet(hello *corepb.Hello) *corepb.Welcome { return (*peers)(n).Greet(hello) }
