package core_test

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// history is all that ever happened in a cluster, and what the invariants are
// checked against, at every step of every node (Raft paper, figure 3).
type history struct {
	leaders   map[uint64]uint64       // term -> Raft id
	entries   map[spot]entry          // every entry ever handed to a disk
	appliedIn map[uint64]uint64       // index -> term of the node that applied it first
	applied   map[uint64]core.Apply   // index -> user entry
	requests  map[[16]byte]uint64     // request id -> index where it was applied
	recovered bool                    // a quorum was lost for good: what came before is unknown
	asked     map[uint64]core.Propose // by reply id
	newest    uint64                  // index of the newest acknowledged entry
	reads     map[uint64]uint64       // reply id of a read -> newest when it was asked
	marks     map[uint64]string       // index -> the machine's state there
	voters    [2][]uint64             // of the newest configuration applied, and the one before
	votersAt  uint64                  // index
	open      map[uint64]uint32       // reply id of a proposal -> node that owes the reply
	refused   map[[16]byte]bool       // request id -> nothing happened, says the answer to all who asked
	acked     map[[16]byte]spot       // request id -> place told to whoever asked
}

const requestWindow = 1 << 16 // log entries for which a core remembers a request id

type spot struct{ index, term uint64 }

type entry struct {
	before uint64 // term of the entry before it
	data   string
}

func newHistory() history {
	return history{leaders: map[uint64]uint64{}, entries: map[spot]entry{}, applied: map[uint64]core.Apply{}, requests: map[[16]byte]uint64{},
		asked: map[uint64]core.Propose{}, marks: map[uint64]string{}, acked: map[[16]byte]spot{}, open: map[uint64]uint32{}, refused: map[[16]byte]bool{},
		appliedIn: map[uint64]uint64{}, reads: map[uint64]uint64{}}
}

func (c *cluster) fail(f string, a ...any) {
	panic("INVARIANT: " + fmt.Sprintf(f, a...) + "\nafter\n" + c.out.String())
}

// checkStatus: nothing that a node knows goes back while it lives, and a term
// has one leader for ever.
func (c *cluster) checkStatus(n *node, s core.Status) {
	was := n.status
	if s.Term < was.Term || s.Commit < was.Commit || s.Applied < was.Applied {
		c.fail("node %d went back from %+v to %+v", n.key, was, s)
	}
	if s.Applied > s.Commit || s.Commit > s.Last {
		c.fail("node %d: applied %d, commit %d, last %d", n.key, s.Applied, s.Commit, s.Last)
	}
	if s.LeaseTicks > 0 && s.Role != core.RoleLeader {
		c.fail("node %d has a lease as %v", n.key, s.Role)
	}
	if s.Role != core.RoleLeader {
		return
	}
	if other, ok := c.history.leaders[s.Term]; ok && other != n.id.RaftID {
		c.fail("%x and %x both lead in term %d", other, n.id.RaftID, s.Term)
	}
	c.history.leaders[s.Term] = n.id.RaftID
}

// checkLease: at most one node holds a lease at any true time.
func (c *cluster) checkLease() {
	holder := uint32(0)
	for _, n := range c.all() {
		if n.leaseEnd <= c.time {
			continue
		}
		if holder != 0 {
			c.fail("nodes %d and %d both hold a lease at %d us, until %d and %d", holder, n.key, c.time, c.nodes[holder].leaseEnd, n.leaseEnd)
		}
		holder = n.key
	}
}

// checkPersist: term and vote never change back; a place in the log (index and
// term) is the same entry after the same entry on all nodes; snapshots of one
// index are equal.
func (c *cluster) checkPersist(n *node, b core.Persist) {
	h := &c.history
	if s := b.HardState; s != nil {
		if s.Term < n.hard.Term || s.Commit < n.hard.Commit || s.Term == n.hard.Term && n.hard.Vote != 0 && s.Vote != n.hard.Vote {
			c.fail("node %d stored %+v after %+v", n.key, *s, n.hard)
		}
		n.hard = *s
	}
	if b.Mark != nil {
		if was, ok := h.marks[b.Mark.Index]; ok && was != string(b.Mark.Data) {
			c.fail("node %d has another state at index %d than another node", n.key, b.Mark.Index)
		}
		h.marks[b.Mark.Index] = string(b.Mark.Data)
	}
	if len(b.Entries) == 0 {
		return
	}
	view := &n.view
	if b.Snapshot != nil {
		view = &image{Durable: core.Durable{Snapshot: b.Snapshot}}
	}
	before := view.term(b.Entries[0].Index - 1)
	for _, e := range b.Entries {
		for i := e.Index; n.status.Role == core.RoleLeader && view.term(i) != 0; i++ {
			c.fail("leader %d overwrites its own entry %d", n.key, i)
		}
		x := entry{before, fmt.Sprint(e.Kind) + string(e.Data)}
		if was, ok := h.entries[spot{e.Index, e.Term}]; ok && was != x {
			c.fail("node %d stores %+v at %d/%d, where another stored %+v", n.key, x, e.Index, e.Term, was)
		}
		// A leader that does not know yet that it was replaced may write beside it.
		if a, ok := h.applied[e.Index]; ok && a.Term != e.Term && (e.Term > a.Term || view.term(e.Index) == a.Term) {
			c.fail("node %d stores %d/%d, but %d/%d was applied", n.key, e.Index, e.Term, a.Index, a.Term)
		}
		h.entries[spot{e.Index, e.Term}] = x
		before = e.Term
	}
}

// checkLeader: who leads has everything that was applied in earlier terms.
func (c *cluster) checkLeader(n *node) {
	if n.core == nil || n.status.Role != core.RoleLeader || n.status.Term == n.ledTerm {
		return
	}
	n.ledTerm = n.status.Term
	view := &n.view
	for i, a := range c.history.applied {
		if h := c.history.appliedIn[i]; h < n.status.Term && !view.holds(i, a.Term) {
			c.fail("node %d leads in term %d without %d/%d, which was applied", n.key, n.status.Term, i, a.Term)
		}
	}
}

// checkApply: all nodes apply the same at the same index, in order, without a
// gap, each request id once; and by then a quorum has it durably.
func (c *cluster) checkApply(n *node, a core.Apply) {
	h := &c.history
	if a.Index <= n.appliedTo {
		c.fail("node %d applies %d after %d", n.key, a.Index, n.appliedTo)
	}
	for i := n.appliedTo + 1; i < a.Index; i++ {
		if _, ok := h.applied[i]; ok {
			c.fail("node %d skips %d, which another node applied", n.key, i)
		}
	}
	if was, ok := h.applied[a.Index]; ok {
		if was.Term != a.Term || string(was.Data) != string(a.Data) {
			c.fail("node %d applies %d/%d %q, another node %d/%d %q", n.key, a.Index, a.Term, a.Data, was.Index, was.Term, was.Data)
		}
		return
	}
	h.applied[a.Index], h.appliedIn[a.Index] = a, n.core.Status().Term
	written, ok := h.entries[spot{a.Index, a.Term}]
	if !ok && h.recovered {
		return
	}
	var cmd corepb.Command
	if err := proto.Unmarshal([]byte(written.data[1:]), &cmd); err != nil || string(cmd.GetData()) != string(a.Data) {
		c.fail("node %d applies %q at %d/%d, the log has %q (%v)", n.key, a.Data, a.Index, a.Term, cmd.GetData(), err)
	}
	id := [16]byte(cmd.GetRequestId())
	if at, ok := h.requests[id]; ok && at+requestWindow > a.Index {
		c.fail("request %x is applied at %d and at %d", id[:2], at, a.Index)
	}
	if h.refused[id] {
		c.fail("node %d applies request %x at %d, whose refusal said that nothing happened", n.key, id[:4], a.Index)
	}
	h.requests[id] = a.Index
	c.checkQuorum(n, a)
}

// noteVoters remembers the newest configuration that any node knows.
func (c *cluster) noteVoters(n *node) {
	h := &c.history
	applied := n.core.Status().Applied
	if applied <= h.votersAt {
		return
	}
	var now []uint64
	for _, m := range n.core.Members().List {
		if m.GetRole() == corepb.Role_VOTER {
			now = append(now, m.GetRaftId())
		}
	}
	if fmt.Sprint(now) != fmt.Sprint(h.voters[0]) {
		h.voters = [2][]uint64{now, h.voters[0]}
	}
	h.votersAt = applied
}

// checkQuorum: the voters of the newest configuration, or of the one before it,
// since an entry can be committed while a change is on its way.
func (c *cluster) checkQuorum(n *node, a core.Apply) {
	h := &c.history
	for _, voters := range h.voters {
		have := 0
		for _, x := range c.all() {
			for _, v := range voters {
				if x.id.RaftID == v && x.disk.holds(a.Index, a.Term) {
					have++
				}
			}
		}
		if have > len(voters)/2 {
			return
		}
	}
	c.fail("node %d applies %d/%d, which no quorum of %x has durably", n.key, a.Index, a.Term, h.voters)
}

// checkAck: whoever asked hears the place where exactly its data was applied.
func (c *cluster) checkAck(n *node, r core.Reply) {
	h := &c.history
	asked, ok := h.asked[r.ID]
	a, applied := h.applied[r.Index]
	if h.recovered && !applied {
		return
	}
	switch was, before := h.acked[asked.RequestID]; {
	case !ok:
		c.fail("node %d acknowledges %d, which is no proposal", n.key, r.ID)
	case before && was != (spot{r.Index, r.Term}) && was.index+requestWindow > r.Index:
		c.fail("request %x is acknowledged at %v and at %d/%d", asked.RequestID[:2], was, r.Index, r.Term)
	case h.requests[asked.RequestID] != r.Index || a.Term != r.Term || string(a.Data) != string(asked.Data) && !before:
		c.fail("node %d acknowledges %q at %d/%d, where %q of term %d was applied", n.key, asked.Data, r.Index, r.Term, a.Data, a.Term)
	}
	h.acked[asked.RequestID] = spot{r.Index, r.Term}
	h.newest = max(h.newest, r.Index)
}

// checkRefusal: nothing happens to a proposal that was refused, unless someone else
// asked for the same.
func (c *cluster) checkRefusal(n *node, r core.Reply) {
	h := &c.history
	in, ok := h.asked[r.ID]
	if !ok || r.Code == core.Unknown {
		return
	}
	for id, other := range h.asked {
		if id != r.ID && other.RequestID == in.RequestID {
			return
		}
	}
	if at, ok := h.requests[in.RequestID]; ok {
		c.fail("node %d refuses request %x, which was applied at %d", n.key, in.RequestID[:4], at)
	}
	h.refused[in.RequestID] = true
}

// checkRead: a read misses nothing that was acknowledged before it was asked.
func (c *cluster) checkRead(n *node, r core.Reply) {
	want, asked := c.history.reads[r.ID]
	if asked && (r.Index < want || r.Index > n.core.Status().Applied) {
		c.fail("node %d reads at %d with %d applied, %d was acknowledged before it was asked", n.key, r.Index, n.core.Status().Applied, want)
	}
}

// read asks for a read point.
func (c *cluster) read(n *node) {
	id := c.id()
	c.history.reads[id], c.history.open[id] = c.history.newest, n.key
	n.step(core.ReadBarrier{ID: id})
}
