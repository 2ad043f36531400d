package node

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/store"
)

// runner has a core. Everything reaches it through inbox, and one goroutine at a
// time owns it: that is the core's Host.
type runner struct {
	n               *Node
	core            *core.Core
	store           store.Store
	disk            *disk
	in              *inbox
	electionMillis  uint64
	heartbeatMillis uint64
	quit            chan struct{}
	stopping        sync.Once
	ended           chan struct{}

	lastID   atomic.Uint64 // of a request
	replaced atomic.Bool   // set before stop: another runner goes on from the store
	broken   atomic.Bool   // an owner panicked
	over     chan struct{} // closed once another runner goes on, or will not

	// The rest belongs to the owner.
	tick     time.Duration
	clock    core.Clock
	taken    []any        // from in, and being carried out
	inputs   []core.Input // of the step that is being made
	waiting  map[uint64]asker
	sends    []core.Send // of this step, not handed on yet
	answered bool        // somebody was, in this step
	kept     kept
	known    core.Status         // as last published
	expiry   int64               // of the lease, as last published
	leaving  bool                // this node was removed
	removed  bool                // that is durable, or just being made so
	decided  core.FailoverOutput // by package failover, last
	// part are the members with a server that take part; partWas, those at the decision before.
	part, partWas []uint64
	hung          hung
	host          *serverHost // nil: this node takes no part in failover
}

const (
	// ownRounds is how often who has come to own the core takes what waits, before it
	// lets the worker go on and goes back to what it does otherwise.
	ownRounds = 8
	// maxBatchBytes bounds the data of one step's inputs, unless a single one has more.
	maxBatchBytes = 1 << 20
)

func newRunner(n *Node, c *core.Core, s store.Store) *runner {
	r := &runner{n: n, core: c, store: s, in: newInbox(), quit: make(chan struct{}), ended: make(chan struct{}), over: make(chan struct{}),
		kept: kept{map[uint64][]byte{}, map[uint64]*gathered{}, pace{}}, tick: n.cfg.tick(), electionMillis: uint64(n.cfg.ElectionTimeout.Milliseconds()),
		heartbeatMillis: uint64(n.cfg.HeartbeatInterval.Milliseconds()), waiting: map[uint64]asker{}}
	r.clock.Now = func() int64 { return int64(boottime()) }
	r.disk = newDisk(n.stats.timed(s.Writer), r.persisted, n.fail)
	return r
}

// put hands in an input, a function or an asker, and may step the core; false once the
// runner has stopped.
func (r *runner) put(in any) bool { return r.serve(r.in.put(in), ownRounds) }

// offer is put for what may be dropped.
func (r *runner) offer(in any) bool { return r.serve(r.in.offer(in), ownRounds) }

// persisted is called by the disk's goroutine.
func (r *runner) persisted(seq uint64) {
	r.serve(r.in.force(core.Persisted{Seq: seq, First: r.store.Bounds().First}), 1)
}

// stop may be called more than once.
func (r *runner) stop() {
	r.stopping.Do(func() {
		r.in.close()
		close(r.quit)
	})
}

func (r *runner) wait(ctx context.Context) {
	for _, c := range []chan struct{}{r.ended, r.disk.ended} {
		select {
		case <-c:
		case <-ctx.Done():
		}
	}
}

// loop ticks by the wall. A tick that was missed is dropped by the ticker and
// never made up for: the promises that the lease rests on count on that.
func (r *runner) loop() {
	defer close(r.ended)
	defer r.disk.stop()
	defer r.end()
	t := time.NewTicker(r.tick)
	defer t.Stop()
	for {
		select {
		case <-r.quit:
			return
		case <-t.C:
			r.serve(r.in.tick(core.Tick{}), ownRounds)
		}
	}
}

// end waits until nobody owns the core, and sends on who waits for a reply.
func (r *runner) end() {
	items := r.in.rest()
	if !r.broken.Load() {
		r.step(core.Stop{})
		r.n.rec.Close("the core was stopped")
	}
	var left []*Call
	leave := func(x any, asked bool) {
		if c, ok := x.(*Call); ok {
			c.between(asked)
			left = append(left, c)
		}
	}
	for _, x := range r.waiting {
		leave(x, true)
	}
	for _, x := range slices.Concat(r.taken, items) {
		leave(x, false)
	}
	r.n.leave(r, left)
}

// work is a goroutine that owns the core while there is more to do than others can
// stay for, or something that waits for the disk.
func (r *runner) work() {
	for {
		select {
		case <-r.in.wake:
		case <-r.quit:
		}
		if r.in.accept() {
			r.serve(owning, math.MaxInt)
		}
		select {
		case <-r.quit:
			return
		default:
		}
	}
}

// serve has who came to own the core take what waits, at most so many times; then the
// worker goes on. False: nothing was taken.
func (r *runner) serve(t taken, rounds int) bool {
	if t != owning {
		return t == queued
	}
	defer r.crashed()
	worker := rounds == math.MaxInt
	for ; rounds > 0; rounds-- {
		if r.leaves() {
			if !worker {
				break
			}
			r.removed = true
			r.n.removedFromCluster(r)
		}
		items := r.in.take()
		if items == nil {
			return true
		}
		r.carryOut(items)
	}
	if r.leaves() || !r.in.idle() {
		r.in.pass()
	}
	return true
}

// leaves says that the removal of this node is to be made durable, which waits for the
// disk.
func (r *runner) leaves() bool { return r.leaving && !r.removed }

// crashed is deferred by who owns the core. A panic goes on, once what led to it is kept.
func (r *runner) crashed() {
	p := recover()
	if p == nil {
		return
	}
	r.broken.Store(true)
	r.n.rec.Crashed(fmt.Sprintf("%v\n%s", p, debug.Stack()))
	r.in.abandon()
	r.stop()
	panic(p)
}

// carryOut steps the core with items, in their order.
func (r *runner) carryOut(items []any) {
	r.taken = items
	for _, x := range items {
		switch x := x.(type) {
		case core.Tick:
			r.settle()
			r.step(x)
			r.watchDisk()
			r.tellRoom()
		case core.Input:
			r.inputs = append(r.inputs, x)
		case asker:
			id, in := x.ask()
			r.waiting[id] = x
			r.inputs = append(r.inputs, in)
		case func():
			r.settle()
			x()
		}
	}
	r.settle()
	clear(items)
	r.taken = nil
}

// settle steps the core with the inputs that were gathered, as few batches.
func (r *runner) settle() {
	for rest := r.inputs; len(rest) > 0; {
		n := batchLen(rest)
		if n == 1 {
			r.step(rest[0])
		} else {
			r.step(core.Batch{Inputs: rest[:n]})
		}
		rest = rest[n:]
	}
	clear(r.inputs)
	r.inputs = r.inputs[:0]
}

// batchLen is how many of the inputs make one step.
func batchLen(inputs []core.Input) (n int) {
	for bytes := 0; n < min(len(inputs), core.MaxBatchInputs) && bytes < maxBatchBytes; n++ {
		switch in := inputs[n].(type) {
		case core.Receive:
			bytes += len(in.Data)
		case core.Propose:
			bytes += len(in.Data)
		}
	}
	return n
}

func (r *runner) step(in core.Input) {
	core.Perform(r.core, in, r)
	if r.answered {
		r.answered = false
		r.n.cfg.Answered()
	}
	r.flush()
}

// asker is who waits for a reply of the core. The owner calls its methods.
type asker interface {
	ask() (id uint64, in core.Input)
	replied(core.Reply)
}

// question is an asker with a goroutine that waits.
type question struct {
	id    uint64
	in    func(id uint64) core.Input
	reply chan core.Reply // has room for it
}

func (q *question) ask() (uint64, core.Input) { return q.id, q.in(q.id) }
func (q *question) replied(rep core.Reply)    { q.reply <- rep }

// do hands in a request and waits for its reply. When ctx ends it gives the
// request up: core.Unknown, unless it was done just then. stopped: the runner
// ended before there was a reply.
func (r *runner) do(ctx context.Context, in func(id uint64) core.Input) (rep core.Reply, stopped bool) {
	q := &question{r.lastID.Add(1), in, make(chan core.Reply, 1)}
	r.put(q)
	select {
	case rep := <-q.reply:
		return rep, false
	case <-ctx.Done():
		r.put(core.Cancel{ID: q.id})
	case <-r.ended:
	}
	select {
	case rep := <-q.reply:
		return rep, false
	case <-r.ended:
	}
	select {
	case rep := <-q.reply:
		return rep, false
	default:
		return r.n.stopped(q.id), true
	}
}

// stopped is the reply of a runner that ended before there was one.
func (n *Node) stopped(id uint64) core.Reply {
	text := "this node stopped before the outcome was known"
	if _, failure := n.State(); failure != nil {
		text += ": " + failure.Error()
	}
	return core.Reply{ID: id, Code: core.Unknown, Text: text}
}

// wasReplaced says, of a runner that has ended, whether another goes on in its
// place, and returns once that one does. False when ctx ends first.
func (r *runner) wasReplaced(ctx context.Context) bool {
	if !r.replaced.Load() {
		return false
	}
	select {
	case <-r.over:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// view reads the core as its owner.
func (r *runner) view(ctx context.Context) (View, error) {
	answer := make(chan View, 1)
	r.put(func() { answer <- r.look() })
	select {
	case v := <-answer:
		return v, nil
	case <-r.ended:
		return View{}, ErrNotRunning
	case <-ctx.Done():
		return View{}, ctx.Err()
	}
}

// look is view for the owner itself.
func (r *runner) look() View {
	return View{Core: r.core.Status(), LeaseExpiry: r.expiry, Members: r.core.MemberStatuses(),
		Readable: r.core.Status().Readable, electionMillis: r.electionMillis, heartbeatMillis: r.heartbeatMillis, store: r.store}
}
