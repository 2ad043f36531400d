package core

import (
	"bytes"
	"reflect"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// What the machine is told of Raft, of a node of three voters and a learner that heard
// nobody yet, then all, then only one voter.
func TestFailoverAround(t *testing.T) {
	id := Identity{ClusterID: "c", NodeID: 1, RaftID: RaftID(1, 1), ClusterUUID: [16]byte{1}}
	c, err := New(Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 10, MaxEntryBytes: 10,
		Newest: FailoverVersion, Failover: FailoverConfig{Boot: 1}}, Bootstrap(id, "h", 1, FailoverVersion))
	if err != nil {
		t.Fatal(err)
	}
	two, three, four := RaftID(2, 2), RaftID(3, 3), RaftID(4, 4)
	c.members.List = append(c.members.List, &corepb.Member{RaftId: two}, &corepb.Member{RaftId: three},
		&corepb.Member{RaftId: four, Role: corepb.Role_JOINING})
	c.machine.conf = &pb.ConfState{Voters: []uint64{c.self, two, three}, Learners: []uint64{four}}
	c.now = 50
	want := failover.Around{Now: 50, Term: 1, Applied: FoundingIndex, State: &c.machine.failover, Voters: []uint64{c.self, two, three},
		Peers: []failover.Peer{{ID: two, Silent: failover.Never}, {ID: three, Silent: failover.Never}, {ID: four, Silent: failover.Never}}}
	if got := c.failoverAround(); !reflect.DeepEqual(got, want) {
		t.Errorf("alone: %+v", got)
	}
	for id, at := range map[uint64]uint64{two: 50, three: 48, four: 30} {
		c.peer(id).heard, c.peer(id).lastHeard = true, at
	}
	c.role, c.lead, c.hard.Term, c.lease.ticks, c.failing.current = raft.StateLeader, c.self, 2, 5, true
	want.Term, want.Leader, want.Quorum, want.Lease, want.Current = 2, c.self, true, true, true
	want.Peers = []failover.Peer{{ID: two, Silent: 0}, {ID: three, Silent: 2}, {ID: four, Silent: 20}}
	if got := c.failoverAround(); !reflect.DeepEqual(got, want) {
		t.Errorf("heard by all, as a leader that has applied no entry of its own: %+v", got)
	}
	c.machine.term, c.lease.ticks = 2, 0
	c.peer(two).lastHeard, c.peer(three).lastHeard = 40, 40
	if got := c.failoverAround(); !got.Leads || got.Lease || got.Quorum {
		t.Errorf("both voters are silent: %+v", got)
	}
}

// A replay goes on with another timing, and not with another part in failover.
func TestFailoverWhatIf(t *testing.T) {
	id := Identity{ClusterID: "c", NodeID: 1, RaftID: RaftID(1, 1), ClusterUUID: [16]byte{1}}
	cfg := Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 10, MaxEntryBytes: 10,
		Newest: FailoverVersion, Failover: FailoverConfig{Boot: 3, SealMillis: 7}}
	c, err := New(cfg, Bootstrap(id, "h", 1, FailoverVersion))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	next := cfg
	next.TickMillis, next.ElectionTicks = 50, 20
	other, err := RestoreOther(cfg, next, b)
	if err != nil {
		t.Fatal(err)
	}
	got, want := checkpoint.Writer(nil), checkpoint.Writer(nil)
	other.failing.machine.State(got)
	failover.New(failover.Config{Self: c.self, TickMillis: 50, ElectionTicks: 20, SealMillis: 7}, 3, 0).State(want)
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%x, want %x", got.Bytes(), want.Bytes())
	}
	for _, part := range []FailoverConfig{{}, {Boot: 4, SealMillis: 7}} {
		next.Failover = part
		if _, err := RestoreOther(cfg, next, b); err == nil {
			t.Errorf("it goes on with %+v", part)
		}
		if _, err := Restore(next, b); err == nil {
			t.Errorf("it is restored with %+v", part)
		}
	}
}

// Failover hands leadership on only where that makes sense, and takes nothing from who
// asked for the like.
func TestFailoverGivesLeadership(t *testing.T) {
	two, three := RaftID(2, 2), RaftID(3, 3)
	leader := func() *Core {
		c := &Core{self: RaftID(1, 1), role: raft.StateLeader}
		c.machine.conf = &pb.ConfState{Voters: []uint64{c.self, two, three}}
		return c
	}
	for name, spoil := range map[string]func(*Core){
		"follows":       func(c *Core) { c.role = raft.StateFollower },
		"hands over":    func(c *Core) { c.transfer.target = three },
		"was asked":     func(c *Core) { c.transfer.wish = wish{open: true, id: 7, target: three} },
		"itself":        func(c *Core) { c.self = two },
		"to a learner":  func(c *Core) { c.machine.conf.Voters = []uint64{c.self, three} },
		"to a full one": func(c *Core) { c.peer(two).full = true },
		"to one closed": func(c *Core) { c.peer(two).closed = true },
		"to one on its way out": func(c *Core) {
			c.members.List = []*corepb.Member{{RaftId: three, Role: corepb.Role_JOINING, Replaces: two}}
		},
	} {
		c := leader()
		spoil(c)
		was := c.transfer.wish
		if c.giveLeadership(two); !reflect.DeepEqual(c.transfer.wish, was) {
			t.Errorf("%s: %+v", name, c.transfer.wish)
		}
	}
	c := leader()
	if c.giveLeadership(two); c.transfer.wish != (wish{open: true, id: nobody, target: two}) {
		t.Errorf("%+v", c.transfer.wish)
	}
	if c.endWish(NotLeader, "over"); c.transfer.wish.open || len(c.out.Reply) > 0 {
		t.Errorf("nobody asked: %+v", c.out.Reply)
	}
}

// What the host said of its server is there for who looks at a core, also at one made of
// a checkpoint; a node that takes no part has none.
func TestFailoverServerOf(t *testing.T) {
	id := Identity{ClusterID: "c", NodeID: 1, RaftID: RaftID(1, 1), ClusterUUID: [16]byte{1}}
	cfg := Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 10, MaxEntryBytes: 10,
		Newest: FailoverVersion}
	out, err := New(cfg, Bootstrap(id, "h", 1, FailoverVersion))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := out.FailoverServer(); ok {
		t.Errorf("a node that takes no part has %+v", v)
	}
	cfg.Failover = FailoverConfig{Boot: 1}
	c, err := New(cfg, Bootstrap(id, "h", 1, FailoverVersion))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := c.FailoverServer(); ok {
		t.Errorf("nothing was said yet, and there is %+v", v)
	}
	said := failover.Server{Recovery: true, Sealed: 4, End: 5, History: []failover.Branch{{Timeline: 1}}}
	c.Step(FailoverServer{Server: said})
	for _, c := range []*Core{c, fromCheckpoint(t, cfg, c)} {
		if v, ok := c.FailoverServer(); !ok || !reflect.DeepEqual(v, said) {
			t.Errorf("%+v, %v: want %+v", v, ok, said)
		}
	}
}

// fromCheckpoint is a core as its checkpoint has it.
func fromCheckpoint(t *testing.T, cfg Config, c *Core) *Core {
	t.Helper()
	b, err := c.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(cfg, b)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// A node that takes no part knows who does, also after a checkpoint; it is a mistake of the
// host to tell it of a server.
func TestFailoverTakesNoPart(t *testing.T) {
	id := Identity{ClusterID: "c", NodeID: 1, RaftID: RaftID(1, 1), ClusterUUID: [16]byte{1}}
	cfg := Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 10, MaxEntryBytes: 10,
		Newest: NewestVersion}
	c, err := New(cfg, Bootstrap(id, "h", 1, NewestVersion))
	if err != nil {
		t.Fatal(err)
	}
	two, three, four := RaftID(2, 2), RaftID(3, 3), RaftID(4, 4)
	c.now = 3
	c.failoverTold(four, &corepb.FailoverTold{})
	c.failoverTold(three, &corepb.FailoverTold{})
	c.now = 12
	c.failoverTold(two, &corepb.FailoverTold{})
	c.forgetPeer(four)
	for _, c := range []*Core{c, fromCheckpoint(t, cfg, c)} {
		if c.now = 12; !c.takesPart(two) || !c.takesPart(three) || c.takesPart(four) {
			t.Errorf("in time: %+v", c.failing.partakers)
		}
		if c.now = 13; !c.takesPart(two) || c.takesPart(three) {
			t.Errorf("an election timeout later: %+v", c.failing.partakers)
		}
	}
	defer func() {
		if got := recover(); got != "core.FailoverServer, and this node takes no part in failover" {
			t.Errorf("%v", got)
		}
	}()
	c.failoverMachine(FailoverServer{})
}
