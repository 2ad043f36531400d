// Package history holds a run of several nodes as one ordered list of steps:
// what each core was given, what it answered, what it was then, and which
// message came from which step. Use a Builder to make one.
package history

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// History is one run. Steps are in causal order: a message is sent by an
// earlier step than the one that receives it.
type History struct {
	Name     string // for people: the files it came from
	Nodes    []Node // ordered by node id, a lane each
	Steps    []Step
	Messages []Message // ordered by Sent; those without a known sender come last
	Moments  []Moment  // ordered by At
}

// Node is one lane. A node that was removed and added anew stays in its lane.
type Node struct {
	ID         uint32
	TickMillis uint64 // of its newest start; 0 if nothing was recorded
	Address    string // host:port, the newest that is known; empty: none is
	// Recorded is false for a node that is only known by messages to it or from
	// it: no Step is in its lane.
	Recorded bool
}

// None stands for a step, a message or a lane that is not known.
const None = -1

// UnknownVote says that a record began too late to tell whom a node voted for.
const UnknownVote = ^uint64(0)

// Step is one input of one core and all that came of it.
type Step struct {
	Lane  int // index in History.Nodes
	At    time.Duration
	Seq   uint64     // of the input since the core's start, from 1 on; 0 of a start
	In    core.Input // nil: the node started
	Start *Start     // of a start
	Out   core.Output
	After core.Status
	Vote  uint64 // Raft id that this node voted for in After.Term, 0 = nobody
	// Received are the messages that In handed over: one for a Receive, for a Batch those
	// of its Receives, in their order.
	Received []int
	// The messages Sent to Sent+len(Out.Send)-1 left with this step.
	Sent int
	// Failover is what was known of it after the step; nil: nothing.
	Failover *replay.Failover
	// FailedOver is what came of it with the step: entries that were appended, what the log
	// decided, then what differs from the node's decision before.
	FailedOver []string
	// LeaseEnd is when the lease in After runs out if nothing renews it; 0 if
	// there is none.
	LeaseEnd time.Duration
}

// Start is how a core started.
type Start struct {
	Config  core.Config
	Durable core.Durable
	// Resumed says that the core ran already and the record begins here: Durable
	// is not known then, and Seq is that of the last input before.
	Resumed bool
	Seq     uint64
}

// Message is one message on its way, once for every time that it arrived.
type Message struct {
	Envelope
	From, To int  // lanes
	Sent     int  // step, None if the sender's trace is not here
	Got      int  // step, None if it never arrived
	Again    bool // a further arrival of a message that the network repeated
}

// MomentKind says what there is at a Moment.
type MomentKind uint8

// The kinds of moments. Down to Up a node does not run, Pause to Resume it stands
// still.
const (
	Note MomentKind = iota
	Fault
	Down
	Up
	Pause
	Resume
	Cut
	Heal
	Election
	Leader
	Alarm
	Epoch // of failover, or what else of it changes who may be primary
)

var momentNames = [...]string{"note", "fault", "down", "up", "pause", "resume", "cut", "heal", "election", "leader", "alarm", "epoch"}

func (k MomentKind) String() string { return momentNames[k] }

// Moment is something that people look for in a history.
type Moment struct {
	Lane int // None: the whole cluster
	At   time.Duration
	Kind MomentKind
	Text string
	Step int // the step that it belongs to, None for what came from outside
}
