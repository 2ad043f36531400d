package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// state is how far a node's process has come; package node knows the same ones.
type state uint8

const (
	down          state = iota // no process
	uninitialised              // pgraft_init() has not been called on this directory
	waiting                    // to be invited
	running
	failed  // stopped by its disk; its process is still there
	broken  // refuses to start on what it finds
	removed // from its cluster, for good
)

func (s state) String() string {
	return [...]string{"down", "uninitialised", "waiting", "running", "failed", "broken", "removed"}[s]
}

// moments is for how many ticks their time is remembered: longer than a lease.
const moments = 128

type moment struct {
	tick uint64
	at   time.Duration // by the node's clock
	now  time.Duration // the true time
}

// marker is the file outside the data directory.
type marker struct {
	there   bool
	replica [16]byte
}

// node is one server: its directory, its process while there is one, and
// core.Host for the core in it.
type node struct {
	w        *World
	id       uint32
	address  string
	disk     disk
	marker   marker
	warned   bool // its status says that it lost acknowledged data
	clock    clock
	draws    Stream
	timing   core.Config // but for Identity and Seed
	protocol uint32      // of the build that is installed

	// The process. A new life begins with every start.
	life       uint32
	state      state
	why        string // failed, broken
	identity   core.Identity
	core       *core.Core
	shadow     *shadow // beside a core that was made of a checkpoint
	status     core.Status
	members    core.Members
	moments    [moments]moment
	toApply    uint64
	untaken    []uint64      // what the host was given and has not taken over, each up to this index
	applyDelay time.Duration // that it is slow by
	takenAt    time.Duration // when it has the last of untaken
	heard      []heard       // by node id - 1
	readable   uint64        // as of node's runner: up to where the log may be read
	peers      []*peer
	waits      []*request // whose Reply is due, by arrival
	paused     int
	deferred   []event
	hostCall   int // calls until the process dies in the middle of a step; 0 = it does not
	dying      bool
	survives   survival // of the writes, at that death
	lateBy     time.Duration

	recorder trace.Recorder
	recorded []byte // used again for what it gives away
	inStep   bool   // between RecordInput and RecordOutput

	database *database     // nil: this run has none
	needs    []heardNeed   // of this life
	installs []install     // of this life
	over     time.Duration // since when it keeps more than it has to; 0 = it does not

	lease      lease
	leaseTerm  uint64        // the last one counted
	leaseUntil time.Duration // the last one looked at
	gone       bool          // what it steps comes from a member that it knows was removed
	view       view          // what the checkers know of it
	newest     stepTaken     // its newest step, whatever became of it since
}

// lease is what the node's shared memory says, and so what is_leader() says. It
// outlives the process: a stopped worker's lease ends by itself.
type lease struct {
	until time.Duration // by the node's clock; 0 = none
	term  uint64
}

func (n *node) tick() time.Duration { return time.Duration(n.timing.TickMillis) * time.Millisecond }

func (n *node) String() string { return fmt.Sprintf("node %d", n.id) }

// open finds out, as package node does, whether the directory is this node's.
// found is false on a server that was never initialised.
func (n *node) open() (found bool, err error) {
	d := n.disk.dir
	if d.empty() {
		if n.marker.there {
			return false, fmt.Errorf("the data directory is empty, but node %d was initialised: its data is lost", n.id)
		}
		return false, nil
	}
	id := d.identity
	switch {
	case d.corrupt != "":
		return false, fmt.Errorf("damaged: %s", d.corrupt)
	case !d.hasIdentity && !n.marker.there:
		return false, nil
	case !d.hasIdentity:
		return false, fmt.Errorf("the directory has no identity, but node %d was initialised", n.id)
	case id.NodeID != n.id:
		return false, fmt.Errorf("the directory belongs to node %d", id.NodeID)
	case n.marker.there && n.marker.replica != id.ReplicaUUID:
		return false, fmt.Errorf("the directory holds another replica than the one that was initialised here")
	}
	if !id.Removed {
		n.marker = marker{true, id.ReplicaUUID}
	}
	n.identity = id
	return true, nil
}

// start begins a life of the process.
func (n *node) start() {
	if n.state != down {
		return
	}
	n.life++
	n.identity = core.Identity{ClusterID: clusterID, NodeID: n.id}
	n.members, n.warned = core.Members{}, false
	n.w.say(n, "starts")
	switch found, err := n.open(); {
	case err != nil:
		n.refuse(err)
	case !found:
		n.state, n.lease = uninitialised, lease{}
	default:
		n.begin()
	}
}

func (n *node) refuse(err error) {
	n.state, n.why, n.lease = broken, err.Error(), lease{}
	n.w.marks.add(markRefusedToStart)
	n.w.say(n, "refuses to start: %s", n.why)
}

// clusterID is the name that all servers are set to.
const clusterID = "sim"

// init is pgraft_init(bootstrap => found): it mints the identity.
func (n *node) init(found bool) {
	id := core.Identity{ClusterID: clusterID, NodeID: n.id, ReplicaUUID: n.uuid()}
	if found {
		id.ClusterUUID, id.RaftID = n.uuid(), core.RaftID(1, n.id)
		d := core.Bootstrap(id, n.address, port)
		n.disk.dir.write(&core.Persist{Snapshot: d.Snapshot, HardState: &d.HardState})
	}
	n.disk.dir.identity, n.disk.dir.hasIdentity = id, true
	n.identity = id
	n.marker = marker{true, id.ReplicaUUID}
	if n.database != nil {
		n.w.provide(n.database)
	}
	n.w.say(n, "is initialised, founding: %v", found)
	n.begin()
}

const port = 7000

func (n *node) uuid() (u [16]byte) {
	for i := range u {
		u[i] = byte(n.draws.Uint64())
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

// begin starts the core of a member, or waits to be invited.
func (n *node) begin() {
	switch {
	case n.identity.Removed:
		n.state, n.lease = removed, lease{}
		return
	case !n.identity.Invited():
		n.state, n.lease = waiting, lease{}
		return
	}
	d, err := n.disk.dir.load()
	if err != nil {
		n.refuse(err)
		return
	}
	cfg := n.timing
	cfg.Identity, cfg.Seed = n.identity, n.draws.Uint64()
	c, err := core.New(cfg, d)
	if err != nil {
		n.refuse(err)
		return
	}
	n.core, n.state, n.why = c, running, ""
	n.status, n.members = c.Status(), c.Members()
	n.readable = n.status.Applied
	n.moments, n.heard = [moments]moment{}, n.heard[:0]
	n.recordBoot(cfg, d)
	n.w.checks.started(n, d)
	n.setPeers()
	n.startTicker()
	n.Publish(n.status)
	if n.database != nil {
		n.needs, n.installs, n.over = n.needs[:0], n.installs[:0], 0
		n.database.begin()
	}
}

// input hands the core an input and carries out what it wants, in the order of
// package node's runner.
func (n *node) input(in core.Input) {
	if n.state != running {
		return
	}
	n.w.stepping = n
	n.w.hashInput(n, in)
	n.w.checks.before(n)
	if a, ok := in.(core.Applied); ok {
		n.taken(a)
	}
	core.Perform(n.core, in, n)
	n.takeOver()
	if n.dying {
		n.w.marks.add(markDiedInStep)
		n.crash(n.survives)
		n.w.restartLater(n, n.lateBy)
		return
	}
	if n.readable != n.status.Applied && !n.disk.installing() {
		n.readable = n.status.Applied
	}
	n.w.checks.stepped(n)
	n.w.watch(n)
	if n.status.Role == core.RoleRemoved {
		n.leave()
	}
}

// leave ends a membership for good: the node stores that, and its core stops.
func (n *node) leave() {
	n.w.checks.leaves(n)
	n.disk.dir.identity.Removed = true
	n.identity.Removed = true
	n.marker = marker{} // with its data gone too, this may be a new node
	n.hangUpAll(surviveAll)
	n.disk.crash(surviveAll)
	n.halt()
	n.state, n.lease = removed, lease{}
}

// crash ends the process at once. What its disk keeps is for s to say.
func (n *node) crash(s survival) {
	if n.state == down {
		return
	}
	n.w.say(n, "crashes")
	n.w.note(n, "down", "crashes")
	n.hangUpAll(s)
	n.disk.crash(s)
	if n.database != nil {
		n.database.crash(s)
	}
	n.halt()
	n.state = down
	n.deferred, n.paused, n.dying, n.hostCall = nil, 0, false, 0
	n.clock.asleep = 0
}

// fail stops a node whose disk failed: what was acknowledged is not known. The
// process is started anew later, by whoever looks after the server.
func (n *node) fail(err error) {
	n.w.say(n, "stops: %v", err)
	n.w.marks.add(markFailStop)
	n.hangUpAll(surviveAll)
	n.disk.crash(survivePrefix)
	n.halt()
	n.state, n.why = failed, err.Error()
	n.w.restartLater(n, n.draws.Between(200*time.Millisecond, 3*time.Second))
}

// halt forgets what is only in the process's memory.
func (n *node) halt() {
	open := n.waits
	n.waits = nil
	for _, r := range open {
		n.w.answered(r, core.Reply{Code: core.Unknown, Text: "the node stopped"})
	}
	n.w.checks.stopped(n)
	n.core, n.shadow, n.toApply, n.untaken, n.takenAt = nil, nil, 0, nil, 0
	n.peers = n.peers[:0]
}

// pause stops the process where it stands, resume lets it go on.
func (n *node) pause() {
	n.paused++
	n.w.note(n, "pause", "stands still")
}

func (n *node) resume() {
	if n.paused == 0 { // it was started anew meanwhile
		return
	}
	if n.paused--; n.paused > 0 {
		return
	}
	tickFirst := n.draws.Below(2) == 0
	if n.clock.pending && tickFirst {
		n.clock.pending = false
		n.takeTick()
	}
	n.w.note(n, "resume", "goes on")
	held := n.deferred
	n.deferred = nil
	for _, e := range held {
		n.w.dispatch(e)
	}
	if n.clock.pending && n.paused == 0 && n.state == running {
		n.clock.pending = false
		n.takeTick()
	}
	n.disk.kick()
}

// inboxSize bounds the inputs that wait for a process that stands still, as
// package node's inbox does; over it, messages are dropped.
const inboxSize = 4096
