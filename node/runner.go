package node

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/store"
)

// runner is the goroutine that owns a core. Everything reaches it through
// inbox; it is the core's Host.
type runner struct {
	n               *Node
	core            *core.Core
	store           store.Store
	disk            *disk
	inbox           chan any // core.Input or func()
	electionMillis  uint64
	heartbeatMillis uint64
	quit            chan struct{}
	ended           chan struct{}

	lastID   atomic.Uint64 // of a request
	replaced atomic.Bool   // set before stop: another runner goes on from the store
	over     chan struct{} // closed once that one does, or will not

	// The rest belongs to the goroutine.
	tick    time.Duration
	clock   core.Clock
	waiting map[uint64]chan core.Reply
	kept    kept
	known   core.Status // as last published
	expiry  int64       // of the lease, as last published
	removed bool
	hung    hung
}

// inboxSize is in inputs; over it, messages are dropped and callers wait.
const inboxSize = 4096

func newRunner(n *Node, c *core.Core, s store.Store) *runner {
	r := &runner{n: n, core: c, store: s, inbox: make(chan any, inboxSize), quit: make(chan struct{}), ended: make(chan struct{}), over: make(chan struct{}),
		kept: kept{map[uint64][]byte{}, map[uint64]*gathered{}}, tick: n.cfg.tick(), electionMillis: uint64(n.cfg.ElectionTimeout.Milliseconds()),
		heartbeatMillis: uint64(n.cfg.HeartbeatInterval.Milliseconds()), waiting: map[uint64]chan core.Reply{}}
	r.clock.Now = func() int64 { return int64(boottime()) }
	r.disk = newDisk(n.stats.timed(s.Write), func(seq uint64) { r.put(core.Persisted{Seq: seq, First: s.Bounds().First}) }, n.fail)
	return r
}

// put hands in an input; false once the runner has stopped.
func (r *runner) put(in any) bool {
	select {
	case r.inbox <- in:
		return true
	case <-r.quit:
		return false
	}
}

// offer is put for what may be dropped.
func (r *runner) offer(in core.Input) bool {
	select {
	case r.inbox <- in:
		return true
	default:
		return false
	}
}

// stop may be called more than once, under Node.mu.
func (r *runner) stop() {
	select {
	case <-r.quit:
	default:
		close(r.quit)
	}
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
	defer r.endTrace()
	t := time.NewTicker(r.tick)
	defer t.Stop()
	r.Publish(r.core.Status(), 0)
	for {
		select {
		case <-r.quit:
			return // whoever waits for a reply sees ended
		case <-t.C:
			r.step(core.Tick{})
			r.watchDisk()
			r.tellRoom()
		case in := <-r.inbox:
			switch in := in.(type) {
			case core.Input:
				r.step(in)
			case func():
				in()
			}
		}
	}
}

// endTrace is deferred by loop. A panic goes on, once what led to it is kept.
func (r *runner) endTrace() {
	p := recover()
	if p == nil {
		r.n.rec.Close("the core was stopped")
		return
	}
	r.n.rec.Crashed(fmt.Sprintf("%v\n%s", p, debug.Stack()))
	panic(p)
}

func (r *runner) step(in core.Input) { core.Perform(r.core, in, r) }

func (r *runner) Clock() *core.Clock { return &r.clock }

func (r *runner) Removed() {
	if !r.removed {
		r.removed = true
		r.n.removedFromCluster(r)
	}
}

// do hands in a request and waits for its reply. When ctx ends it gives the
// request up: core.Unknown, unless it was done just then. stopped: the runner
// ended before there was a reply.
func (r *runner) do(ctx context.Context, in func(id uint64) core.Input) (rep core.Reply, stopped bool) {
	id, answer := r.lastID.Add(1), make(chan core.Reply, 1)
	r.put(func() {
		r.waiting[id] = answer
		r.step(in(id))
	})
	select {
	case rep := <-answer:
		return rep, false
	case <-ctx.Done():
		r.put(core.Cancel{ID: id})
	case <-r.ended:
	}
	select {
	case rep := <-answer:
		return rep, false
	case <-r.ended:
	}
	select {
	case rep := <-answer:
		return rep, false
	default:
		text := "this node stopped before the outcome was known"
		if _, failure := r.n.State(); failure != nil {
			text += ": " + failure.Error()
		}
		return core.Reply{ID: id, Code: core.Unknown, Text: text}, true
	}
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

// view reads the core on its goroutine.
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

// look is view on the goroutine itself.
func (r *runner) look() View {
	return View{Core: r.core.Status(), LeaseExpiry: r.expiry, Members: r.core.MemberStatuses(),
		Readable: r.core.Status().Readable, electionMillis: r.electionMillis, heartbeatMillis: r.heartbeatMillis, store: r.store}
}

// boottime makes a raw call, as it cannot block: see quietConn in transport.
func boottime() time.Duration {
	var ts unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		panic(fmt.Sprintf("clock_gettime(CLOCK_BOOTTIME): %v", errno))
	}
	return time.Duration(ts.Nano())
}

func (r *runner) Publish(s core.Status, leaseEnd int64) {
	r.n.stats.changed(r.known, s)
	r.known = s
	st := Status{State: Running, Core: s, LeaderNode: core.NodeID(s.Lead), LeaseExpiry: leaseEnd}
	r.expiry = leaseEnd
	if m := r.core.Members().Get(s.Lead); m != nil {
		st.LeaderHost, st.LeaderPort = m.GetAddress(), m.GetPort()
	}
	r.n.publish(r, st)
}

// RecordInput and RecordOutput make it a core.Recorder.
func (r *runner) RecordInput(in core.Input)    { r.n.rec.Input(in) }
func (r *runner) RecordOutput(out core.Output) { r.n.rec.Output(out) }

func (r *runner) Persist(b []core.Persist) {
	r.n.stats.persisted(b)
	r.disk.add(b)
}

func (r *runner) Send(s core.Send) {
	if s.Snapshot {
		r.n.stats.snapshotsSent.Add(1)
	}
	r.n.net.Send(s)
}

// Apply has nothing to wait for: apply workers read the log store at a pace of
// their own.
func (r *runner) Apply(as []core.Apply) (taken bool) {
	r.n.stats.applied(as)
	return true
}

func (r *runner) Reply(rep core.Reply) {
	if c := r.waiting[rep.ID]; c != nil {
		delete(r.waiting, rep.ID)
		delete(r.kept.gathered, rep.ID)
		c <- rep // has room for it
	}
}

func (r *runner) Event(e core.Event) {
	level := map[core.Level]slog.Level{core.Debug: slog.LevelDebug, core.Info: slog.LevelInfo, core.Warning: slog.LevelWarn}[e.Level]
	r.n.cfg.Logger.Log(context.Background(), level, e.Text)
}

func (r *runner) MembersChanged(m core.Members) {
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	if r.n.state == Running && r.n.run == r { // a node that stopped has no peers
		r.n.members = m
		r.n.setPeers()
	}
}
