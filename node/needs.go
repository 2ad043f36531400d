package node

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node/store"
)

// Entries that some member's database has still to apply are kept in every
// member's log: a member that was away for long, or lost its own log, finds them
// there. So each tells the others what it needs. Where a database can be filled
// from another one's exported state, nothing has to be kept for it.

// needs is what this node knows of that.
type needs struct {
	own        uint64 // index from which on this node's database needs entries; 0 = none
	importable bool   // it can be filled from an exported state
	ended      chan struct{}

	mu      sync.Mutex
	members map[uint64]uint64 // by Raft id, as they said
	busy    bool              // a goroutine is putting them into force
}

// RetainFrom keeps the entries from index on in the log store whatever the
// limits of the retention say; 0 lifts that. importable says that this node's
// database can be filled from another one's exported state, so that no other
// member has to keep them too.
func (n *Node) RetainFrom(index uint64, importable bool) error {
	n.mu.Lock()
	n.needs.own, n.needs.importable = index, importable
	n.mu.Unlock()
	if err := n.retain(); err != nil {
		return err
	}
	return n.tellNeeds()
}

// tellNeedsEvery says it again: a message may be lost, and a new member has heard
// nothing yet.
const tellNeedsEvery = 5 * time.Second

func (n *Node) keepTelling() {
	ticker := time.NewTicker(tellNeedsEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := n.tellNeeds(); err != nil {
				n.cfg.Logger.Error(fmt.Sprintf("the other nodes are not told what is still to apply here: %v", err))
			}
		case <-n.needs.ended:
			return
		}
	}
}

func (n *Node) tellNeeds() error {
	n.mu.Lock()
	from := n.needs.own
	if n.needs.importable {
		from = 0
	}
	running, self, members := n.state == Running, n.id.RaftID, others(n.members, n.id.RaftID)
	n.mu.Unlock()
	if !running {
		return nil
	}
	for _, m := range members {
		if err := n.sendHost(&corepb.Envelope{From: self, To: m.GetRaftId(),
			Body: &corepb.Envelope_ApplyNeeds{ApplyNeeds: &corepb.ApplyNeeds{From: from}}}); err != nil {
			return err
		}
	}
	// who is a member, and who is none any more, counts too
	return n.retain()
}

// receiveNeeds takes what a member says. It must not block.
func (n *Node) receiveNeeds(from uint64, m *corepb.ApplyNeeds) {
	n.needs.mu.Lock()
	defer n.needs.mu.Unlock()
	if n.needs.members == nil {
		n.needs.members = map[uint64]uint64{}
	}
	if last, known := n.needs.members[from]; known && last == m.GetFrom() {
		return
	}
	n.needs.members[from] = m.GetFrom()
	if n.needs.busy {
		return // it will look again
	}
	n.needs.busy = true
	n.cfg.Go(func() {
		if err := n.retain(); err != nil {
			n.cfg.Logger.Error(fmt.Sprintf("what node %d has still to apply is not kept: %v", core.NodeID(from), err))
		}
	})
}

// retain puts what is known into force.
func (n *Node) retain() error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	n.mu.Lock()
	r, s := n.cfg.Retention, n.store
	r.RetainFrom = n.retainFrom()
	if r == n.cfg.Retention || n.state != Running && n.state != Waiting {
		s = nil // the store is opened with it, or never used again
	}
	n.cfg.Retention.RetainFrom = r.RetainFrom
	n.mu.Unlock()
	return n.setRetention(s, r)
}

// setRetention has the store, unless it is nil, keep what r says. The caller holds
// reloading, and not mu: this waits for the disk.
func (n *Node) setRetention(s store.Store, r store.Retention) error {
	if s == nil {
		return nil
	}
	err := s.SetRetention(r)
	if errors.Is(err, store.ErrClosed) {
		return nil // the node was closed meanwhile
	}
	if err != nil {
		n.fail(err)
	}
	return err
}

// retainFrom is the first index that anybody still needs; 0 = nobody needs any.
// A member that has not said so since this node started may need everything, if
// this node applies entries itself; one that is away for good has to be removed.
// The caller holds n.mu.
func (n *Node) retainFrom() uint64 {
	from := n.needs.own
	n.needs.mu.Lock()
	defer n.needs.mu.Unlock()
	n.needs.busy = false
	members := others(n.members, n.id.RaftID)
	maps.DeleteFunc(n.needs.members, func(id, _ uint64) bool {
		return !slices.ContainsFunc(members, func(m *corepb.Member) bool { return m.GetRaftId() == id })
	})
	for _, m := range members {
		need, said := n.needs.members[m.GetRaftId()]
		if !said && n.needs.own != 0 && !n.needs.importable {
			need = core.FoundingIndex
		}
		if need != 0 && (from == 0 || need < from) {
			from = need
		}
	}
	return from
}
