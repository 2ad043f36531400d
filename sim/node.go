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

// moments is for how many ticks the checkers know when they were.
const moments = 128

type moment struct {
	tick uint64
	now  time.Duration // the true time
}

// node is one server: its directory, its process while there is one, and
// core.Host for the core in it.
type node struct {
	w        *World
	id       uint32
	address  string
	disk     disk
	marker   *core.Marker // the file outside the directory; nil: there is none
	warned   bool         // its status says that it lost acknowledged data
	clock    clock
	draws    Stream
	timing   core.Config // but for Identity and Seed
	version  uint32      // version that the installed build knows; 0: core.OldestVersion
	protocol uint32      // of the build that is installed: others refuse it
	builds   []build     // that were installed

	// The process. A new life begins with every start.
	life       uint32
	state      state
	why        string // failed, broken
	identity   core.Identity
	core       *core.Core
	shadow     *shadow // beside a core that was made of a checkpoint
	status     core.Status
	members    core.Members
	ticks      core.Clock
	moments    [moments]moment
	untaken    []uint64      // what the host was given and has not taken over, each up to this index
	applyDelay time.Duration // that it is slow by
	takenAt    time.Duration // when it has the last of untaken
	heard      []heard       // by Raft id, in the order of their first message
	following  following     // whom, in this life
	readable   uint64        // as of node's runner: up to where the log may be read
	peers      []*peer
	inbox      inbox
	waits      []*request // whose Reply is due, by arrival
	open       []uint64   // requests that the core has and has not answered
	batch      *batch     // that it takes; nil: a single input
	appended   []uint64   // batches with entries that its disk has not answered
	accepts    int        // appends that it has accepted in this step
	due        int        // appends of which it has heard in this step that they are on the disk
	paused     int
	deferred   []event
	hostCall   int // calls until the process dies in the middle of a step; 0 = it does not
	dying      bool
	isOut      bool     // its core said in this step that it is no member any more
	survives   survival // of the writes, at that death
	lateBy     time.Duration

	recorder trace.Recorder
	recorded []byte // used again for what it gives away
	emitted  uint64 // the newest batch that its core has handed out
	inStep   bool   // between RecordInput and RecordOutput

	server   *server       // nil: this run has no PostgreSQL servers, or this node forms no cluster
	database *database     // nil: this run has none
	needs    []heardNeed   // of this life
	installs []install     // of this life
	over     time.Duration // since when it keeps more than it has to; 0 = it does not

	lease      lease
	leaseTerm  uint64        // the last one counted
	leaseUntil time.Duration // the last one looked at
	gone       bool          // what it steps comes from a member that it knows was removed
	seen       seen          // what the checkers know of it
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

// step hands the core an input and carries out what it wants, in the order of
// package node's runner. The process is running.
func (n *node) step(in core.Input) {
	n.w.stepping = n
	n.w.hashInput(n, in)
	n.isTold(in)
	n.database.takes(in)
	n.w.checks.before(n)
	core.Perform(n.core, in, n)
	if n.dying {
		n.w.marks.add(markDiedInStep)
		n.w.checks.died(n)
		n.crash(n.survives)
		n.w.restartLater(n, n.lateBy)
		return
	}
	if n.readable != n.status.Applied && !n.disk.installing() {
		n.readable = n.status.Applied
	}
	n.w.checks.stepped(n)
	n.w.checks.cancelled(n, in)
	n.database.gives(in)
	n.respondedAs()
	n.w.watch(n)
	if n.isOut {
		n.isOut = false
		n.leave()
	}
}

// leave ends a membership for good: the node stores that, and its core stops.
func (n *node) leave() {
	n.w.checks.leaves(n)
	n.disk.dir.identity.Removed = true
	n.identity.Removed = true
	n.marker = nil // with its data gone too, this may be a new node
	n.hangUpAll(surviveAll)
	n.disk.crash(surviveAll)
	n.halt()
	n.state, n.lease = removed, lease{}
	n.server.isRemoved()
}

// crash ends the process at once. What its disk keeps is for s to say.
func (n *node) crash(s survival) {
	if n.state == down {
		return
	}
	n.dies(s)
	n.server.crashes(s)
}

// dies is the end of the process alone: a PostgreSQL server may run on.
func (n *node) dies(s survival) {
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
	n.server.thaws()
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
	n.server.engineEnds()
	n.core, n.shadow, n.untaken, n.takenAt = nil, nil, nil, 0
	n.open, n.appended, n.accepts, n.due = n.open[:0], nil, 0, 0
	n.inbox.waits, n.inbox.wakes, n.inbox.until = nil, false, 0
	n.peers = n.peers[:0]
}

// pause stops the process where it stands, resume lets it go on.
func (n *node) pause() {
	n.paused++
	n.server.freezes()
	n.w.note(n, "pause", "stands still")
}

func (n *node) resume() {
	if n.paused == 0 { // it was started anew meanwhile
		return
	}
	if n.paused--; n.paused > 0 {
		return
	}
	n.server.thaws()
	tickFirst := n.draws.Below(2) == 0
	n.works() // or what came meanwhile would not be there at once
	if n.clock.pending && tickFirst && !n.isAtWork() {
		n.clock.pending = false
		n.takeTick()
	}
	n.w.note(n, "resume", "goes on")
	held := n.deferred
	n.deferred = nil
	for _, e := range held {
		n.w.dispatch(e)
	}
	if n.clock.pending && n.paused == 0 && n.state == running && !n.isAtWork() {
		n.clock.pending = false
		n.takeTick()
	}
	n.disk.kick()
}

// inboxSize bounds the inputs that wait for a process that stands still, as
// package node's inbox does; over it, messages are dropped.
const inboxSize = 4096
