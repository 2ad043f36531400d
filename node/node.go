package node

import (
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
)

// State is how far a node has come.
type State int

const (
	Uninitialised State = iota // Init has not been called on this data directory
	Waiting                    // to be invited
	Running
	Removed // from its cluster, for good
	Failed  // stopped by a failure that Status.Failure describes
	Closed
)

// Status is what a host publishes.
type Status struct {
	State   State
	Failure error // Failed only
	Core    core.Status
	// LeaseExpiry is when the leader lease ends, in nanoseconds of
	// CLOCK_BOOTTIME; 0 = none.
	LeaseExpiry int64
	LeaderNode  uint32 // 0 = none known
	LeaderHost  string
	LeaderPort  uint32
}

// Node is one member. All methods are safe for concurrent use.
type Node struct {
	cfg   Config
	net   *transport.Transport
	rec   *recorder.Recorder
	tls   *transport.TLS // nil: none
	stats stats

	mu      sync.Mutex
	id      core.Identity
	former  []core.FormerCluster // see core.Marker
	members core.Members
	state   State
	failure error
	store   store.Store            // nil while uninitialised
	run     *runner                // nil unless the core is there
	current atomic.Pointer[runner] // the last run; changed under mu
	last    View                   // what a removed node knew last; otherwise zero

	closing sync.Once
	closed  error // of Close; guarded by closing

	reloading sync.Mutex // taken before mu
	retention sync.Mutex // taken after reloading, before mu: held while the store takes over another one
	pub       sync.Mutex // taken after mu
	publisher *runner
	shared    sharedMemory // guarded by pub

	note storeNote
	part chan struct{} // 1 slot: see PartChanged
	host *serverHost   // the last one that was started, nil: none was; guarded by mu

	room      room
	ended     chan struct{} // closed by Close
	needs     core.Needs    // as the host said last; guarded by mu
	retaining bool          // a goroutine is in retain, or will be; guarded by mu
}

// Errors that callers test for.
var (
	ErrNotInitialised = errors.New("node: not initialised")
	ErrNotRunning     = errors.New("node: not running")
	ErrContradiction  = errors.New("node: the data directory says otherwise")
	ErrFoundingBegun  = errors.New("node: the founding of a cluster was cut short")
	ErrDiskHangs      = errors.New("node: the disk hangs")
)

// Init founds a cluster, or makes the node wait for an invitation. bootstrap
// nil means: node 1 founds, any other waits. Repeating it changes nothing; an
// argument that contradicts what the data directory holds is ErrContradiction,
// and to wait on what is left of a founding ErrFoundingBegun: found it, or empty
// the directory first.
func (n *Node) Init(bootstrap *bool) (founded bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found := n.cfg.NodeID == 1
	if bootstrap != nil {
		found = *bootstrap
	}
	switch n.state {
	case Failed:
		return false, n.failure
	case Closed:
		return false, ErrNotRunning
	case Uninitialised:
	default:
		founded := core.Incarnation(n.id.RaftID) == 1
		if bootstrap != nil && found != founded {
			return false, fmt.Errorf("%w: node %d %s", ErrContradiction, n.cfg.NodeID, map[bool]string{
				true: "founded its cluster", false: "did not found a cluster: it joins one by invitation"}[founded])
		}
		return founded, nil
	}
	if err := n.makeDataDir(); err != nil {
		return false, err
	}
	s, err := store.Open(n.cfg.DataDir, n.storeOptions())
	if err != nil {
		return false, err
	}
	n.store = s
	if err = syncDir(filepath.Dir(n.cfg.DataDir)); err == nil {
		err = n.mint(found)
	}
	if err != nil {
		return false, errors.Join(err, n.closeStore())
	}
	if err := n.begin(); err != nil {
		n.failLocked(err)
		return false, &UnfinishedError{n.failure}
	}
	return found, nil
}

// mint makes the identity of a new node durable. The identity comes after the
// founding state and before the marker, so a crash in between can be repeated.
func (n *Node) mint(found bool) error {
	id := core.Identity{ClusterID: n.cfg.ClusterID, NodeID: n.cfg.NodeID, ReplicaUUID: newUUID()}
	if found {
		id.ClusterUUID, id.RaftID = newUUID(), core.RaftID(1, n.cfg.NodeID)
		d := core.Bootstrap(id, n.cfg.Address, n.cfg.Port, n.cfg.newest())
		if err := n.store.Write([]core.Persist{{Seq: 1, Snapshot: d.Snapshot, HardState: &d.HardState, Version: n.cfg.newest(), Sync: true}}); err != nil {
			return err
		}
	} else if d, err := n.store.Load(); err != nil {
		return err
	} else if d.Snapshot != nil {
		// Every log begins at the same index and term: this node would take the
		// one that it is invited to for the rest of its own.
		return fmt.Errorf("%w: %s holds its beginning", ErrFoundingBegun, n.cfg.DataDir)
	}
	if err := n.forgetNote(); err != nil {
		return err
	}
	if err := n.store.SetIdentity(id); err != nil {
		return &UnfinishedError{err}
	}
	if err := n.writeMarker(id.Marker(n.cfg.endpoint(), nil)); err != nil {
		return &UnfinishedError{err}
	}
	n.id = id
	return nil
}

// begin starts the core of a member, or waits. The caller holds mu.
func (n *Node) begin() error {
	if n.id.Removed {
		n.setState(Removed)
		n.cfg.Logger.Warn(fmt.Sprintf("node %d was removed from its cluster: to have it back, empty %s, then initialise and add it again; with pgraft.failover on, empty the data directory and run pgraft join instead",
			n.id.NodeID, n.cfg.DataDir))
		n.endPart()
		return nil
	}
	n.store.WaitForRoom(n.ended)
	if !n.id.Invited() {
		n.setState(Waiting)
		n.cfg.Logger.Info(fmt.Sprintf("node %d waits to be added to a cluster %q", n.id.NodeID, n.id.ClusterID))
		return nil
	}
	d, err := n.store.Load()
	if err != nil {
		return err
	}
	cfg := n.cfg.core(n.id, randomSeed())
	note, err := n.joinsFailover(&cfg)
	if err != nil {
		return err
	}
	c, err := core.New(cfg, d)
	if err != nil {
		return err
	}
	n.rec.Boot(c, cfg, d)
	n.members = c.Members()
	n.stats.started(c.Status().Commit)
	n.run = newRunner(n, c, n.store)
	n.run.host = n.newServerHost(n.run, note)
	n.setState(Running)
	n.run.Publish(c.Status(), 0)
	n.run.in.force(n.needs) // that makes it owned
	n.current.Store(n.run)
	n.setPeers()
	n.cfg.Go(n.run.loop)
	n.cfg.Go(n.run.work)
	n.run.in.pass()
	n.cfg.Go(n.run.disk.loop)
	n.run.host.start()
	return nil
}

// setState changes the state, and publishes that of a node without a core; a
// runner publishes by itself. The caller holds mu.
func (n *Node) setState(s State) {
	n.state = s
	if s == Running {
		n.publishFor(n.run)
		return
	}
	n.publishFor(nil)
	n.publishUnknown()
	n.publish(nil, Status{State: s, Failure: n.failure, Core: n.last.Core})
}

// publishFor says whose statuses count from now on: not those of a runner that
// was stopped and has not noticed yet.
func (n *Node) publishFor(r *runner) {
	n.pub.Lock()
	n.publisher = r
	n.pub.Unlock()
}

func (n *Node) publish(r *runner, s Status) {
	n.pub.Lock()
	defer n.pub.Unlock()
	if n.publisher == r {
		n.shared.lease = s.LeaseExpiry
		n.cfg.Publish(s)
	}
}

// fail stops the node after a failure that it must not go on with: what a
// failed disk acknowledged is not known. The rest of the cluster goes on.
func (n *Node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failLocked(err)
}

func (n *Node) failLocked(err error) {
	if n.state == Failed || n.state == Closed || errors.Is(err, store.ErrAbandoned) { // the last: by Close
		return
	}
	n.failure = fmt.Errorf("node %d stopped: %w", n.id.NodeID, err)
	back := comesBack(err)
	if back {
		n.failure = fmt.Errorf("%w; it starts again by itself", n.failure)
	}
	n.cfg.Logger.Error(n.failure.Error())
	n.rec.Keep("fault", n.failure.Error())
	if n.run != nil {
		n.run.disk.drop()
		n.run.stop()
	}
	n.net.SetPeers(nil)
	n.setState(Failed)
	if back {
		run := n.run
		n.cfg.Go(func() { n.comeBack(run) })
	}
}

// removedFromCluster ends a membership for good. It is called by the runner.
func (n *Node) removedFromCluster(r *runner) {
	n.mu.Lock()
	running, id, s := n.state == Running, n.id, n.store
	n.mu.Unlock()
	if !running {
		return
	}
	id.Removed = true
	err := s.SetIdentity(id) // without mu: it waits for the disk
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.state != Running:
		return // it failed or was closed meanwhile: the next start sees it
	case errors.Is(err, store.ErrFull):
		r.removed = false // until there is room
		return
	case err != nil:
		n.failLocked(err)
		return
	}
	n.id, n.last = id, r.look()
	// With its data gone too, this may be a new node.
	if err := os.Remove(n.cfg.MarkerPath); err != nil {
		n.cfg.Logger.Warn(fmt.Sprintf("node: marker: %v", err))
	}
	r.stop()
	n.net.SetPeers(nil)
	n.setState(Removed)
	n.endPart()
}

// State says how far the node has come, and the failure if it is Failed.
func (n *Node) State() (State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state, n.failure
}

// running returns the runner, or why there is none.
func (n *Node) running() (*runner, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.state {
	case Running:
		return n.run, nil
	case Uninitialised:
		return nil, ErrNotInitialised
	case Failed:
		return nil, n.failure
	case Waiting:
		return nil, fmt.Errorf("%w: node %d waits to be added to a cluster", ErrNotRunning, n.id.NodeID)
	case Removed:
		return nil, fmt.Errorf("%w: node %d was removed from its cluster", ErrNotRunning, n.id.NodeID)
	}
	return nil, ErrNotRunning
}

func newUUID() (u [16]byte) {
	crand.Read(u[:]) // never fails (crypto/rand)
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

func randomSeed() uint64 {
	var b [8]byte
	crand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
