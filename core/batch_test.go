package core_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// batch gives a node as one step what else it would get one by one: messages, what its
// disk says, and what people and applications ask.
func (x *random) batch() {
	n := x.pick()
	x.gathers = n
	for range 2 + x.r.IntN(15) {
		switch i := x.r.IntN(20); {
		case i < 9:
			to := slices.IndexFunc(x.wire, func(m message) bool { return m.to == n.key })
			x.deliverAt(max(to, 0))
		case i < 12:
			n.sync(1 + x.r.IntN(4))
		case i < 16:
			id := x.id()
			in := core.Propose{ID: id, RequestID: [16]byte{1: byte(id), 2: byte(id >> 8), 3: byte(id >> 16)}, Data: make([]byte, x.r.IntN(200))}
			x.history.asked[id] = in
			n.step(in)
		case i < 17:
			id := x.id()
			x.asked[id] = expected{x.newest, x.term}
			n.step(core.ReadBarrier{ID: id})
		case i < 18:
			n.step(core.Cancel{ID: max(x.nextID, 20) - uint64(x.r.IntN(20))})
		case i < 19 && x.r.IntN(8) == 0:
			n.step(core.TransferLeader{ID: x.id(), NodeID: x.r.Uint32N(randomNodes + 1)})
		}
	}
	x.takeBatch()
}

// takeBatch gives the node what was gathered for it.
func (c *cluster) takeBatch() {
	n := c.gathers
	c.gathers = nil
	if in := (core.Batch{Inputs: n.gathered}); len(in.Inputs) > 0 {
		n.gathered = nil
		n.step(in)
	}
}

// envelopes are what a node has on its way to another.
func (c *cluster) envelopes(from, to uint32) (l []*corepb.Envelope) {
	for _, m := range c.wire {
		if m.from == from && m.to == to {
			l = append(l, m.envelope())
		}
	}
	return l
}

func formed(t *testing.T, newest uint32) *cluster {
	t.Helper()
	c := newCluster()
	c.quiet = true
	c.timing.Newest = newest
	c.form(3)
	c.run(5)
	return c
}

// Proposals of a batch are one append: one batch for the disk, one message to each
// follower, one answer from it; and each has its own reply, in order.
func TestBatchIsOneAppend(t *testing.T) {
	c := formed(t, core.NewestVersion)
	leader := c.nodes[1]
	var replies []core.Reply
	c.onReply = func(_ *node, r core.Reply) { replies = append(replies, r) }
	c.gathers = leader
	for range 20 {
		c.propose(leader, 0, "x")
	}
	c.takeBatch()
	if len(leader.queue) != 1 || len(leader.queue[0].Entries) != 20 {
		t.Errorf("%d batches for the disk: %+v", len(leader.queue), leader.queue)
	}
	for _, to := range []uint32{2, 3} {
		if l := c.envelopes(1, to); len(l) != 1 || len(l[0].GetRaft().GetEntries()) != 20 {
			t.Errorf("%d messages to node %d: %v", len(l), to, l)
		}
	}
	c.deliver(func(m message) bool { return m.to == 2 })
	if q := c.nodes[2].queue; len(q) != 1 || !q[0].Sync || len(q[0].Entries) != 20 {
		t.Errorf("the follower's disk gets %+v", q)
	}
	c.nodes[2].sync(1)
	if l := c.envelopes(2, 1); len(l) != 1 || l[0].GetRaft().GetIndex() != leader.status.Last {
		t.Errorf("the follower answers %v", l)
	}
	c.stabilize()
	if len(replies) != 20 {
		t.Fatalf("%d replies", len(replies))
	}
	for i, r := range replies {
		if r.Code != core.OK || i > 0 && (r.ID != replies[i-1].ID+1 || r.Index != replies[i-1].Index+1) {
			t.Errorf("reply %d: %+v", i, r)
		}
	}
}

// A batch that does not fit under the bound of uncommitted bytes is refused exactly
// where its proposals would have been one by one.
func TestBatchOverTheBound(t *testing.T) {
	outcome := func(batch bool) (codes []core.Code) {
		c := newCluster()
		c.quiet = true
		c.timing.Limits.UncommittedBytes = 1000
		c.form(3)
		leader := c.nodes[1]
		leader.slow = true
		byID := map[uint64]core.Code{}
		c.onReply = func(_ *node, r core.Reply) { byID[r.ID] = r.Code }
		if batch {
			c.gathers = leader
		}
		first := c.nextID + 1
		for i := range 12 {
			c.propose(leader, 0, fmt.Sprintf("%0*d", 50+(i%3)*300, i))
		}
		if batch {
			c.takeBatch()
		}
		for id := first; id <= c.nextID; id++ {
			code, refused := byID[id]
			if !refused {
				code = core.OK
			}
			codes = append(codes, code)
		}
		leader.slow = false
		c.stabilize()
		return codes
	}
	alone, together := outcome(false), outcome(true)
	if !slices.Equal(alone, together) || !slices.Contains(alone, core.Busy) || !slices.Contains(alone, core.OK) {
		t.Errorf("one by one %v, as a batch %v", alone, together)
	}
}

// Proposals of a follower's batch go to the leader in one message, and are answered in
// one; not so if one of the two is of a build that does not know it.
func TestBatchIsForwarded(t *testing.T) {
	for _, newest := range []uint32{core.NewestVersion, core.OldestVersion} {
		c := formed(t, newest)
		n := c.nodes[2]
		replies := 0
		c.onReply = func(_ *node, r core.Reply) {
			if r.Code == core.OK {
				replies++
			}
		}
		c.gathers = n
		for range 10 {
			c.propose(n, 0, "x")
		}
		c.takeBatch()
		want := 1
		if newest == core.OldestVersion {
			want = 10
		}
		l := c.envelopes(2, 1)
		if len(l) != want || want == 1 && len(l[0].GetForward().GetMore()) != 9 {
			t.Errorf("version %d: %d messages to the leader: %v", newest, len(l), l)
		}
		c.gathers = c.nodes[1]
		for c.deliver(func(m message) bool { return m.to == 1 }) {
		}
		c.takeBatch()
		answers := 0
		for _, env := range c.envelopes(1, 2) {
			if env.GetForwardReply() != nil {
				answers++
			}
		}
		if answers != want {
			t.Errorf("version %d: %d answers: %v", newest, answers, c.envelopes(1, 2))
		}
		c.stabilize()
		c.run(1)
		if replies != 10 {
			t.Errorf("version %d: %d of 10 replies", newest, replies)
		}
	}
}

// A rejection is never lost in a later acceptance, nor an acknowledgement in an earlier.
func TestResponsesAreJoined(t *testing.T) {
	c := formed(t, core.NewestVersion)
	n := c.nodes[2]
	for i := range 3 { // three appends, of which the follower gets the third first
		c.propose(c.nodes[1], 0, fmt.Sprint(i))
	}
	c.wire = slices.DeleteFunc(c.wire, func(m message) bool { return m.to != 2 })
	if len(c.wire) != 3 {
		t.Fatalf("%d appends", len(c.wire))
	}
	first := proto.Clone(c.wire[0].envelope()).(*corepb.Envelope).GetRaft().GetIndex()
	order := []message{c.wire[2], c.wire[0], c.wire[1], c.wire[0]}
	c.wire = nil
	c.gathers = n
	for _, m := range order {
		c.wire = append(c.wire, m)
		c.deliverAt(0)
	}
	c.takeBatch()
	n.sync(len(n.queue))
	l := c.envelopes(2, 1)
	if len(l) != 2 || !l[0].GetRaft().GetReject() || l[0].GetRaft().GetIndex() != first+2 || l[1].GetRaft().GetReject() || l[1].GetRaft().GetIndex() != first+2 {
		t.Errorf("answers to the third, the first, the second and the first once more: %v", l)
	}
}
