package transport

import (
	"github.com/pgraft/pgraft/core"
)

// enqueue takes s for p or drops it. Under t.mu.
func (p *peer) enqueue(s core.Send) {
	cfg := &p.t.cfg
	switch {
	case len(s.Data) > maxFrameBytes, p.down, p.sealed:
		p.drop(s)
	case p.queueBytes+len(s.Data) > cfg.QueueBytes, p.queueMessages >= cfg.QueueMessages:
		if !p.overflow {
			p.overflow = true
			p.t.reports.unreachable(p.id)
		}
		p.drop(s)
	default:
		p.queue = append(p.queue, s)
		p.queueBytes += len(s.Data)
		p.queueMessages++
	}
}

// maxDirectBytes is how much may be queued for a member for Send to write it itself.
const maxDirectBytes = 64 << 10

// direct writes what is queued, if nobody writes to p and the socket takes it at once:
// a goroutine that has to be woken for a short message costs more than the message. What
// is left is writeLoop's. Under t.mu, which it lets go of meanwhile.
func (p *peer) direct() {
	c := p.best()
	if c == nil || c.now == nil || p.busy || p.queueBytes > maxDirectBytes {
		poke(p.wake)
		return
	}
	c, p.batch = p.take(p.batch[:0])
	if c == nil {
		return
	}
	p.t.mu.Unlock()
	rest, err := c.writeNow(p.batch)
	if err != nil {
		p.detach(c, err)
	}
	p.t.mu.Lock()
	if err == nil && len(rest) > 0 {
		p.rest, p.restOf = rest, c
		if p.ctx.Err() != nil {
			p.dropRest()
		}
		poke(p.wake)
		return
	}
	p.written(p.batch, err)
}

// dropRest gives up what direct has left and nobody writes yet. Under t.mu.
func (p *peer) dropRest() {
	if p.rest != nil {
		p.rest, p.restOf = nil, nil
		p.written(p.batch, errUnlisted)
	}
}

// drop gives s up. Under t.mu.
func (p *peer) drop(s core.Send) {
	p.droppedOut.Add(1)
	if s.Snapshot {
		p.t.reports.snapshot(p.id, false)
	}
}

// dropQueue gives up what is queued, not what is being written. Under t.mu.
func (p *peer) dropQueue() {
	for _, s := range p.queue[p.head:] {
		p.queueBytes -= len(s.Data)
		p.queueMessages--
		p.drop(s)
	}
	p.queue, p.head = nil, 0
}

// writeLoop writes the queue to whichever connection is best, for as long as p
// lives.
func (p *peer) writeLoop() {
	batch := make([]core.Send, 0, 64)
	for {
		c, rest := p.next(&batch)
		if c == nil {
			select {
			case <-p.wake:
				continue
			case <-p.ctx.Done():
				return
			}
		}
		var err error
		if rest != nil {
			err = c.writeRest(rest)
		} else {
			err = c.write(batch)
		}
		if err != nil {
			p.detach(c, err)
		}
		p.t.mu.Lock()
		p.written(batch, err)
		p.t.mu.Unlock()
	}
}

// next is what writeLoop has to write: what direct has left of a batch, or the next
// one. No conn: there is nothing.
func (p *peer) next(batch *[]core.Send) (c *conn, rest []byte) {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	if p.rest != nil {
		c, rest = p.restOf, p.rest
		p.rest, p.restOf = nil, nil
		*batch, p.batch = p.batch, *batch
		return c, rest
	}
	if p.busy {
		return nil, nil // who writes wakes writeLoop when there is more
	}
	c, *batch = p.take((*batch)[:0])
	return c, nil
}

// take moves the front of the queue into batch: about maxBatchBytes, at least
// one message. No conn: there is nothing to write, or nowhere to write it; else p is
// busy until written. Under t.mu.
func (p *peer) take(batch []core.Send) (*conn, []core.Send) {
	c := p.best()
	front := p.queue[p.head:]
	if c == nil || len(front) == 0 {
		return nil, batch
	}
	p.busy = true
	c.sent, p.reported = true, false
	n, bytes := 0, 0
	for n < len(front) && bytes < maxBatchBytes {
		bytes += len(front[n].Data)
		n++
	}
	batch = append(batch, front[:n]...)
	clear(front[:n])
	if p.head += n; p.head > len(p.queue)/2 { // the rest is the smaller part: move it
		rest := copy(p.queue, p.queue[p.head:])
		clear(p.queue[rest:])
		p.queue, p.head = p.queue[:rest], 0
	}
	return c, batch
}

// written accounts for a batch, all of it lost if err is not nil. Under t.mu.
func (p *peer) written(batch []core.Send, err error) {
	for _, s := range batch {
		p.queueBytes -= len(s.Data)
		p.queueMessages--
		if err != nil {
			p.drop(s)
			continue
		}
		p.messagesOut.Add(1)
		p.bytesOut.Add(frameHeaderBytes + uint64(len(s.Data)))
		if s.Snapshot {
			p.t.reports.snapshot(p.id, true)
		}
	}
	clear(batch) // the payloads must not outlive their turn
	p.busy = false
	if p.queueBytes <= p.t.cfg.QueueBytes/2 && p.queueMessages <= p.t.cfg.QueueMessages/2 {
		p.overflow = false
	}
	if p.queueMessages == 0 {
		poke(p.idle)
	} else {
		poke(p.wake)
	}
}
