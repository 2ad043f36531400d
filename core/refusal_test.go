package core

import (
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// soleLeader is the leader of a cluster of one.
func soleLeader(t *testing.T) *Core {
	id := Identity{ClusterID: "c", NodeID: 1, RaftID: RaftID(1, 1), ClusterUUID: [16]byte{1}}
	c, err := New(Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 1000, MaxEntryBytes: 10}, Bootstrap(id, "h", 1, OldestVersion))
	if err != nil {
		t.Fatal(err)
	}
	settled(c, Tick{})
	if s := c.Status(); s.Role != RoleLeader || s.Applied != s.Last {
		t.Fatalf("not ready: %+v", s)
	}
	return c
}

// settled steps c and lets its disk answer; it returns all events and replies.
func settled(c *Core, in Input) (events []string, replies []Reply) {
	for queue := []Input{in}; len(queue) > 0; queue = queue[1:] {
		out := c.Step(queue[0])
		for _, e := range out.Events {
			events = append(events, e.Text)
		}
		replies = append(replies, out.Reply...)
		for _, p := range out.Persist {
			queue = append(queue, Persisted{Seq: p.Seq})
		}
	}
	return events, replies
}

// The core never proposes a membership change while another is on its way. Should
// it once, the library makes an empty entry of it and says nothing, and what is
// committed is refused by the state machine if it no longer fits: both are noticed,
// and the change is made later.
func TestMembershipChangeIsDropped(t *testing.T) {
	c := soleLeader(t)
	change := &corepb.MemberChange{Step: corepb.MemberChange_DEMOTE, Member: &corepb.Member{RaftId: RaftID(9, 9)}}
	err := c.rn.ProposeConfChange(&pb.ConfChangeV2{Context: marshal(change),
		Changes: []*pb.ConfChangeSingle{{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: new(RaftID(9, 9))}}})
	if err != nil {
		t.Fatal(err)
	}
	c.last++ // as the core notes what it proposes
	events, replies := settled(c, AddNode{ID: 7, NodeID: 2, Address: "h2", Port: 1})
	for _, want := range []string{"the library refused the membership change", "membership change not made: node 9 is not a member", "node 2 was added"} {
		if !slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, want) }) {
			t.Errorf("no event says that %q, only %q", want, events)
		}
	}
	if len(replies) > 0 || c.members.Node(2).GetRole() != corepb.Role_JOINING || len(c.conf.GetLearners()) != 1 {
		t.Fatalf("node 2 should be joining, members are %v, configuration %v, replies %v", c.members.List, c.conf, replies)
	}
}

// A committed change that does not fit is refused on every node alike, and changes
// nothing.
func TestMachineRefusesChanges(t *testing.T) {
	member := func(node, incarnation uint32, r corepb.Role) *corepb.Member {
		return &corepb.Member{RaftId: RaftID(incarnation, node), Role: r}
	}
	for _, x := range []struct {
		step    corepb.MemberChange_Step
		member  *corepb.Member
		refused string
	}{
		{corepb.MemberChange_ADD, member(2, 9, corepb.Role_JOINING), "node 2 or its incarnation 9 is taken"},
		{corepb.MemberChange_ADD, member(7, 4, corepb.Role_JOINING), "node 7 or its incarnation 4 is taken"},
		{corepb.MemberChange_PROMOTE, member(9, 9, 0), "node 9 is not a member"},
		{corepb.MemberChange_PROMOTE, member(1, 1, 0), "PROMOTE of node 1, which is VOTER"},
		{corepb.MemberChange_PROMOTE, member(3, 3, 0), "PROMOTE of node 3, which is LEAVING"},
		{corepb.MemberChange_DEMOTE, member(3, 3, 0), "DEMOTE of node 3, which is LEAVING"},
		{corepb.MemberChange_DEMOTE, member(2, 1, 0), "node 2 is not a member"},
		{corepb.MemberChange_REMOVE, member(9, 9, 0), "node 9 is not a member"},
		{corepb.MemberChange_REPLACE, member(2, 2, 0), "REPLACE of node 2, which is JOINING"}, // replaces nobody
		{corepb.MemberChange_REPLACE, member(1, 1, 0), "REPLACE of node 1, which is VOTER"},
		{corepb.MemberChange_REPLACE, member(4, 4, 0), "REPLACE of node 4, which is JOINING"}, // node 3, on its way out
	} {
		four := member(4, 4, corepb.Role_JOINING)
		four.Replaces = RaftID(3, 3)
		m := machine{index: 10, term: 2, conf: &pb.ConfState{}, members: Members{LastIncarnation: 4,
			List: []*corepb.Member{member(1, 1, corepb.Role_VOTER), member(2, 2, corepb.Role_JOINING), member(3, 3, corepb.Role_LEAVING), four}}}
		before := marshal(m.snapshot())
		cc := &pb.ConfChangeV2{Context: marshal(&corepb.MemberChange{Step: x.step, Member: x.member})}
		a := m.apply(&pb.Entry{Type: pb.EntryConfChangeV2.Enum(), Index: new(uint64(11)), Term: new(uint64(2)), Data: marshal(cc)},
			func(*pb.ConfChangeV2) *pb.ConfState { t.Errorf("%v is made", x); return nil })
		if a.refused != x.refused {
			t.Errorf("%v of %v: refused with %q, should be with %q", x.step, x.member, a.refused, x.refused)
		}
		m.index = 10
		if after := marshal(m.snapshot()); string(after) != string(before) {
			t.Errorf("%v of %v changes the members to %v", x.step, x.member, m.members)
		}
	}
}
