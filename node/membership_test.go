package node_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
)

// memberIDs are the Raft ids of the voters that m knows, in the order of their
// node ids.
func (m *member) memberIDs() (ids []uint64) {
	for _, s := range m.view().Members {
		if s.Member.GetRole() == corepb.Role_VOTER {
			ids = append(ids, s.Member.GetRaftId())
		}
	}
	return ids
}

// Whatever does not fit is refused before anything of it is in the log, with a
// text that says what was found there.
func TestAddNodeRefusals(t *testing.T) {
	c := newCluster(t, 2, nil)
	leader, follower := c.leader(), c.followers()[0]
	members := leader.memberIDs()

	fresh := newMember(t, 5).open().init(false)
	uninitialised := newMember(t, 5).open()
	elsewhere := newMember(t, 5)
	elsewhere.cfg.ClusterID = "another"
	elsewhere.open().init(false)
	founder := newMember(t, 5).open().init(true) // a cluster of the same name
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	go func() {
		for c, err := stranger.Accept(); err == nil; c, err = stranger.Accept() {
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close() // the stranger does not care
		}
	}()

	for _, x := range []struct {
		what        string
		id          uint32
		port        uint32
		unreachable bool
		text, hint  string
	}{
		{"nobody listens", 5, freePort(t), true, "unreachable", "pgraft.port"},
		{"no pgraft node", 5, uint32(stranger.Addr().(*net.TCPAddr).Port), true, "not a pgraft node", "firewall"},
		{"not initialised", 5, uninitialised.cfg.Port, false, "not initialised", "pgraft_init(false)"},
		{"another cluster_id", 5, elsewhere.cfg.Port, false, `"another"`, "pgraft.cluster_id"},
		{"another cluster of that name", 5, founder.cfg.Port, false, "another cluster", ""},
		{"another node id", 6, fresh.cfg.Port, false, "node 5 listens here", ""},
		{"another member's address", 6, follower.cfg.Port, false, fmt.Sprintf("node %d listens here", follower.cfg.NodeID), ""},
	} {
		promoted, err := leader.AddNode(soon(t), x.id, "127.0.0.1", x.port)
		var p *node.ProbeError
		if promoted || !errors.As(err, &p) || p.Unreachable != x.unreachable ||
			!strings.Contains(p.Error(), x.text) || !strings.Contains(p.Hint, x.hint) {
			t.Errorf("%s: promoted %v, %#v", x.what, promoted, err)
		}
	}

	_, err = leader.AddNode(soon(t), 5, "localhost", fresh.cfg.Port)
	if p := new(node.ProbeError); !errors.As(err, &p) || !p.Invalid || !strings.Contains(p.Detail, `"127.0.0.1"`) {
		t.Errorf("another name of the machine: %#v", err)
	}
	_, err = leader.AddNode(soon(t), follower.cfg.NodeID, "127.0.0.1", fresh.cfg.Port)
	wantCode(t, "a member's id with another address", err, core.Conflict)
	_, err = follower.AddNode(soon(t), 5, fresh.cfg.Address, fresh.cfg.Port)
	wantCode(t, "on a follower", err, core.NotLeader)
	if promoted, err := leader.AddNode(soon(t), follower.cfg.NodeID, follower.cfg.Address, follower.cfg.Port); err != nil || !promoted {
		t.Errorf("a member again: promoted %v, %v; want true", promoted, err)
	}
	if got := leader.memberIDs(); !slices.Equal(got, members) {
		t.Errorf("members are %x now, were %x", got, members)
	}
	c.add(fresh) // none of this keeps it out
}

// A voter whose directory and marker were emptied is another replica: adding it
// again is refused, not taken for the member that it was.
func TestVoterThatLostItsData(t *testing.T) {
	c := newCluster(t, 3, nil)
	m := c.followers()[0]
	m.stop()
	m.empty()
	if err := os.Remove(m.cfg.MarkerPath); err != nil {
		t.Fatal(err)
	}
	m.open()
	c.wantAlarm(m, core.OtherReplica)
	m.init(false)
	c = slices.DeleteFunc(c, func(x *member) bool { return x == m })
	leader := c.leader()
	c.wantAlarm(m, core.OtherReplica)
	_, err := leader.AddNode(soon(t), m.cfg.NodeID, m.cfg.Address, m.cfg.Port)
	wantCode(t, "a voter with another replica", err, core.NotPossible)
	c.asLeader("its removal", func(leader *member) error { return leader.RemoveNode(soon(t), m.cfg.NodeID) })
	c.add(m)
	if got := m.memberIDs(); len(got) != 3 {
		t.Errorf("voters %x; want three", got)
	}
	c.wantAlarm(m, core.NoAlarm)
}

// wantAlarm waits until m and all others that are open say so of m.
func (c cluster) wantAlarm(m *member, want core.Alarm) {
	t := c[0].t
	t.Helper()
	eventually(t, fmt.Sprintf("the alarm %v about node %d", want, m.cfg.NodeID), func() error {
		if got := m.Alarm(soon(t)); got != want {
			return fmt.Errorf("it says %v of itself", got)
		}
		for _, x := range c.up() {
			if x == m {
				continue
			}
			for _, s := range x.view().Members {
				if core.NodeID(s.Member.GetRaftId()) == m.cfg.NodeID && s.Alarm != want {
					return fmt.Errorf("node %d says %v of it", x.cfg.NodeID, s.Alarm)
				}
			}
		}
		return nil
	})
}

// The worst of old copies: the first node's directory from before it added the
// others. It needs nobody's vote, so it leads, in the others' own term, until one of
// them reaches it; then it says what happened, and leads no more.
func TestOldCopyOfOnlyMember(t *testing.T) {
	one := newMember(t, 1).open().init(true)
	cluster{one}.leader()
	one.stop()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(one.cfg.DataDir)); err != nil {
		t.Fatal(err)
	}
	one.open()
	c := cluster{one}
	for _, id := range []uint32{2, 3} {
		m := newMember(t, id).open().init(false)
		c.add(m)
		c = append(c, m)
	}
	index := c.leader().propose(request(1, 1), "before")
	one.stop()
	others := c[1:]
	after := others.leader().propose(request(2, 1), "after")
	one.empty()
	if err := os.Rename(copied, one.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	for _, m := range others {
		m.stop()
	}
	cluster{one.open()}.leader()
	for _, m := range others {
		m.open()
	}
	one.waitLog("this node lost acknowledged data")
	eventually(t, "the old copy to lead no more", func() error {
		if s := one.out.status(); s.LeaseExpiry != 0 || s.LeaderNode == 1 {
			return fmt.Errorf("it publishes %+v", s)
		}
		return nil
	})
	others.wantAlarm(one, core.LostData)
	others.asLeader("its removal", func(leader *member) error { return leader.RemoveNode(soon(t), 1) })
	one.wantRemoved(t)
	one.stop()
	one.empty()
	said := len(one.log.String())
	one.open().init(false)
	others.add(one)
	c.wantAlarm(one, core.NoAlarm)
	// While its log is behind it dials its former self.
	for line := range strings.Lines(one.log.String()[said:]) {
		if strings.Contains(line, "lost its data or is a copy") && strings.Contains(line, "level=WARN") {
			t.Errorf("once it was added again: %s", line)
		}
	}
	c.wantLogs(map[uint64]string{index: "before", after: "after"})
}

func TestRemoveNodeRefusals(t *testing.T) {
	c := newCluster(t, 2, nil)
	leader, follower := c.leader(), c.followers()[0]
	wantCode(t, "an unknown node", leader.RemoveNode(soon(t), 9), core.NoSuchNode)
	wantCode(t, "on a follower", follower.RemoveNode(soon(t), leader.cfg.NodeID), core.NotLeader)
	c.asLeader("removal", func(leader *member) error { return leader.RemoveNode(soon(t), c[1].cfg.NodeID) })
	eventually(t, "the removal", func() error { return c[1].inState(node.Removed) })
	last := c[:1]
	wantCode(t, "the last voter", last.leader().RemoveNode(soon(t), 1), core.LastVoter)
	if got := last[0].memberIDs(); len(got) != 1 {
		t.Errorf("members are %x; want one", got)
	}
}

// empty removes the data directory of a member that is stopped.
func (m *member) empty() {
	m.t.Helper()
	if err := os.RemoveAll(m.cfg.DataDir); err != nil {
		m.t.Fatal(err)
	}
}

// wantRemoved checks what a removed node says; its log can be read until it is
// opened again.
func (m *member) wantRemoved(t *testing.T) {
	t.Helper()
	eventually(t, fmt.Sprintf("node %d to know that it was removed", m.cfg.NodeID), func() error { return m.inState(node.Removed) })
	if s := m.out.status(); s.State != node.Removed || s.LeaseExpiry != 0 || s.LeaderNode != 0 || s.Failure != nil {
		t.Errorf("node %d published %+v", m.cfg.NodeID, s)
	}
	if _, _, err := m.Propose(soon(t), request(99, 99), nil); !errors.Is(err, node.ErrNotRunning) || !strings.Contains(err.Error(), "removed") {
		t.Errorf("node %d: propose: %v; want ErrNotRunning, with the reason", m.cfg.NodeID, err)
	}
	if founded, err := m.Init(nil); founded != (m.cfg.NodeID == 1) || err != nil {
		t.Errorf("node %d: init: %v, %v", m.cfg.NodeID, founded, err)
	}
}

// A removed node says so, also after it was opened again. Added anew before its
// directory was emptied it is refused; afterwards it is a member like any.
func TestRemovedAndAddedBack(t *testing.T) {
	c, l := newCluster(t, 3, nil), newLedger()
	c.proposeAll(1, 5, l)
	m := c.followers()[0]
	var rest cluster
	for _, x := range c {
		if x != m {
			rest = append(rest, x)
		}
	}
	before := m.view().Core.RaftID
	rest.asLeader("removal", func(leader *member) error { return leader.RemoveNode(soon(t), m.cfg.NodeID) })
	m.wantRemoved(t)
	for i, data := range l.entries {
		if got, ok, err := m.Entry(soon(t), i); err != nil || !ok || string(got) != data {
			t.Errorf("entry %d of the removed node: %q, %v, %v; want %q", i, got, ok, err, data)
		}
	}
	rest.proposeAll(2, 5, l)
	closed := m.Node
	m.stop()
	if _, err := closed.View(soon(t)); !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("view of the closed node: %v; want ErrNotRunning", err)
	}
	m.open()
	m.wantRemoved(t)
	if _, err := m.View(soon(t)); !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("view: %v; want ErrNotRunning", err)
	}
	_, err := rest.leader().AddNode(soon(t), m.cfg.NodeID, m.cfg.Address, m.cfg.Port)
	var p *node.ProbeError
	if !errors.As(err, &p) || p.Unreachable || !strings.Contains(p.Text, "removed") {
		t.Errorf("added with its old data: %v; want a ProbeError that says what it is", err)
	}

	m.stop()
	m.empty()
	m.open()
	if err := m.inState(node.Uninitialised); err != nil {
		t.Fatal(err)
	}
	m.init(false)
	rest.add(m)
	v := m.view()
	if v.Core.RaftID == before || core.NodeID(v.Core.RaftID) != m.cfg.NodeID {
		t.Errorf("it is %x now, was %x: want a new incarnation", v.Core.RaftID, before)
	}
	c.proposeAll(3, 5, l)
	c.wantLogs(l.entries)
	l.check(t, 3*5+2*5+3*5)
}

// A node that was away while it was removed learns of it from whoever refuses it.
func TestRemovedWhileAway(t *testing.T) {
	c := newCluster(t, 3, nil)
	m := c.followers()[0]
	m.stop()
	c.asLeader("removal", func(leader *member) error { return leader.RemoveNode(soon(t), m.cfg.NodeID) })
	m.open()
	m.wantRemoved(t)
}

// A node that was invited as the member that it was to be the first time learns of its
// removal from whoever knows it as the one that it is to be now.
func TestInvitedTooLate(t *testing.T) {
	m := newMember(t, 4).open()
	m.init(false)
	invites := core.Identity{ClusterID: m.cfg.ClusterID, NodeID: 1, ReplicaUUID: [16]byte{1}, ClusterUUID: [16]byte{2}, RaftID: core.RaftID(1, 1)}
	speaks := core.Members{}.Speaks(core.NewestVersion)
	probed := m.Greet(invites.Hello(speaks, nil, 4))
	greet := func(incarnation uint32) corepb.Refusal {
		return m.Greet(invites.Hello(speaks, &corepb.Member{RaftId: core.RaftID(incarnation, 4), ReplicaUuid: probed.GetReplica()}, 4)).GetRefusal()
	}
	if r := greet(5); r != corepb.Refusal_NONE {
		t.Fatalf("the first invitation: %v", r)
	}
	if r := greet(4); r != corepb.Refusal_OTHER_INCARNATION {
		t.Fatalf("one from before: %v", r)
	}
	if err := m.inState(node.Running); err != nil {
		t.Fatalf("after an invitation from before: %v", err)
	}
	if r := greet(9); r != corepb.Refusal_OTHER_INCARNATION {
		t.Fatalf("one as a later incarnation: %v", r)
	}
	m.wantRemoved(t)
}

// A leader that removes itself hands leadership over first.
func TestLeaderRemovesItself(t *testing.T) {
	c, l := newCluster(t, 3, nil), newLedger()
	var gone *member
	c.asLeader("removal of the leader", func(leader *member) error {
		gone = leader
		return leader.RemoveNode(soon(t), leader.cfg.NodeID)
	})
	gone.wantRemoved(t)
	var rest cluster
	for _, m := range c {
		if m != gone {
			rest = append(rest, m)
		}
	}
	rest.leader()
	rest.proposeAll(1, 5, l)
	rest.wantLogs(l.entries)
	l.check(t, 10)
	c.wantOneLeaderAtATime(t)
}

// A removal that a crash cut short, with the marker still there, is finished
// when the node is opened: its emptied directory must not count as lost.
func TestMarkerOfRemovedNode(t *testing.T) {
	c := newCluster(t, 2, nil)
	m := c.followers()[0]
	marker, err := os.ReadFile(m.cfg.MarkerPath)
	if err != nil {
		t.Fatal(err)
	}
	c.asLeader("removal", func(leader *member) error { return leader.RemoveNode(soon(t), m.cfg.NodeID) })
	m.wantRemoved(t)
	m.stop()
	if err := os.WriteFile(m.cfg.MarkerPath, marker, 0o600); err != nil {
		t.Fatal(err)
	}
	m.open()
	m.wantRemoved(t)
	m.stop()
	m.empty()
	m.open().init(false)
}
