package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
)

// World is one run: everything in it happens in one goroutine.
type World struct {
	o        Options
	shape    shape
	now      time.Duration
	seq      uint64
	events   uint64
	queue    queue
	kinds    map[string]*Kind
	nodes    []*node // by node id - 1
	links    []*link // by from, to
	strikes  []*strike
	struck   int       // how many faults have struck
	watching []*strike // those whose Kind.watch waits for something
	keeping  []*strike // those of several stages; see stage.go
	settled  bool      // the faults are over

	clients   []*client
	ops       []*op
	nextID    uint64
	operator  operator
	databases *databases // nil: the servers have none
	servers   *servers   // nil: no PostgreSQL servers that fail over
	checks    checks
	marks     Marks
	hash      digest
	encoded   []byte // room for an input that is hashed
	failure   *Failure
	trace     func(string)
	stepping  *node    // the last one whose core took an input
	steps     []uint64 // the hash after each event; nil unless asked for
	packets   []packet
	onWire    int
}

// spares are servers beyond those that form the cluster: to be added.
const spares = 2

func newWorld(o Options) *World {
	w := &World{o: o, shape: drawShape(o), trace: o.Trace, hash: digest(o.Seed), kinds: map[string]*Kind{}, databases: drawDatabases(o), servers: drawServers(o)}
	w.checks.w = w
	for _, k := range Kinds() {
		w.kinds[k.Name] = k
	}
	total := o.Nodes + spares
	for i := range total {
		w.nodes = append(w.nodes, w.newNode(uint32(i+1)))
	}
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			w.links = append(w.links, w.newLink(a, b))
		}
	}
	w.newServers()
	w.operator.want = make([]bool, total)
	for i := range o.Nodes {
		w.operator.want[i] = true
	}
	return w
}

func (w *World) newNode(id uint32) *node {
	n := &node{w: w, id: id, address: fmt.Sprintf("host%d", id),
		draws: For(w.o.Seed, "node", uint64(id)), timing: w.shape.timing}
	n.disk = disk{node: n, dir: &directory{}, latency: For(w.o.Seed, "disk", uint64(id)), damage: For(w.o.Seed, "damage", uint64(id))}
	if w.databases != nil {
		n.database = w.newDatabase(n)
	}
	s := For(w.o.Seed, "clock", uint64(id))
	n.clock.rate = 1_000_000
	if w.o.wants("drift") {
		n.clock.rate += int64(Pick(&s, -maxDrift, maxDrift, s.Int(-maxDrift, maxDrift)))
	}
	n.clock.local = s.Between(time.Hour, 100*time.Hour)
	return n
}

func (w *World) newLink(a, b *node) *link {
	ids := []uint64{uint64(a.id), uint64(b.id)}
	l := &link{from: a, to: b, base: w.shape.latency, latency: For(w.o.Seed, "link", ids...)}
	l.holds = For(w.o.Seed, "hold", ids...)
	l.loss.draws = For(w.o.Seed, "loss", ids...)
	l.duplicate.draws = For(w.o.Seed, "duplicate", ids...)
	l.reorder.draws = For(w.o.Seed, "reorder", ids...)
	l.replay.draws = For(w.o.Seed, "replay", ids...)
	return l
}

func (w *World) link(a, b *node) *link { return w.links[int(a.id-1)*len(w.nodes)+int(b.id-1)] }

// byID is nil for a number that is no particular node's.
func (w *World) byID(id uint32) *node {
	if id == 0 || int(id) > len(w.nodes) {
		return nil
	}
	return w.nodes[id-1]
}

func (w *World) byAddress(a string) *node {
	for _, n := range w.nodes {
		if n.address == a {
			return n
		}
	}
	panic(fmt.Sprintf("no server has the address %q", a))
}

// arrange puts an event into the queue.
func (w *World) arrange(e event) {
	w.seq++
	e.seq = w.seq
	w.queue.push(e)
}

// pack copies p to where it stays until it is delivered.
func (w *World) pack(p packet) *packet {
	if len(w.packets) == cap(w.packets) {
		w.packets = make([]packet, 0, 256)
	}
	w.packets = append(w.packets, p)
	return &w.packets[len(w.packets)-1]
}

// say adds a line to the trace.
func (w *World) say(n *node, f string, a ...any) {
	if w.trace == nil {
		return
	}
	who := "-"
	if n != nil {
		who = fmt.Sprint(n.id)
	}
	w.trace(fmt.Sprintf("%v %s %s", w.now, who, fmt.Sprintf(f, a...)))
}

// run lets everything happen, up to the first violation.
func (w *World) run(plan []Decision) {
	w.prepare(plan)
	w.until(w.o.Duration)
	if w.failure == nil {
		w.checks.atEnd()
	}
}

// prepare arranges what a run begins with.
func (w *World) prepare(plan []Decision) {
	if w.o.fork.salt != 0 {
		w.arrange(event{at: w.o.fork.at, kind: evFork})
	}
	for i := range plan {
		w.arrange(event{at: plan[i].At, kind: evBegin, ref: &plan[i]})
	}
	w.arrange(event{at: w.o.settleAt(), kind: evSettle})
	w.arrange(event{kind: evOperator})
	for _, n := range w.nodes {
		w.arrange(event{kind: evStart, node: n})
	}
	w.newClients()
}

// until lets everything happen that is due by an instant.
func (w *World) until(at time.Duration) {
	for w.failure == nil && w.queue.heap[0].at <= at {
		e := w.queue.pop()
		w.now = e.at
		w.events++
		w.hash.words(uint64(e.at), uint64(e.kind))
		w.dispatch(e)
		if w.steps != nil {
			w.steps = append(w.steps, uint64(w.hash))
		}
		if w.o.stop != nil && w.events%1024 == 0 && w.o.stop(w.events) {
			w.fail(stopped, "the run was stopped after %d events", w.events)
		}
	}
	if w.failure == nil {
		w.now = at
	}
}

// dispatch is one event.
func (w *World) dispatch(e event) {
	if n := e.node; n != nil {
		if e.life != n.life {
			return
		}
		if n.paused > 0 && e.kind != evTick {
			if len(n.deferred) < inboxSize || e.kind != evDeliver {
				n.deferred = append(n.deferred, e)
			} else {
				w.marks.add(markInboxFull)
			}
			return
		}
	}
	switch e.kind {
	case evTick:
		e.node.ticked(e.arg)
	case evDisk:
		if e.node.state == running {
			e.node.disk.finish()
		}
	case evDeliver:
		w.deliver(e.ref.(*packet))
	case evDial:
		e.ref.(*peer).dial()
	case evHello:
		e.ref.(*handshake).accept()
	case evWelcome:
		e.ref.(*handshake).welcomed(e.arg == 1)
	case evHangup:
		e.node.hungUp(e.ref.(*conn))
	case evInput:
		e.node.input(e.ref.(core.Input))
	case evWake:
		e.node.wake()
	case evDead:
		w.dead(e.ref.(*link))
	case evRetire:
		e.ref.(*peer).retire()
	case evStart:
		if e.node.state == failed {
			e.node.state = down
		}
		e.node.start()
	default:
		w.dispatchOutside(e)
	}
}

// dispatchOutside is an event of the world around the servers.
func (w *World) dispatchOutside(e event) {
	switch e.kind {
	case evClient:
		w.clients[e.arg].act()
	case evTimeout:
		w.timeout(e.ref.(*request))
	case evRetry:
		w.retry(e.ref.(*op))
	case evOperator:
		w.operate()
	case evBegin:
		d := e.ref.(*Decision)
		what := d.Kind
		if d.For > 0 {
			what += fmt.Sprintf(" %v", d.For)
		}
		w.note(w.byID(d.Node), "fault", "%s", what)
		w.begin(d)
	case evEnd:
		w.finish(e.ref.(*strike))
	case evFlap:
		if s := e.ref.(*strike); !s.over && s.cut {
			flap(w, s, -1)
		} else if !s.over {
			flap(w, s, 1)
		}
	case evUpgrade:
		w.upgrade(e.ref.(*node))
	case evSettle:
		w.settle()
	case evStage:
		w.stage(e.ref.(*strike))
	case evKept:
		w.arriveKept(e.ref.(*packet))
	case evCall:
		e.ref.(func())()
	case evDatabase:
		e.node.database.turn()
	case evFork:
		w.reseed()
	}
}

// settle ends all faults: from here on everything has to come right.
func (w *World) settle() {
	w.settled = true
	for _, s := range slices.Clone(w.strikes) {
		w.finish(s)
	}
	w.finishUpgrades()
	w.finishInstalls()
	for _, n := range w.nodes {
		n.hostCall = 0
		n.disk.syncErr, n.disk.writeErr, n.disk.stall = false, false, 0
		if n.state == down {
			n.start()
		}
	}
	w.say(nil, "the faults are over")
	w.note(nil, "note", "the faults are over")
}

// restartLater starts a node's process again after a while.
func (w *World) restartLater(n *node, after time.Duration) {
	w.arrange(event{at: w.now + after, kind: evStart, node: n, life: n.life})
}

// leader is the running node that leads in the highest term; nil if none does.
func (w *World) leader() (l *node) {
	for _, n := range w.nodes {
		if n.state == running && n.status.Role == core.RoleLeader && !n.foreign() && (l == nil || n.status.Term > l.status.Term) {
			l = n
		}
	}
	return l
}

// fail notes the first violation.
func (w *World) fail(check, f string, a ...any) {
	if w.failure == nil && !slices.Contains(w.o.Without, check) {
		w.failure = &Failure{Check: check, At: w.now, Event: w.events, Detail: fmt.Sprintf(f, a...)}
		w.say(nil, "VIOLATION %s: %s", check, w.failure.Detail)
	}
}
