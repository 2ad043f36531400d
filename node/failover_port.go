package node

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// portWatch looks at the PostgreSQL port of the primary, as a failover.Watch orders. In an epoch
// a port has to answer once, and counts again only once the node's own connections to its member
// are closed: in between it is left alone.
type portWatch struct {
	tell  func(failover.Port)
	quit  <-chan struct{}
	ended chan struct{}
	wake  chan struct{} // 1 slot

	mu     sync.Mutex
	order  failover.Watch // the newest; Member 0: there was none yet
	closed map[uint64]bool
}

const (
	// portEvery is how often a port is looked at while it counts, and portLimit how long it
	// may take to answer.
	portEvery = 100 * time.Millisecond
	portLimit = 500 * time.Millisecond
)

func newPortWatch(quit <-chan struct{}, tell func(failover.Port)) *portWatch {
	return &portWatch{tell: tell, quit: quit, ended: make(chan struct{}), wake: make(chan struct{}, 1), closed: map[uint64]bool{}}
}

// watch takes an order. It does not wait.
func (p *portWatch) watch(o failover.Watch) {
	p.mu.Lock()
	same := p.order == o
	p.order = o
	p.mu.Unlock()
	if !same {
		poke(p.wake)
	}
}

// peerClosed notes what the transport says of a member's connections.
func (p *portWatch) peerClosed(id uint64, closed bool) {
	p.mu.Lock()
	if p.closed[id] = closed; !closed {
		delete(p.closed, id)
	}
	p.mu.Unlock()
	poke(p.wake)
}

func (p *portWatch) loop() {
	defer close(p.ended)
	t := time.NewTicker(portEvery)
	defer t.Stop()
	var told failover.Port
	answered := false // in this epoch
	for {
		select {
		case <-p.quit:
			return
		case <-p.wake:
		case <-t.C:
		}
		p.mu.Lock()
		o := p.order
		reset := p.closed[o.Member]
		p.mu.Unlock()
		if o.Member == 0 {
			continue
		}
		now := told
		if o.Member != now.Member || o.Epoch != now.Epoch {
			now, answered = failover.Port{Member: o.Member, Epoch: o.Epoch}, false
		}
		if now.Reset = reset; reset || !answered {
			now.Answers, now.Refuses = p.dial(o.Address)
			answered = answered || now.Answers
		}
		if now != told {
			told = now
			p.tell(now)
		}
	}
}

// dial says whether a port takes a connection, or refuses one. Neither: nothing is known.
func (p *portWatch) dial(address string) (answers, refuses bool) {
	c, err := net.DialTimeout("tcp", address, portLimit)
	if err != nil {
		return false, errors.Is(err, syscall.ECONNREFUSED)
	}
	c.Close() // nothing was asked
	return true, false
}
