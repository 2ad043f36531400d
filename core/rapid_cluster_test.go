package core_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/rapidtest"
)

// TestMain fixes what rapid draws.
func TestMain(m *testing.M) { rapidtest.Main(m, map[string]string{"rapid.steps": "150"}) }

// TestRapidCluster lets everything happen to a small cluster in any order, with
// all invariants checked at every step. In the end all faults are taken away,
// and the cluster has to work.
func TestRapidCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &randomCluster{cluster: newCluster()}
		r.timing.SnapshotEntries = uint64(rapid.SampledFrom([]int{2, 5, 1000}).Draw(t, "snapshot"))
		r.timing.MaxTailBytes = uint64(rapid.SampledFrom([]int{1, 600, 0}).Draw(t, "tail"))
		r.timing.ElectionTicks = rapid.SampledFrom([]int{5, 10}).Draw(t, "election")
		r.form(rapid.Uint32Range(1, 4).Draw(t, "nodes"))
		for _, n := range r.all() {
			n.rate = rapid.Int64Range(96, 105).Draw(t, "clock")
		}
		t.Repeat(map[string]func(*rapid.T){
			"tick": r.tick, "tick2": r.tick, "pass": r.pass, "settle": r.settle, "settle2": r.settle,
			"deliver": r.deliverAny, "deliver2": r.deliverAny, "lose": r.lose, "duplicate": r.duplicate,
			"sync": r.sync, "crash": r.crash, "restart": r.restart, "pause": r.pause, "partition": r.cutLink, "heal": r.heal,
			"propose": r.proposeAny, "propose2": r.proposeAny, "add": r.add, "remove": r.remove, "transfer": r.transfer, "apply": r.apply,
			"read": r.readAny, "replace": r.replace, "full": r.full, "closed": r.closed,
		})
		r.recover(t)
	})
}

// randomCluster has the actions, each of which may draw what it does.
type randomCluster struct {
	*cluster
	requests int
}

func (r *randomCluster) one(t *rapid.T) *node { return rapid.SampledFrom(r.all()).Draw(t, "node") }

// running picks a node that can be asked something.
func (r *randomCluster) running(t *rapid.T) *node {
	l := slices.DeleteFunc(r.all(), func(n *node) bool { return n.core == nil })
	if len(l) == 0 {
		t.Skip("all are down")
	}
	return rapid.SampledFrom(l).Draw(t, "node")
}

// leader is preferred for what only a leader can do.
func (r *randomCluster) leader(t *rapid.T) *node {
	for _, n := range r.all() {
		if n.core != nil && n.status.Role == core.RoleLeader {
			return n
		}
	}
	return r.running(t)
}

// tick is a tick on all whose time has come, with nothing delivered.
func (r *randomCluster) tick(*rapid.T) { r.tickNext(math.MaxInt64 - 1) }

// pass lets much time pass, as if the network and the disks were quick.
func (r *randomCluster) pass(t *rapid.T) { r.run(rapid.IntRange(1, 25).Draw(t, "ticks")) }

func (r *randomCluster) settle(*rapid.T) { r.stabilize() }

func (r *randomCluster) message(t *rapid.T) int {
	if len(r.wire) == 0 {
		t.Skip("nothing on the wire")
	}
	return rapid.IntRange(0, len(r.wire)-1).Draw(t, "message")
}

func (r *randomCluster) deliverAny(t *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(t, "count") {
		i := r.message(t)
		if to := r.nodes[r.wire[i].to]; to == nil || !to.paused {
			r.deliverAt(i)
		}
	}
}

func (r *randomCluster) lose(t *rapid.T) {
	m := r.wire[r.message(t)]
	r.drop(func(x message) bool { return &x.send.Data[0] == &m.send.Data[0] }, 1)
}

func (r *randomCluster) duplicate(t *rapid.T) {
	m := r.wire[r.message(t)]
	m.send.Snapshot = false
	r.wire = append(r.wire, m)
}

// sync makes a disk slow, quick, or write some of what it has.
func (r *randomCluster) sync(t *rapid.T) {
	n := r.one(t)
	n.slow = rapid.Bool().Draw(t, "slow")
	n.sync(rapid.IntRange(0, 5).Draw(t, "batches"))
}

// full fills a disk, or makes room on it.
func (r *randomCluster) full(t *rapid.T) {
	r.running(t).step(core.DiskFull{Full: rapid.Bool().Draw(t, "full")})
}

// closed has a host report that a member refuses connections, or is connected again,
// whether or not that is so.
func (r *randomCluster) closed(t *rapid.T) {
	r.running(t).step(core.PeerClosed{RaftID: r.one(t).id.RaftID, Closed: rapid.Bool().Draw(t, "closed")})
}

func (r *randomCluster) crash(t *rapid.T) { r.one(t).crash(rapid.IntRange(0, 6).Draw(t, "keep")) }

func (r *randomCluster) restart(t *rapid.T) {
	if n := r.one(t); n.core == nil && n.id.Invited() {
		n.start()
	}
}

func (r *randomCluster) pause(t *rapid.T) {
	n := r.one(t)
	if n.paused = !n.paused && n.core != nil; !n.paused {
		n.due = max(n.due, r.time+1)
	}
}

func (r *randomCluster) cutLink(t *rapid.T) {
	kind := rapid.SampledFrom([]cut{refusing, silent}).Draw(t, "kind")
	a, b := r.one(t).key, r.one(t).key
	r.cut[link{a, b}] = kind
	if rapid.Bool().Draw(t, "both ways") {
		r.cut[link{b, a}] = kind
	}
}

func (r *randomCluster) heal(*rapid.T) { clear(r.cut) }

// proposeAny asks with a new request id, or once more with an old one.
func (r *randomCluster) proposeAny(t *rapid.T) {
	n := r.running(t)
	i := rapid.IntRange(0, 3).Draw(t, "request back")
	if i == 0 || i > r.requests || r.requests > 200 {
		r.requests++
		i = 0
	}
	id := r.requests - i
	r.propose(n, id%256, fmt.Sprintf("data of %d", id%256))
}

const maxRandomNodes = 6

// fresh is a node that could be added: a new one, or one that was removed and
// has an empty directory now. Some are members already.
func (r *randomCluster) fresh(t *rapid.T) *node {
	id := rapid.Uint32Range(1, maxRandomNodes).Draw(t, "add")
	x := r.nodes[id]
	if x != nil && x.core != nil && x.status.Role == core.RoleRemoved {
		x.crash(0)
		x = nil
	}
	if x == nil {
		x = r.create(id)
	}
	return x
}

func (r *randomCluster) add(t *rapid.T) {
	x := r.fresh(t)
	r.leader(t).step(core.AddNode{ID: r.id(), NodeID: x.key, Address: x.address, Port: 7000, ReplicaUUID: x.id.ReplicaUUID})
}

func (r *randomCluster) replace(t *rapid.T) {
	x := r.fresh(t)
	r.leader(t).step(core.ReplaceNode{ID: r.id(), OldNodeID: r.one(t).key, NodeID: x.key, Address: x.address, Port: 7000, ReplicaUUID: x.id.ReplicaUUID})
}

func (r *randomCluster) readAny(t *rapid.T) { r.read(r.running(t)) }

func (r *randomCluster) remove(t *rapid.T) {
	r.leader(t).step(core.RemoveNode{ID: r.id(), NodeID: r.one(t).key})
}

func (r *randomCluster) transfer(t *rapid.T) {
	r.leader(t).step(core.TransferLeader{ID: r.id(), NodeID: rapid.Uint32Range(0, maxRandomNodes).Draw(t, "to")})
}

// apply makes a host slow, quick, or apply what it has.
func (r *randomCluster) apply(t *rapid.T) {
	n := r.one(t)
	n.lazy = rapid.Bool().Draw(t, "lazy")
	if n.core != nil {
		n.apply()
	}
}

// recover ends all faults: then there is a leader, a proposal is committed, all
// members have it, and nobody is left waiting.
func (r *randomCluster) recover(t *rapid.T) {
	clear(r.cut)
	for _, n := range r.all() {
		n.slow, n.lazy, n.paused, n.rate = false, false, false, 100
		if n.core == nil && n.id.Invited() {
			n.start()
		}
		if n.core != nil {
			n.apply()
			n.step(core.DiskFull{})
		}
		n.due = r.time + n.interval()
	}
	r.run(40 * r.timing.ElectionTicks)
	for _, n := range r.all() {
		r.dial(n)
	}
	leader := r.leader(t)
	if leader.status.Role != core.RoleLeader {
		t.Fatalf("no leader %d ticks after all faults: %v", 40*r.timing.ElectionTicks, r.states())
	}
	r.propose(leader, 255, "the last")
	r.run(3)
	at, ok := r.history.acked[[16]byte{255}]
	if !ok {
		t.Fatalf("a healthy cluster does not commit: %v", r.states())
	}
	// A node that was invited, and removed before it heard anything, knows nobody
	// who could tell it.
	maps.DeleteFunc(r.history.open, func(_ uint64, key uint32) bool { return len(r.nodes[key].members.List) == 0 })
	if len(r.history.open) > 0 {
		t.Fatalf("requests %v are not answered: %v", r.history.open, r.states())
	}
	for _, m := range leader.core.Members().List {
		n := r.nodes[core.NodeID(m.GetRaftId())]
		if n.id.RaftID == m.GetRaftId() && n.status.Applied < at.index {
			t.Fatalf("node %d has not applied %d: %v", n.key, at.index, r.states())
		}
	}
}

// dial is what a host does all the time: it keeps a connection to every member,
// which is how a node that was removed while it was down hears of it.
func (r *randomCluster) dial(n *node) {
	for _, m := range n.members.List {
		to := r.nodes[core.NodeID(m.GetRaftId())]
		if n.core != nil && to != nil && to != n {
			r.greet(n, to, message{from: n.key, to: to.key, raftID: n.id.RaftID, member: m, send: core.Send{To: m.GetRaftId()}})
		}
	}
}

func (r *randomCluster) states() []string {
	var l []string
	for _, n := range r.all() {
		l = append(l, n.describe())
	}
	return l
}
