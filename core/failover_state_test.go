package core

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// failoverLog applies entries to a machine of three voters, from index 2 on.
type failoverLog struct {
	t *testing.T
	m *machine
}

func newFailoverLog(t *testing.T) *failoverLog {
	m := &machine{index: 1, term: 1, conf: &pb.ConfState{}, members: Members{Version: FailoverVersion}}
	for n := range uint32(3) {
		m.members.List = append(m.members.List, &corepb.Member{RaftId: RaftID(n+1, n+1), Role: corepb.Role_VOTER})
	}
	return &failoverLog{t, m}
}

func (l *failoverLog) entry(e failover.Entry) {
	data := marshal(&corepb.Command{Failover: failover.Marshal(e)})
	if err := checkEntry(&pb.Entry{Type: pb.EntryNormal.Enum(), Data: data}, FailoverVersion); err != nil {
		l.t.Fatalf("%T: %v", e, err)
	}
	a := l.m.apply(&pb.Entry{Index: new(l.m.index + 1), Term: new(uint64(1)), Type: pb.EntryNormal.Enum(), Data: data}, nil)
	if !a.failover || a.isCommand || a.first {
		l.t.Fatalf("%T: %+v", e, a)
	}
}

// change applies a membership change, and returns why it was refused.
func (l *failoverLog) change(step corepb.MemberChange_Step, id uint64) string {
	cc := &pb.ConfChangeV2{Context: marshal(&corepb.MemberChange{Step: step, Member: &corepb.Member{RaftId: id}}),
		Changes: []*pb.ConfChangeSingle{{NodeId: new(id)}}}
	return l.m.apply(&pb.Entry{Index: new(l.m.index + 1), Term: new(uint64(1)), Type: pb.EntryConfChangeV2.Enum(), Data: marshal(cc)},
		func(*pb.ConfChangeV2) *pb.ConfState { return l.m.conf }).refused
}

// opened is an open epoch of node 1, with node 2 as its sync set.
func (l *failoverLog) opened() *failoverLog {
	for _, m := range l.m.members.List {
		l.entry(failover.Describe{Member: m.GetRaftId(), Boot: 1, Address: "host=x", Data: true, Joined: true, Priority: 100})
	}
	l.entry(failover.Enable{Epoch: 1, Primary: RaftID(1, 1), Boot: 1, System: 7, LSN: 100, History: []failover.Branch{{Timeline: 1}},
		Set: failover.Set{W: 1, Members: []uint64{RaftID(2, 2)}}, Settings: failover.DefaultSettings()})
	l.entry(failover.Open{Epoch: 1, Member: RaftID(1, 1)})
	if l.m.failover.Epoch.Stage != failover.StageOpen {
		l.t.Fatalf("%+v", l.m.failover)
	}
	return l
}

// Failover's entries change its state with the members as of the entries before, and
// a snapshot carries it; one of a cluster without failover is what it was.
func TestFailoverEntries(t *testing.T) {
	l := newFailoverLog(t).opened()
	restored := &machine{}
	if err := restored.restore(l.m.snapshot()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(restored.failover.Marshal(), l.m.failover.Marshal()) {
		t.Errorf("%+v came back as %+v", l.m.failover, restored.failover)
	}
	var st corepb.State
	if err := unmarshal(newFailoverLog(t).m.snapshot().GetData(), &st); err != nil || st.Failover != nil {
		t.Errorf("without failover a snapshot has %x of it: %v", st.Failover, err)
	}
	bad := l.m.snapshot()
	if err := unmarshal(bad.GetData(), &st); err != nil {
		t.Fatal(err)
	}
	st.Failover = []byte{0xff}
	bad.Data = marshal(&st)
	if err := restored.restore(bad); err == nil {
		t.Error("a snapshot with a state that is none was taken")
	}
}

// A member on which failover counts neither leaves the voters nor the cluster.
func TestFailoverKeepsMembers(t *testing.T) {
	l := newFailoverLog(t).opened()
	one, two, three := RaftID(1, 1), RaftID(2, 2), RaftID(3, 3)
	for _, step := range []corepb.MemberChange_Step{corepb.MemberChange_DEMOTE, corepb.MemberChange_REMOVE} {
		for id, want := range map[uint64]failover.Void{one: failover.VoidLastPrimary, two: failover.VoidNamed} {
			if got := l.change(step, id); !strings.Contains(got, want.String()) {
				t.Errorf("%v of node %d: %q, want %q", step, NodeID(id), got, want)
			}
		}
	}
	four := RaftID(4, 4)
	l.m.members.List = append(l.m.members.List, &corepb.Member{RaftId: four, Role: corepb.Role_JOINING, Replaces: two})
	if got := l.change(corepb.MemberChange_REPLACE, four); !strings.Contains(got, failover.VoidNamed.String()) {
		t.Errorf("node 2 is replaced: %q", got)
	}
	for _, step := range []corepb.MemberChange_Step{corepb.MemberChange_DEMOTE, corepb.MemberChange_REMOVE} {
		if got := l.change(step, three); got != "" {
			t.Errorf("%v of node 3, on which nobody counts: %q", step, got)
		}
	}
	if l.m.failover.Member(three) != nil {
		t.Error("node 3 is removed, and failover still knows it")
	}
	l.entry(failover.Begin{Epoch: 2})
	if got := l.change(corepb.MemberChange_DEMOTE, two); !strings.Contains(got, failover.VoidBetween.String()) {
		t.Errorf("between begin and open: %q", got)
	}
}

// What is no entry of failover does not get into the log; a build that does not know
// them takes none.
func TestFailoverEntriesAtTheDoor(t *testing.T) {
	good := failover.Marshal(failover.Begin{Epoch: 1})
	for _, x := range []struct {
		cmd    *corepb.Command
		newest uint32
		want   string
	}{
		{&corepb.Command{Failover: good}, FailoverVersion, ""},
		{&corepb.Command{Failover: good}, FailoverVersion - 1, "install a newer one"},
		{&corepb.Command{Failover: []byte{0xff}}, FailoverVersion, "not an entry"},
		{&corepb.Command{Failover: []byte{0xfa, 0x3f, 0}}, FailoverVersion, "does not know"},
		{&corepb.Command{Failover: good, Data: []byte{1}}, FailoverVersion, "1 bytes of data"},
		{&corepb.Command{Failover: good, RequestId: make([]byte, 16)}, FailoverVersion, ""}, // an operator's
		{&corepb.Command{Failover: good, RequestId: make([]byte, 15)}, FailoverVersion, "request id of 15 bytes"},
		{&corepb.Command{Failover: good, ClusterVersion: 3}, FailoverVersion, "cluster version 3"},
	} {
		err := checkEntry(&pb.Entry{Type: pb.EntryNormal.Enum(), Data: marshal(x.cmd)}, x.newest)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v: %v, want %q", x.cmd, err, x.want)
		}
	}
	if _, user, err := UserData(Entry{Data: marshal(&corepb.Command{Failover: good})}); user || err != nil {
		t.Errorf("an entry of failover is a user's: %v", err)
	}
}

func TestFailoverInCheckpoint(t *testing.T) {
	l := newFailoverLog(t).opened()
	k := checkpoint.Writer(nil)
	l.m.state(k)
	r := &machine{}
	back := checkpoint.Reader(k.Bytes())
	if r.state(back); back.Err() != nil || !reflect.DeepEqual(r.failover.Marshal(), l.m.failover.Marshal()) {
		t.Errorf("%+v came back as %+v: %v", l.m.failover, r.failover, back.Err())
	}
	// A cluster of an earlier version has none, and its checkpoints are what they were.
	l.m.members.Version = FailoverVersion - 1
	old := checkpoint.Writer(nil)
	if l.m.state(old); len(old.Bytes()) >= len(k.Bytes()) {
		t.Errorf("%d bytes, and %d with failover", len(old.Bytes()), len(k.Bytes()))
	}
}

// A member that goes on alone after a quorum is lost is known to failover under its new id.
func TestRecoveryRenames(t *testing.T) {
	l := newFailoverLog(t).opened()
	id := RaftID(9, 2)
	ch := &corepb.MemberChange{Step: corepb.MemberChange_RECOVER, ClusterUuid: bytes.Repeat([]byte{7}, 16), Member: &corepb.Member{RaftId: id, Role: corepb.Role_VOTER}}
	l.m.apply(&pb.Entry{Index: new(l.m.index + 1), Term: new(uint64(2)), Type: pb.EntryConfChangeV2.Enum(), Data: marshal(&pb.ConfChangeV2{Context: marshal(ch)})},
		func(*pb.ConfChangeV2) *pb.ConfState { return l.m.conf })
	s := &l.m.failover
	if s.Mode != failover.ModeManual || s.Member(id) == nil || s.Member(RaftID(2, 2)) != nil || !s.Last.Set.Has(id) || s.Epoch.Stage != failover.StageBegun {
		t.Errorf("%+v", s)
	}
}

// Of entries of failover the leader takes an operator's alone from another member's proposals.
func TestForwardedFailover(t *testing.T) {
	forward := func(e failover.Entry, data []byte) *corepb.Forward {
		return &corepb.Forward{Command: &corepb.Command{RequestId: make([]byte, 16), Failover: failover.Marshal(e), Data: data}}
	}
	broken := forward(failover.Clear{Member: 2}, nil)
	broken.Command.Failover = []byte{0xff}
	for _, x := range []struct {
		forward *corepb.Forward
		newest  uint32
		want    string
	}{
		{forward(failover.Clear{Member: 2}, nil), FailoverVersion, ""},
		{forward(failover.Clear{Member: 2}, nil), FailoverVersion - 1, "version 2 does not know"},
		{forward(failover.Clear{Member: 2}, []byte{1}), FailoverVersion, "1 bytes of data"},
		{forward(failover.Report{Epoch: 2, Member: 2}, nil), FailoverVersion, "failover.Report, which is not an operator's"},
		{broken, FailoverVersion, "not an entry"},
	} {
		err := checkForward(x.forward, x.newest)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v: %v, want %q", x.forward, err, x.want)
		}
	}
}

// What an operator asked for that did nothing is answered with the reason, and one who asks
// again with the same request id learns that nobody knows any more what it did.
func TestVoidIsToldOnce(t *testing.T) {
	id := [16]byte{7}
	c := &Core{proposed: newProposals()}
	c.requestIDs.window = requestWindow
	p := newProposal(5, id, 0, nil)
	p.command.Failover = failover.Marshal(failover.Clear{Member: 2})
	c.proposed.open[id], c.proposed.order = p, []*proposal{p}
	c.resolve(applied{isCommand: true, requestID: id, failover: true, void: failover.VoidKnown, at: place{9, 2}})
	c.requestIDs.add(id, place{9, 2})
	c.takeProposal(Propose{ID: 6, RequestID: id}, p.command.Failover)
	want := []Reply{{ID: 5, Code: NotPossible, Text: failover.VoidKnown.String(), Void: failover.VoidKnown}, {ID: 6, Code: Unknown, Text: committedUnseen}}
	if !reflect.DeepEqual(c.out.Reply, want) {
		t.Errorf("%+v, want %+v", c.out.Reply, want)
	}
}
