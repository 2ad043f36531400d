package core_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// random drives a cluster with everything that can happen to it, in an order
// drawn from a seed: messages lost, doubled and reordered, crashes that lose
// what is not synced, partitions, members coming and going.
type random struct {
	*cluster
	seed   uint64
	at     int // steps made
	r      *rand.Rand
	asked  map[uint64]expected // id of a read -> what it must not miss
	seen   map[string]int      // how often what happened
	slow   map[uint32]bool     // nodes whose clock stands still
	newest uint64              // index of the newest acknowledged entry
	term   uint64              // and the newest term one was acknowledged in
}

type expected struct{ index, term uint64 }

const (
	randomNodes   = 6
	maxRandomWire = 300 // messages; over it the oldest are lost
)

func newRandom(seed uint64) *random { return newRandomWith(seed, func(*cluster) {}) }

// newRandomWith is newRandom with prepare called before anything has happened.
func newRandomWith(seed uint64, prepare func(*cluster)) *random {
	x := &random{cluster: newCluster(), seed: seed, r: rand.New(rand.NewPCG(seed, 1)), asked: map[uint64]expected{}, seen: map[string]int{}, slow: map[uint32]bool{}}
	x.quiet = true
	if seed%2 == 0 {
		x.timing.SnapshotEntries, x.timing.MaxTailBytes = 20, 4000 // installs snapshots too
	}
	x.onReply = x.replied
	prepare(x.cluster)
	x.form(3)
	return x
}

// replied checks that a read misses nothing that was acknowledged before it was
// asked for.
func (x *random) replied(n *node, r core.Reply) {
	x.seen[fmt.Sprintf("reply %d", r.Code)]++
	if r.Code != core.OK {
		delete(x.asked, r.ID)
		return
	}
	if e, ok := x.asked[r.ID]; ok {
		delete(x.asked, r.ID)
		x.seen["read"]++
		switch {
		case r.Term == 0 && r.Index < e.index:
			panic(fmt.Sprintf("node %d reads at %d, but %d was acknowledged before", n.id.NodeID, r.Index, e.index))
		case r.Term == 0 && r.Index > n.core.Status().Applied:
			panic(fmt.Sprintf("node %d reads at %d, but has applied %d", n.id.NodeID, r.Index, n.core.Status().Applied))
		case r.Term != 0 && r.Term < e.term:
			panic(fmt.Sprintf("node %d leads in term %d, but an entry of term %d was acknowledged before", n.id.NodeID, r.Term, e.term))
		}
	} else if r.Index > 0 && r.Term > 0 {
		x.newest, x.term = max(x.newest, r.Index), max(x.term, r.Term)
	}
}

// actions are drawn by weight.
var actions = []struct {
	weight int
	name   string
	do     func(*random)
}{
	{400, "deliver", func(x *random) {
		for range 5 {
			x.deliverAt(x.r.IntN(max(len(x.wire), 1)))
		}
	}},
	{120, "sync", func(x *random) {
		n := x.pick()
		n.sync(len(n.queue))
	}},
	{40, "batch", func(x *random) { x.batch() }},
	{120, "tick", func(x *random) { x.tickAll() }},
	{20, "double", func(x *random) {
		if len(x.wire) > 0 {
			x.wire = append(x.wire, x.wire[x.r.IntN(len(x.wire))])
		}
	}},
	{20, "lose", func(x *random) {
		if len(x.wire) > 0 {
			x.loseAt(x.r.IntN(len(x.wire)))
		}
	}},
	{60, "propose", func(x *random) {
		id := x.id()
		rid := [16]byte{1: byte(id), 2: byte(id >> 8), 3: byte(id >> 16)}
		in := core.Propose{ID: id, RequestID: rid, Data: make([]byte, x.r.IntN(200))}
		x.history.asked[id] = in
		x.pick().step(in)
	}},
	{40, "barrier", func(x *random) { x.ask(func(id uint64) core.Input { return core.ReadBarrier{ID: id} }) }},
	{10, "confirm", func(x *random) { x.ask(func(id uint64) core.Input { return core.ConfirmLeader{ID: id} }) }},
	{5, "wait", func(x *random) { x.pick().step(core.WaitApplied{ID: x.id(), Index: x.newest + uint64(x.r.IntN(9))}) }},
	{5, "cancel", func(x *random) { x.pick().step(core.Cancel{ID: max(x.nextID, 20) - uint64(x.r.IntN(20))}) }},
	{3, "crash", func(x *random) { x.pick().crash(0) }},
	{9, "restart", func(x *random) {
		if n := x.all()[x.r.IntN(len(x.all()))]; n.core == nil && n.id.Invited() {
			n.life++
			n.start()
		}
	}},
	{2, "cut", func(x *random) {
		x.cut[link{1 + x.r.Uint32N(randomNodes), 1 + x.r.Uint32N(randomNodes)}] = refusing
	}},
	{1, "isolate", func(x *random) { x.isolate(x.pick()) }},
	{1, "slow", func(x *random) { n := x.pick(); x.slow[n.id.NodeID] = true; x.isolate(n) }},
	{6, "closed", func(x *random) {
		x.pick().step(core.PeerClosed{RaftID: x.pick().id.RaftID, Closed: x.r.IntN(3) > 0})
	}},
	{1, "full", func(x *random) { x.pick().step(core.DiskFull{Full: true}) }},
	{16, "room", func(x *random) { x.pick().step(core.DiskFull{}) }},
	{1, "heal", func(x *random) { x.heal() }},
	{3, "transfer", func(x *random) {
		x.pick().step(core.TransferLeader{ID: x.id(), NodeID: x.r.Uint32N(randomNodes + 1)})
	}},
	{4, "add", func(x *random) {
		if n := x.fresh(); n != nil {
			x.pick().step(core.AddNode{ID: x.id(), NodeID: n.id.NodeID, Address: n.address, Port: 7000, ReplicaUUID: n.id.ReplicaUUID, Newest: n.cfg.Newest})
		}
	}},
	{4, "replace", func(x *random) {
		n, l := x.fresh(), x.leading()
		if members := l.core.Members().List; n != nil && len(members) > 0 {
			l.step(core.ReplaceNode{ID: x.id(), OldNodeID: core.NodeID(members[x.r.IntN(len(members))].GetRaftId()), NodeID: n.id.NodeID,
				Address: n.address, Port: 7000, ReplicaUUID: n.id.ReplicaUUID, Newest: n.cfg.Newest})
		}
	}},
	{6, "needs", func(x *random) {
		x.pick().step(core.Needs{From: x.r.Uint64N(x.newest + 2), Importable: x.r.IntN(4) == 0})
	}},
	{6, "fetch", func(x *random) {
		after := x.r.Uint64N(x.newest + 2)
		x.pick().step(core.FetchHistory{ID: x.id(), After: after, Last: after + 1 + x.r.Uint64N(50)})
	}},
	{2, "fetch state", func(x *random) { x.pick().step(core.FetchState{ID: x.id()}) }},
	{2, "database", func(x *random) { x.pick().keeper.export = strings.Repeat(secret, x.r.IntN(3)) }},
	{4, "trim", func(x *random) { x.pick().trim(x.r.Uint64N(x.newest + 2)) }},
	{2, "remove", func(x *random) { x.pick().step(core.RemoveNode{ID: x.id(), NodeID: 1 + x.r.Uint32N(randomNodes)}) }},
}

// step does one thing.
func (x *random) step() {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("seed %d, step %d: %v", x.seed, x.at, p))
		}
	}()
	x.at++
	sum := 0
	for _, a := range actions {
		sum += a.weight
	}
	n := x.r.IntN(sum)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			x.seen[a.name]++
			a.do(x)
			break
		}
	}
	for len(x.wire) > maxRandomWire {
		x.loseAt(0)
	}
}

func (x *random) isolate(n *node) {
	for id := uint32(1); id <= randomNodes; id++ {
		x.cut[link{id, n.key}], x.cut[link{n.key, id}] = refusing, refusing
	}
}

func (x *random) heal() {
	clear(x.cut)
	clear(x.slow)
	for _, n := range x.all() {
		if n.core != nil {
			n.step(core.DiskFull{})
		}
	}
}

func (x *random) steps(n int) {
	for range n {
		x.step()
	}
}

// settle ends all faults and lets everything come to rest.
func (x *random) settle() {
	x.heal()
	x.restartAll()
	x.run(100)
}

// pick is a node that runs; if none does, all are started again.
func (x *random) pick() *node {
	running := x.running()
	if len(running) == 0 {
		x.restartAll()
		running = x.running()
	}
	return running[x.r.IntN(len(running))]
}

// leading is a node that leads, or any.
func (x *random) leading() *node {
	for _, n := range x.running() {
		if n.core.Status().Role == core.RoleLeader {
			return n
		}
	}
	return x.pick()
}

func (x *random) running() []*node {
	return slices.DeleteFunc(x.all(), func(n *node) bool { return n.core == nil })
}

func (x *random) restartAll() {
	for _, n := range x.all() {
		if n.core == nil && n.id.Invited() && !n.id.Removed {
			n.life++
			n.start()
		}
	}
}

// tickAll is a tick for everyone whose clock goes.
func (x *random) tickAll() {
	for _, n := range x.running() {
		n.paused = x.slow[n.key]
	}
	x.tickNext(math.MaxInt64 - 1)
	for _, n := range x.running() {
		n.paused = false // it goes on receiving
		n.due = max(n.due, x.time+1)
	}
}

func (x *random) deliverAt(i int) {
	if i < len(x.wire) {
		x.cluster.deliverAt(i)
	}
}

func (x *random) loseAt(i int) {
	at := -1
	x.drop(func(message) bool { at++; return at == i }, 1)
}

func (x *random) ask(in func(uint64) core.Input) {
	id := x.id()
	x.asked[id] = expected{x.newest, x.term}
	x.pick().step(in(id))
}

// fresh is an empty node that waits to be invited, with an id that no member
// has; nil if there is none.
func (x *random) fresh() *node {
	id := 1 + x.r.Uint32N(randomNodes)
	switch n := x.nodes[id]; {
	case n == nil:
		return x.create(id)
	case !n.id.Invited():
		return n
	}
	others := slices.DeleteFunc(x.all(), func(n *node) bool {
		return n.id.NodeID == id || !n.id.Invited() || n.core != nil && n.core.Status().Role == core.RoleRemoved
	})
	if len(others) == 0 {
		return nil
	}
	for _, n := range others {
		if n.core == nil || n.core.Members().Get(n.id.RaftID) == nil || n.core.Members().Node(id) != nil || n.core.Status().Applied < n.core.Status().Last {
			return nil // it is a member, or may be one
		}
	}
	x.seen["recreated"]++
	x.drop(func(m message) bool { return m.from == id || m.to == id }, len(x.wire))
	return x.create(id)
}

// leader is the node that leads, after settle.
func (x *random) leader(t *testing.T) *node {
	t.Helper()
	i := slices.IndexFunc(x.all(), func(n *node) bool { return n.core != nil && n.core.Status().Role == core.RoleLeader })
	if i < 0 {
		t.Fatalf("nobody leads: %v", x.describeAll())
	}
	return x.all()[i]
}

func (x *random) describeAll() (l []string) {
	for _, n := range x.all() {
		l = append(l, n.describe())
	}
	return l
}

// checkSettled looks at what must hold once nothing is wrong any more: one
// leader, every member at its end of the log, everyone a voter.
func (x *random) checkSettled(t *testing.T) {
	t.Helper()
	l := x.leader(t)
	want := l.core.Status()
	for _, m := range l.core.Members().List {
		n := x.nodes[core.NodeID(m.GetRaftId())]
		if n == nil || n.core == nil {
			t.Fatalf("member %d does not run", core.NodeID(m.GetRaftId()))
		}
		if s := n.core.Status(); s.Applied != want.Applied || s.Lead != want.RaftID || m.GetRole() != corepb.Role_VOTER {
			t.Errorf("role %v: %v", m.GetRole(), x.describeAll())
		}
	}
}
