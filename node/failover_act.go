package node

import (
	"cmp"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// The acts of a host, carried out: some are the node's own, the server does the others.

// does carries acts out in their order; false: one of them was not, nor were those behind it.
func (h *serverHost) does(what string, acts ...host.Act) bool {
	for _, a := range acts {
		if h.over() {
			return false
		}
		m := h.mem
		m.Does(a)
		if !h.remembers(m) || !h.act(what, a) {
			return false
		}
	}
	return true
}

func (h *serverHost) act(what string, a host.Act) bool {
	switch a := a.(type) {
	case host.NoteStore:
		if !h.n.noteStore(a.Store, h.quit) {
			return false
		}
		h.notes.Store = a.Store
		return true
	case host.TrustData:
		return h.does(what, host.Whole(h.notes, newNonce())...)
	case host.LookUp:
		have, ends, err := h.server.LookUp(a.Order)
		if h.works(what, err) {
			h.r.put(core.FailoverCompared{Compared: host.Compared(a.Order, have, ends)})
		}
		return err == nil
	}
	err := h.server.Do(a)
	switch a := a.(type) {
	case host.NoteData:
		if h.hasData = err == nil; h.hasData {
			h.notes.Data = a.Data.Clone()
		}
	case host.EndSources:
		if err == nil {
			h.sealing = &a.Order
		}
	}
	return h.works(what, err)
}

// remembers keeps m in the server's shared memory.
func (h *serverHost) remembers(m host.Memory) bool {
	if reflect.DeepEqual(m, h.mem) {
		return true
	}
	h.mem = m
	return h.works("keeping in shared memory what the host remembers", h.server.Remember(m))
}

// works says whether a call of the server was without an error. It logs the first error of
// many that are the same, and that there is none any more; nothing once the runner has stopped,
// as a server that ends with its engine answers no call.
func (h *serverHost) works(what string, err error) bool {
	if h.over() {
		return err == nil
	}
	was, failed := h.failing[what]
	switch {
	case err == nil && failed:
		delete(h.failing, what)
		h.n.cfg.Logger.Info(fmt.Sprintf("the PostgreSQL server of node %d: %s works again", h.n.cfg.NodeID, what))
	case err != nil && was != err.Error():
		if len(h.failing) >= maxFailing {
			clear(h.failing) // of orders that are over
		}
		h.failing[what] = err.Error()
		h.n.cfg.Logger.Warn(fmt.Sprintf("the PostgreSQL server of node %d: %s has failed: %v", h.n.cfg.NodeID, what, err))
	}
	return err == nil
}

// maxFailing bounds what is remembered so as not to be logged twice.
const maxFailing = 64

// floorKept is when the floor is written next, and a primary's look at which it began.
type floorKept struct {
	due time.Time
	was *host.Seen
}

const (
	floorEvery = failover.FloorMillis * time.Millisecond
	// floorLater is how long after the first look at a primary the second one comes: by then
	// WAL that was inserted is flushed, unless nobody sees to that.
	floorLater = time.Second
)

// keepFloor raises the floor now and then.
func (h *serverHost) keepFloor(s *host.Seen) {
	f := &h.floor
	now := time.Now()
	if now.Before(f.due) {
		return
	}
	was := f.was
	if was == nil && !s.Recovery {
		f.was, f.due = s, now.Add(floorLater)
		return
	}
	if was == nil {
		was = s
	}
	f.was, f.due = nil, now.Add(floorEvery)
	h.does("raising the floor of its WAL", host.Floor(h.notes, was, s)...)
}

// enablingSaid is what failover waits for that is being enabled on this node's server, and since
// when; said, that this was logged.
type enablingSaid struct {
	why   string
	since time.Time
	said  bool
}

// enablingLong is for how long it waits before that is logged: until then nobody misses anything.
const enablingLong = 5 * time.Second

// sayEnabling logs what failover waits for that is being enabled on this node's server: no commit
// begins there until then.
func (h *serverHost) sayEnabling() {
	x := &h.enables
	if s := h.n.sharedNow(); !s.Founding || !s.Primary {
		*x = enablingSaid{}
		return
	}
	h.mu.Lock()
	why := failover.WhyText(h.why)
	h.mu.Unlock()
	if why != x.why {
		*x = enablingSaid{why: why, since: time.Now()}
	}
	if !x.said && time.Since(x.since) >= enablingLong {
		x.said = true
		h.n.cfg.Logger.Warn(fmt.Sprintf("node %d: failover is being enabled, and commits wait for that: %s; pgraft_disable_failover() ends it", h.n.cfg.NodeID, why))
	}
}

// endPart begins the end of a removed member's part in failover. The caller holds mu.
func (n *Node) endPart() {
	if n.cfg.Server == nil {
		return
	}
	h := &serverHost{n: n, server: n.cfg.Server, before: n.host, quit: n.ended, ended: make(chan struct{}), failing: map[string]string{}}
	n.host = h
	n.cfg.Go(h.endsPart)
}

// ErrServerHangs is what Close says of a call of the server that does not return.
var ErrServerHangs = errors.New("node: the PostgreSQL server does not answer")

// awaitHost waits until the server is not called any more, for a part of CloseLimit.
func (n *Node) awaitHost(h *serverHost) error {
	if h == nil {
		return nil
	}
	limit := cmp.Or(n.cfg.CloseLimit, closeLimit) / 2
	select {
	case <-h.ended:
	case <-time.After(limit):
		return fmt.Errorf("%w: a call of it has not returned within %v", ErrServerHangs, limit)
	}
	if h.port != nil {
		<-h.port.ended
	}
	return nil
}

// endsPart is the end of a member's part in failover, as its node was removed. It comes to an
// end once the server was seen not to take writes any more, or when the node is closed.
func (h *serverHost) endsPart() {
	defer close(h.ended)
	if h.before != nil {
		<-h.before.ended
		h.before = nil
	}
	t := time.NewTicker(orderAgain)
	defer t.Stop()
	for !h.over() {
		if s, ok := h.looksRemoved(); ok && !s.Down {
			acts := host.Removed(h.notes, &s)
			if len(acts) == 0 {
				return
			}
			h.does("the end of its part, as the node was removed", acts...)
		}
		select {
		case <-h.quit:
		case <-t.C:
		}
	}
}

func (h *serverHost) looksRemoved() (s host.Seen, ok bool) {
	d, err := h.server.Data()
	if !h.works("reading the note in its data directory", err) {
		return s, false
	}
	h.notes.Data = d
	return h.looks()
}

// newNonce is a random number, never 0.
func newNonce() uint64 {
	var b [8]byte
	crand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint64(b[:]) | 1
}
