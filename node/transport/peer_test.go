package transport

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// TestRestart: a peer goes away, which is reported once, and comes back.
func TestRestart(t *testing.T) {
	a, b := pair(t)
	a.send(raftID(2), "before")
	b.waitGot(t, raftID(1), "before")
	b.close(t)
	waitFor(t, "unreachable", func() bool { return a.look(func() bool { return a.unreachable[raftID(2)] > 0 }) })
	a.log.wait(t, "cannot connect to node 2")
	waitFor(t, "messages to be dropped", func() bool { return a.tr.look(raftID(2), func(p *peer) bool { return p.down }) })
	a.send(raftID(2), "lost")
	if s := a.stat(raftID(2)); s.Connected || s.DroppedOut != 1 || !strings.Contains(s.LastError, "connection refused") {
		t.Errorf("stat %+v", s)
	}
	again := newNode(t, 2, at(b)) // does not know node 1 yet, but is dialled
	a.waitConnected(t, raftID(2))
	a.send(raftID(2), "after")
	again.waitGot(t, raftID(1), "after")
	a.mu.Lock()
	if n := a.unreachable[raftID(2)]; n != 1 || again.has(raftID(1), "lost") {
		t.Errorf("unreachable %d times, got %v", n, again.got)
	}
	a.mu.Unlock()
	if n := a.log.count("connected to node 2"); n != 1 {
		t.Errorf("%d lines in one log about an unstable connection: %q", n, a.log.all)
	}
}

// TestRetryAtOnce: neither SetPeers nor a peer that dials in waits for the backoff.
func TestRetryAtOnce(t *testing.T) {
	slow := func(_ *fakeNode, c *Config) { c.BackoffMin, c.BackoffMax = time.Hour, time.Hour }
	a, b := newNode(t, 1, slow), newNode(t, 2)
	b.close(t)
	a.tr.SetPeers([]*corepb.Member{b.member()})
	a.log.wait(t, "cannot connect to node 2")
	b = newNode(t, 2, at(b))
	b.tr.SetPeers([]*corepb.Member{a.member()})
	a.waitConnected(t, raftID(2))

	b.close(t)
	a.log.wait(t, "ended: EOF")
	b = newNode(t, 2, at(b))
	a.tr.SetPeers([]*corepb.Member{b.member(), {RaftId: raftID(3), Address: "127.0.0.1"}})
	a.waitConnected(t, raftID(2))
}

// TestJoiner: a node that waits to be invited does not know who invites it, and
// answers over the connection that it accepted.
func TestJoiner(t *testing.T) {
	leader := newNode(t, 1)
	joiner := newNode(t, 2, func(n *fakeNode, _ *Config) { n.self.RaftID, n.self.ClusterUUID = 0, [16]byte{} })
	joiner.send(raftID(1), "too early")
	invited := memberAt(raftID(2), joiner.tr.Addr())
	invited.ReplicaUuid = joiner.self.ReplicaUUID[:]
	leader.tr.SetPeers([]*corepb.Member{invited})
	leader.send(raftID(2), "welcome") // kept until the connection is there
	joiner.waitGot(t, raftID(1), "welcome")
	if joiner.self != identity(2) {
		t.Errorf("joined as %+v", joiner.self)
	}
	joiner.send(raftID(1), "thanks")
	leader.waitGot(t, raftID(2), "thanks")
	if s := joiner.stat(raftID(1)); !s.Connected || s.Dialled || s.Address != "" {
		t.Errorf("stat %+v", s)
	}
	if leader.has(raftID(2), "too early") || joiner.look(func() bool { return joiner.unreachable[raftID(1)] != 1 }) {
		t.Errorf("leader got %v, joiner's unreachable %v", leader.got, joiner.unreachable)
	}
	joiner.tr.SetPeers([]*corepb.Member{leader.member()})
	joiner.waitConnected(t, raftID(1))
	leader.close(t)
	waitFor(t, "the listed leader stays known", func() bool { return !joiner.stat(raftID(1)).Connected })
	if s := joiner.stat(raftID(1)); s.Address != leader.tr.Addr().String() {
		t.Errorf("stat %+v", s)
	}
}

// TestUnlistedPeerEnds: an accepted connection is all that keeps its peer.
func TestUnlistedPeerEnds(t *testing.T) {
	n := newNode(t, 1)
	c := join(t, n, identity(2))
	waitFor(t, "the peer", func() bool { return n.stat(raftID(2)).Connected })
	c.nc.Close()
	waitFor(t, "no peer", func() bool { return len(n.tr.Peers()) == 0 })
	n.snapshot(raftID(2), 1)
	n.snapshots(t, raftID(2), 0, 1)
}

func TestChangedAddress(t *testing.T) {
	a, b := pair(t)
	moved := newNode(t, 2)
	a.tr.SetPeers([]*corepb.Member{moved.member()})
	waitFor(t, "node 1 gone from the old address", func() bool { return !b.tr.look(raftID(1), func(p *peer) bool { return p.in != nil }) })
	b.close(t) // until then the other is taken for a copy
	waitFor(t, "node 1 at the new address", func() bool { return moved.stat(raftID(1)).Connected })
	a.waitConnected(t, raftID(2))
	a.send(raftID(2), "here")
	moved.waitGot(t, raftID(1), "here")
	if s := a.stat(raftID(2)); s.Address != moved.tr.Addr().String() {
		t.Errorf("stat %+v", s)
	}
}

// TestSameList: SetPeers with nothing new leaves connections alone.
func TestSameList(t *testing.T) {
	a, b := pair(t)
	since := a.stat(raftID(2)).Since
	m := b.member()
	a.tr.SetPeers([]*corepb.Member{m})
	m.Role = corepb.Role_LEAVING
	a.tr.SetPeers([]*corepb.Member{m})
	a.send(raftID(2), "still there")
	b.waitGot(t, raftID(1), "still there")
	if s := a.stat(raftID(2)); !s.Since.Equal(since) || a.log.count("ended") != 0 {
		t.Errorf("stat %+v, since %v, log %q", s, since, a.log.all)
	}
}

// TestRemoved: what was queued for a member, and what is said just after it is
// off the list, still gets there; then both ways are closed.
func TestRemoved(t *testing.T) {
	a, b := pair(t)
	for i := range 50 {
		a.send(raftID(2), fmt.Sprint(i, strings.Repeat("x", 100_000)))
	}
	a.snapshot(raftID(2), 1<<20)
	a.mu.Lock()
	a.members = core.Members{LastIncarnation: 7}
	a.mu.Unlock()
	a.tr.SetPeers(nil)
	a.send(raftID(2), "you are removed")
	b.waitGot(t, raftID(1), "you are removed")
	if len(b.got) != 52 {
		t.Errorf("%d messages", len(b.got))
	}
	waitFor(t, "no peer", func() bool { return len(a.tr.Peers()) == 0 })
	a.snapshots(t, raftID(2), 1, 0)
	b.log.wait(t, "ended: EOF")
	b.log.wait(t, "refused our connection: node 2 was removed from the cluster (REMOVED)")
	if n := a.look(func() bool { return a.unreachable[raftID(2)] != 0 }); n {
		t.Error("a member that is off the list was reported as unreachable")
	}
}

// TestRemovedStuck: a member that does not read is given up in the end.
func TestRemovedStuck(t *testing.T) {
	a := newNode(t, 1, func(_ *fakeNode, c *Config) { c.DrainTimeout = 60 * time.Millisecond })
	ln := rawServer(t)
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	accept(t, ln, 2)
	for range 4 {
		a.snapshot(raftID(2), 16<<20)
	}
	a.waitConnected(t, raftID(2))
	a.tr.SetPeers(nil)
	waitFor(t, "no peer", func() bool { return len(a.tr.Peers()) == 0 })
	a.snapshots(t, raftID(2), 0, 4)
}

// TestRemovedAndBack: an id listed anew while its old peer drains.
func TestRemovedAndBack(t *testing.T) {
	a, b := pair(t, func(_ *fakeNode, c *Config) { c.DrainTimeout = patience })
	a.tr.SetPeers(nil)
	a.tr.SetPeers([]*corepb.Member{b.member()})
	a.waitConnected(t, raftID(2))
	a.send(raftID(2), "back")
	b.waitGot(t, raftID(1), "back")
}

// TestNewerConnection: a member's next connection takes the place of the one
// before; one of another replica with its Raft id does not.
func TestNewerConnection(t *testing.T) {
	n := newNode(t, 1)
	older := join(t, n, identity(2))
	waitFor(t, "the peer", func() bool { return n.stat(raftID(2)).Connected })
	newer := join(t, n, identity(2))
	waitClosed(t, older)
	n.send(raftID(2), "to the newer")
	if got, err := readFrame(newer.br, maxFrameBytes); err != nil || string(got) != "to the newer" {
		t.Errorf("got %q, error %v", got, err)
	}
	twin := identity(2)
	twin.ReplicaUUID = [16]byte{99}
	c := rawDial(t, n, greeting(t, twin.Hello(speaks, n.member(), 1)))
	w := &corepb.Welcome{}
	if err := readGreeting(c.br, w); err != nil || w.GetRefusal() != corepb.Refusal_DUPLICATE {
		t.Errorf("welcome %v, error %v", w, err)
	}
	waitClosed(t, c)
	n.log.wait(t, "a live connection of another replica with the same Raft id exists (DUPLICATE)")
	n.send(raftID(2), "still the newer")
	if got, err := readFrame(newer.br, maxFrameBytes); err != nil || string(got) != "still the newer" {
		t.Errorf("got %q, error %v", got, err)
	}
}

// TestCopiedDirectory: a second process with the same replica is refused on
// either way to it, and told so, until the first is gone.
func TestCopiedDirectory(t *testing.T) {
	soon := func(_ *fakeNode, c *Config) { c.RefusedBackoffMax, c.DeadTimeout = time.Second/2, time.Second }
	original, copied, n := newNode(t, 2, soon), newNode(t, 2, soon), newNode(t, 1, soon)
	n.tr.SetPeers([]*corepb.Member{original.member()})
	n.waitConnected(t, raftID(2))
	const words = "node 2 is connected already, from 127.0.0.1, by another process with the same data"
	copied.tr.SetPeers([]*corepb.Member{n.member()})
	n.log.wait(t, words)
	copied.log.wait(t, words)
	if copied.stat(raftID(1)).Connected {
		t.Error("the copy is connected")
	}
	n.send(raftID(2), "to the original")
	original.waitGot(t, raftID(1), "to the original")

	waitFor(t, "the alarm on both", func() bool {
		return n.stat(raftID(2)).Alarm == core.Copy && copied.tr.Alarm() == core.Copy
	})
	if a, s := original.tr.Alarm(), n.stat(raftID(2)); a != core.NoAlarm || s.LastError != "" || !s.Connected {
		t.Errorf("the original has the alarm %v, and is %+v", a, s)
	}

	n.tr.SetPeers([]*corepb.Member{copied.member()}) // as if the copy had its address
	n.waitConnected(t, raftID(2))
	original.tr.Close()
	copied.waitConnected(t, raftID(1))
	waitFor(t, "the alarm to end", func() bool { return n.stat(raftID(2)).Alarm == core.NoAlarm && copied.tr.Alarm() == core.NoAlarm })
}

// keepAlarms is for tests that do not wait for an alarm's end.
func keepAlarms(_ *fakeNode, c *Config) { c.RefusedBackoffMax = patience }

// TestWipedDirectory: a member that comes back with another replica raises the
// alarm on itself and on who dials it, until it is invited as another member.
func TestWipedDirectory(t *testing.T) {
	wiped := newNode(t, 2, func(n *fakeNode, _ *Config) {
		n.self.ReplicaUUID[0], n.self.RaftID = 9, 0
		n.self.ClusterUUID = [16]byte{}
	}, keepAlarms)
	n := newNode(t, 1, keepAlarms)
	before, uuid := memberAt(raftID(2), wiped.tr.Addr()), identity(2).ReplicaUUID
	before.ReplicaUuid = uuid[:]
	n.tr.SetPeers([]*corepb.Member{before})
	waitFor(t, "the alarm on both", func() bool {
		return n.stat(raftID(2)).Alarm == core.OtherReplica && wiped.tr.Alarm() == core.OtherReplica
	})
	if a := n.tr.Alarm(); a != core.NoAlarm {
		t.Errorf("the one that refuses has the alarm %v", a)
	}
	again := memberAt(core.RaftID(8, 2), wiped.tr.Addr())
	again.ReplicaUuid = wiped.self.ReplicaUUID[:]
	n.tr.SetPeers([]*corepb.Member{again})
	n.waitConnected(t, again.GetRaftId())
	if a, b := n.stat(again.GetRaftId()).Alarm, wiped.tr.Alarm(); a != core.NoAlarm || b != core.NoAlarm {
		t.Errorf("once it was added again: alarms %v, %v", a, b)
	}
}

// TestOtherReplicaDials: a dialler that is not the replica that the cluster knows.
func TestOtherReplicaDials(t *testing.T) {
	a, b := pair(t, keepAlarms)
	other := newNode(t, 2, func(n *fakeNode, _ *Config) { n.self.ReplicaUUID[0] = 9 }, keepAlarms)
	known := b.member()
	known.ReplicaUuid = b.self.ReplicaUUID[:]
	a.mu.Lock()
	a.greet = func(h *corepb.Hello) *corepb.Welcome {
		return a.self.Welcome(speaks, core.Greet(a.self, speaks.Newest, core.Members{List: []*corepb.Member{known}}, h))
	}
	a.mu.Unlock()
	other.tr.SetPeers([]*corepb.Member{a.member()})
	waitFor(t, "the alarm on both", func() bool {
		return a.stat(raftID(2)).Alarm == core.OtherReplica && other.tr.Alarm() == core.OtherReplica
	})
	if s := b.tr.Alarm(); s != core.NoAlarm {
		t.Errorf("the member has the alarm %v", s)
	}
}

// TestRestartIsNoAlarm: a member that has restarted is refused for as long as its
// old connection may live, which is no sign of a copy.
func TestRestartIsNoAlarm(t *testing.T) {
	cfg := (&Config{}).withDefaults()
	var a alarm
	at := time.Now()
	for _, later := range []time.Duration{0, time.Second, 3 * time.Second} {
		a.raise(core.Copy, at.Add(later), &cfg)
		if got := a.get(at.Add(later), &cfg); got != core.NoAlarm {
			t.Errorf("after %v: %v", later, got)
		}
	}
	a.raise(core.Copy, at.Add(7*time.Second), &cfg)
	if got := a.get(at.Add(7*time.Second), &cfg); got != core.Copy {
		t.Errorf("after it was refused for longer: %v", got)
	}
	over := at.Add(7*time.Second + alarmKept*cfg.RefusedBackoffMax + 1)
	if got := a.get(over, &cfg); got != core.NoAlarm {
		t.Errorf("long after: %v", got)
	}
	a.raise(core.Copy, over, &cfg)
	if got := a.get(over, &cfg); got != core.NoAlarm {
		t.Errorf("refused once more: %v", got)
	}
}

// TestConnectedHasNoError: the end of one connection is no error of a peer that is
// connected by the other, and what was wrong before is none either.
func TestConnectedHasNoError(t *testing.T) {
	ln := rawServer(t)
	n := newNode(t, 1)
	n.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	accept(t, ln, 2)
	n.waitConnected(t, raftID(2))
	in := join(t, n, identity(2))
	peerIn := func() bool {
		n.tr.mu.Lock()
		defer n.tr.mu.Unlock()
		return n.tr.peers[raftID(2)].in != nil
	}
	waitFor(t, "the second connection", peerIn)
	in.nc.Close()
	waitFor(t, "its end", func() bool { return !peerIn() })
	if s := n.stat(raftID(2)); !s.Connected || s.LastError != "" {
		t.Errorf("connected %v, last error %q", s.Connected, s.LastError)
	}
}

// TestCopiedMachine: one process from two hosts raises the alarm.
func TestCopiedMachine(t *testing.T) {
	n := newNode(t, 1, func(_ *fakeNode, c *Config) { c.Listen = "0.0.0.0:0" })
	_, port, _ := strings.Cut(strings.TrimPrefix(n.tr.Addr().String(), "[::]"), ":")
	hello := greeting(t, identity(2).Hello(speaks, &corepb.Member{RaftId: raftID(1)}, 1))
	first := rawDialFrom(t, "127.0.0.1", port, hello)
	waitFor(t, "the peer", func() bool { return n.stat(raftID(2)).Connected })
	rawDialFrom(t, "127.0.0.2", port, hello)
	waitClosed(t, first)
	n.log.wait(t, "node 2 (incarnation 7) connects from 127.0.0.2 while its replica 02000000000000000000000000000000 is connected from 127.0.0.1")
}

// TestListChangesDuringHandshake: an answer given before the member was taken
// off the list does not count after it.
func TestListChangesDuringHandshake(t *testing.T) {
	n := newNode(t, 1)
	n.tr.SetPeers(nil)
	times := uint32(0)
	n.mu.Lock()
	n.greet = func(h *corepb.Hello) *corepb.Welcome {
		times++
		n.tr.SetPeers([]*corepb.Member{{RaftId: raftID(3), Address: "127.0.0.1", Port: times}})
		return n.self.Welcome(speaks, core.Verdict{})
	}
	n.mu.Unlock()
	waitClosed(t, join(t, n, identity(2)))
	n.log.wait(t, errChanged.Error())
	if times != maxAsks {
		t.Errorf("asked %d times, want %d", times, maxAsks)
	}
}

// TestInvitationChangesTheList: a list that changes once, as when the host joins
// a cluster, costs no connection.
func TestInvitationChangesTheList(t *testing.T) {
	n := newNode(t, 1)
	n.mu.Lock()
	n.greet = func(h *corepb.Hello) *corepb.Welcome {
		n.tr.SetPeers([]*corepb.Member{{RaftId: raftID(3), Address: "127.0.0.1", Port: 1}})
		return n.self.Welcome(speaks, core.Verdict{})
	}
	n.mu.Unlock()
	join(t, n, identity(2))
	waitFor(t, "the peer", func() bool { return n.stat(raftID(2)).Connected })
}

// TestTooManyUnlisted: Raft ids out of thin air do not pile up.
func TestTooManyUnlisted(t *testing.T) {
	n := newNode(t, 1)
	for i := range uint32(maxUnlistedPeers) {
		join(t, n, identity(2+i))
		waitFor(t, "the peer", func() bool { return n.stat(raftID(2 + i)).Connected })
	}
	waitClosed(t, join(t, n, identity(1000)))
	n.log.wait(t, "more than 64 connections from unlisted members")
}

// look reads a peer's fields; false if there is none.
func (t *Transport) look(id uint64, f func(*peer) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[id]
	return p != nil && f(p)
}
