package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// closeLimit is how long Close waits for a disk that hangs, unless Config.CloseLimit
// says otherwise, and after how long others take a disk for one that hangs.
const closeLimit = 4 * time.Second

// Close stops everything and closes the store. A leader hands leadership over before,
// which takes a heartbeat interval at most. Every call returns when that is
// done, with what came of it, or after CloseLimit with ErrDiskHangs: then the
// store is as a crash would leave it, and what it had not written was not
// acknowledged. If the process goes on, so does the closing.
func (n *Node) Close() error {
	n.closing.Do(func() {
		done, limit := make(chan error, 1), cmp.Or(n.cfg.CloseLimit, closeLimit)
		n.cfg.Go(func() { done <- n.close() })
		select {
		case n.closed = <-done:
		case <-time.After(limit):
			n.closed = fmt.Errorf("%w: %s was not closed within %v", ErrDiskHangs, n.cfg.DataDir, limit)
		}
	})
	return n.closed
}

func (n *Node) close() error {
	n.handOver()
	return n.end()
}

// end stops everything, whoever leads.
func (n *Node) end() error {
	close(n.ended)
	n.mu.Lock()
	run, serving := n.run, n.host
	n.setState(Closed)
	n.mu.Unlock()
	if run != nil {
		run.stop()
		run.wait(context.Background())
	}
	err := errors.Join(n.net.Close(), n.awaitHost(serving))
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(err, n.closeStore())
}

func (n *Node) closeStore() error {
	if n.store == nil {
		return nil
	}
	s := n.store
	n.store = nil
	return s.Close()
}
