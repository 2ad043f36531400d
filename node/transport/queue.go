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
		poke(p.wake)
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
		var c *conn
		if c, batch = p.take(batch[:0]); c == nil {
			select {
			case <-p.wake:
				continue
			case <-p.ctx.Done():
				return
			}
		}
		err := c.write(batch)
		if err != nil {
			p.detach(c, err)
		}
		p.written(batch, err)
		clear(batch) // the payloads must not outlive their turn
	}
}

// take moves the front of the queue into batch: about maxBatchBytes, at least
// one message. No conn: there is nothing to write, or nowhere to write it.
func (p *peer) take(batch []core.Send) (*conn, []core.Send) {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	c := p.best()
	front := p.queue[p.head:]
	if c == nil || len(front) == 0 {
		return nil, batch
	}
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

// written accounts for a batch, all of it lost if err is not nil.
func (p *peer) written(batch []core.Send, err error) {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
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
	if p.queueBytes <= p.t.cfg.QueueBytes/2 && p.queueMessages <= p.t.cfg.QueueMessages/2 {
		p.overflow = false
	}
	if p.queueMessages == 0 {
		poke(p.idle)
	}
}
