package main

// #include "engine.h"
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/web"
)

// engine is a node and the requests under way to it.
type engine struct {
	records *records
	pace    *pace
	logger  *slog.Logger
	level   slog.LevelVar
	write   func(*status)
	fence   func(*fence) // nil: this server has none
	server  *server
	ended   context.Context // with stop
	end     context.CancelFunc

	opened    chan struct{} // closed once node and failed are final
	node      *node.Node    // nil if failed is set
	failed    error         // why the node could not be opened
	broken    atomic.Bool   // after a panic: nothing is published any more
	published atomic.Uint64 // how often
	publish   sync.Mutex    // guards the status block and what follows
	shown     status        // what the node put there last
	isShown   bool

	caused    chan struct{} // closed once there was a cause
	causeOnce sync.Once

	mu      sync.Mutex
	cfg     config // as of the last reload
	reloads uint64
	cause   error             // why the node cannot be opened yet; nil: none that a person has to remove
	debug   bool              // by pgraft_set_debug
	waiting map[uint64]*asked // by the request's id

	progress progress
	exports  exports
	imported imported

	reloading sync.Mutex

	listens chan web.Listen // 1 slot: where HTTP is to be answered
}

// status is what backends read.
type status = C.PgraftStatus

// maxRequests bounds the requests under way; over it the client gets `busy`.
const maxRequests = C.PGRAFT_MAX_REQUESTS

func newEngine(cfg config, r *records, write func(*status)) *engine {
	e := &engine{records: r, pace: newPace(), write: write, opened: make(chan struct{}), caused: make(chan struct{}), cfg: cfg, waiting: map[uint64]*asked{},
		listens: make(chan web.Listen, 1)}
	e.server = newServer(e)
	e.ended, e.end = context.WithCancel(context.Background())
	e.level.Set(cfg.level)
	e.logger = slog.New(&logHandler{records: r, level: &e.level})
	return e
}

// spawn runs f in a goroutine that recovers.
func (e *engine) spawn(f func()) {
	go func() {
		defer e.recovered()
		f()
	}()
}

// recovered hands a panic to the worker's main thread, which ends the worker.
// From here on this node claims nothing.
func (e *engine) recovered() {
	p := recover()
	if p == nil {
		return
	}
	e.broken.Store(true)
	e.publish.Lock()
	e.write(&status{worker_state: C.PGRAFT_WORKER_ERROR})
	e.publish.Unlock()
	why := fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
	select {
	case <-e.opened:
		if e.node != nil {
			e.node.KeepTrace(why)
		}
	default:
	}
	e.records.fatal(why)
}

var workerStates = map[node.State]C.uint32_t{
	node.Uninitialised: C.PGRAFT_WORKER_INITIALIZING,
	node.Waiting:       C.PGRAFT_WORKER_RUNNING,
	node.Running:       C.PGRAFT_WORKER_RUNNING,
	node.Removed:       C.PGRAFT_WORKER_STOPPED,
	node.Failed:        C.PGRAFT_WORKER_ERROR,
	node.Closed:        C.PGRAFT_WORKER_STOPPED,
}

var roles = map[core.Role]C.uint32_t{
	core.RoleFollower: C.PGRAFT_ROLE_FOLLOWER, core.RoleCandidate: C.PGRAFT_ROLE_CANDIDATE,
	core.RoleLeader: C.PGRAFT_ROLE_LEADER, core.RoleLearner: C.PGRAFT_ROLE_LEARNER,
	core.RoleRemoved: C.PGRAFT_ROLE_NONE,
}

// publishStatus puts a node's status where backends read it.
func (e *engine) publishStatus(s node.Status) {
	if e.published.Add(1)%punctualSteps == 0 {
		bePunctual()
	}
	out := status{
		term: C.uint64_t(s.Core.Term), commit_index: C.uint64_t(s.Core.Commit),
		applied_index: C.uint64_t(s.Core.Applied), last_index: C.uint64_t(s.Core.Last),
		lease_expiry_ns: C.int64_t(s.LeaseExpiry), worker_state: workerStates[s.State],
		leader_node: C.uint32_t(s.LeaderNode), leader_port: C.uint32_t(s.LeaderPort),
	}
	if s.State == node.Running {
		out.role = roles[s.Core.Role]
	}
	for i := 0; i < min(len(s.LeaderHost), len(out.leader_address)-1); i++ {
		out.leader_address[i] = C.char(s.LeaderHost[i])
	}
	e.publish.Lock()
	defer e.publish.Unlock()
	e.pace.stepped(moved(&e.shown, &out))
	if !e.broken.Load() && (!e.isShown || e.shown != out) {
		e.shown, e.isShown = out, true
		e.write(&e.shown)
	}
	e.progress.publish(s)
}

// moved says that there is more between two statuses than that the leader was heard.
func moved(before, after *status) bool {
	b := *before
	b.lease_expiry_ns = after.lease_expiry_ns
	return b != *after
}

// reload takes over settings after a SIGHUP.
func (e *engine) reload(cfg config) {
	e.mu.Lock()
	e.cfg = cfg
	e.reloads++
	e.setLevel()
	e.mu.Unlock()
	e.listen(cfg.http)
	e.spawn(func() {
		e.reloading.Lock()
		defer e.reloading.Unlock()
		n, err := e.wait(e.ended)
		if err != nil {
			return // it starts with nothing, or never
		}
		e.mu.Lock()
		latest := e.cfg
		e.mu.Unlock()
		if err := n.Reload(latest.settings()); err != nil {
			e.logger.Error(fmt.Sprintf("the new settings are not in force: %v", err))
		}
	})
}

// setLevel is for a change of the setting or of pgraft_set_debug. The caller
// holds mu.
func (e *engine) setLevel() {
	l := e.cfg.level
	if e.debug {
		l = slog.LevelDebug
	}
	e.level.Set(l)
}

func (e *engine) setDebug(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.debug = on
	e.setLevel()
}

// stopLimit is a little less than engine.h promises, and longer than a node waits for
// a disk that hangs.
const stopLimit = (C.PGRAFT_STOP_MS - 500) * time.Millisecond

// stop closes the node, so that the store has no work at the next start. It returns
// in time whatever the disk does: the process then exits, and what was not durable
// was not acknowledged.
func (e *engine) stop() {
	e.end()
	e.giveUpAll()
	done := make(chan struct{})
	e.spawn(func() {
		defer close(done)
		<-e.opened
		if e.node == nil {
			return
		}
		if err := e.node.Close(); err != nil {
			e.logger.Error(fmt.Sprintf("closing the node: %v", err))
		}
	})
	select {
	case <-done:
	case <-time.After(stopLimit):
		e.logger.Error(fmt.Sprintf("the node was not closed within %v: its disk hangs", stopLimit))
	}
}

// openNode is the node, nil while it is being opened or if that failed.
func (e *engine) openNode() *node.Node {
	select {
	case <-e.opened:
		return e.node
	default:
		return nil
	}
}

// openFailure is why the node could not be opened, or not yet; nil if none is known.
func (e *engine) openFailure() error {
	select {
	case <-e.opened:
		return e.failed
	default:
		return e.waitsFor()
	}
}

func (e *engine) config() config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cfg
}

// workerState is what pgraft_get_worker_state says.
func (e *engine) workerState() string {
	n := e.openNode()
	if n == nil {
		select {
		case <-e.opened:
			return workerStateName(C.PGRAFT_WORKER_ERROR)
		default:
		}
		if e.waitsFor() != nil {
			return workerStateName(C.PGRAFT_WORKER_ERROR)
		}
		return workerStateName(C.PGRAFT_WORKER_INITIALIZING)
	}
	state, _ := n.State()
	return workerStateName(workerStates[state])
}

func workerStateName(state C.uint32_t) string { return C.GoString(C.pgraft_worker_state_name(state)) }

// view is what a member knows; an error if there is no member.
func view(ctx context.Context, n *node.Node) (node.View, error) {
	if n == nil {
		return node.View{}, node.ErrNotRunning
	}
	v, err := n.View(ctx)
	if err == nil && v.Core.RaftID == 0 {
		err = node.ErrNotRunning
	}
	return v, err
}
