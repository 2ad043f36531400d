package core_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// A leader appends a proposal, its follower gets it, and the leader is gone
// before it commits. The follower becomes leader, and the proposer sends the
// same request once more: the new leader must see that its log has it.
func TestRequestIsInALogOnce(t *testing.T) {
	c := newCluster()
	c.form(3)
	requestID := [16]byte{42}
	c.propose(c.nodes[3], int(requestID[0]), "once")
	match := func(from, to uint32) func(message) bool {
		return func(m message) bool { return m.from == from && m.to == to }
	}
	if !c.deliver(match(3, 1)) || !c.deliver(match(1, 2)) {
		t.Fatal("node 3 did not forward to node 1, or node 1 did not append")
	}
	c.nodes[2].sync(len(c.nodes[2].queue)) // its log has the entry, nobody knows that it is committed
	c.nodes[1].crash(0)
	c.wire = nil
	c.run(40)
	if c.nodes[2].status.Role != core.RoleLeader && c.nodes[3].status.Role != core.RoleLeader {
		t.Fatalf("no leader: %+v %+v", c.nodes[2].status, c.nodes[3].status)
	}
	for _, n := range []*node{c.nodes[2], c.nodes[3]} {
		times := 0
		for _, e := range n.disk.log {
			var cmd corepb.Command
			if e.Kind == core.EntryNormal && len(e.Data) > 0 && proto.Unmarshal(e.Data, &cmd) == nil && bytes.Equal(cmd.GetRequestId(), requestID[:]) {
				times++
			}
		}
		if times != 1 {
			t.Errorf("the log of node %d has the request %d times\n%s", n.id.NodeID, times, c.out.String())
		}
	}
}

// The followers commit without the leader's disk, which hangs. What waits for
// it is bounded all the same: the library counts an entry as uncommitted until
// the leader applies it, and it applies what is on its own disk. Then the leader
// takes no more, until its disk goes on.
func TestLeaderWithAStuckDiskIsBusy(t *testing.T) {
	const size, bound = 1 << 20, 64 << 20
	c := newCluster()
	c.timing.MaxEntryBytes = size
	c.quiet = true
	c.form(3)
	leader := c.nodes[1]
	var code core.Code
	c.onReply = func(_ *node, r core.Reply) { code = r.Code }
	propose := func() core.Code {
		code = core.Unknown
		c.propose(leader, 0, strings.Repeat("x", size))
		c.stabilize()
		return code
	}
	if got := propose(); got != core.OK {
		t.Fatalf("with a disk that works: %s", codeNames[got])
	}
	leader.slow = true
	waiting := 0
	for ; propose() != core.Busy; waiting += size {
		if waiting > bound {
			t.Fatalf("%d bytes wait for the disk, and more are taken", waiting)
		}
	}
	if waiting == 0 {
		t.Fatal("nothing was taken")
	}
	leader.slow = false
	c.stabilize()
	if got := propose(); got != core.OK {
		t.Errorf("after the disk went on: %s", codeNames[got])
	}
}

// Calls that wait for one request id are bounded; a call more is refused, and those
// that wait are answered.
func TestCallsOfOneRequestAreBounded(t *testing.T) {
	const bound = 64
	c := newCluster()
	c.quiet = true
	c.form(3)
	replies := map[core.Code]int{}
	c.onReply = func(_ *node, r core.Reply) { replies[r.Code]++ }
	for range bound + 3 {
		c.propose(c.nodes[2], 7, "once")
	}
	if replies[core.Busy] != 3 || len(replies) != 1 {
		t.Errorf("before the entry is committed: %v, should be 3 times busy", replies)
	}
	c.propose(c.nodes[2], 8, "another") // has a bound of its own
	c.stabilize()
	if replies[core.OK] != bound+1 || replies[core.Busy] != 3 {
		t.Errorf("after: %v, should be %d times OK", replies, bound+1)
	}
}
