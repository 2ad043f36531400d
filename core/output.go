package core

import (
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/retain"
)

// Output is everything that one Step asks of the host, as data. The host
// publishes Core.Status (the lease in it) before it carries out Send, hands the
// batches of Persist to the log store in order, and answers as each type says.
type Output struct {
	Persist []Persist
	Send    []Send
	Apply   []Apply
	Reply   []Reply
	Events  []Event
	// MembersChanged says that Core.Members has changed.
	MembersChanged bool
	// Retain is what package retain decided; nil: nothing.
	Retain *retain.Output
	// Failover is what package failover decided, all of it each time; nil: it did not
	// decide. It shares no memory with what the core changes.
	Failover *FailoverOutput
}

// FailoverOutput is for the host of a node with Config.Failover. A later one takes the
// place of those before: an order that is not in it is over, if it was not carried out.
type FailoverOutput struct {
	// Shared is published first.
	Shared failover.Shared
	// Orders are what the host has to do to its server, each given again until
	// FailoverServer, FailoverPort or FailoverCompared shows it done.
	Orders []failover.Order
	// Why is what this node's server waits for; Nobody, on the leader, what the cluster
	// waits for until it has another primary.
	Why, Nobody failover.Why
}

// Persist is one numbered batch for the log store. Batches are written in
// order; several may share one fsync. When Sync is set, the host answers
// Persisted(Seq) once the batch and all before it are durable, never earlier.
// Without Sync it answers once the batch is written and all before it that have Sync
// set are durable: the core may say to others then what rests on those. A batch is
// atomic.
//
// The order inside a batch: Snapshot, History, Entries, Mark, HardState.
type Persist struct {
	Seq uint64
	// Snapshot, when not nil, came from the leader: it replaces all stored
	// snapshots and the log after Keep.
	Snapshot *Snapshot
	// Keep, beside a Snapshot, is the index up to which the store keeps its
	// entries, less than Snapshot.Index: this node had applied them, so they are
	// the history that the snapshot stands for. From Keep+1 to Snapshot.Index the
	// log then has a gap. 0: no entry is kept.
	Keep uint64
	// History is consecutive committed entries that fill a gap from its lower
	// end: History[0].Index is Gap.From. The store makes the gap smaller in the
	// same batch. It ignores entries before its first index, as retention has
	// passed them. A batch of history need not be synced: what a crash takes back
	// is in a gap again.
	History []Entry
	// Mark, when not nil, is a snapshot of this node's own state at an index
	// of its log that is applied. A restart begins at the newest one. It
	// removes no entries; the store's retention does.
	Mark *Snapshot
	// Entries replace everything in the log from Entries[0].Index on.
	Entries []Entry
	// HardState, when not nil, is the new term, vote and commit index.
	HardState *HardState
	// PromiseMillis, when not 0, is the longest time this node may promise
	// from now on not to elect another leader.
	PromiseMillis uint64
	// Version, when not 0, is the version that whoever reads the store from this
	// batch on must know. The store keeps the newest it ever got, and is not opened by
	// a build that does not know it.
	Version uint32
	Sync    bool
}

// Entry is one entry of the Raft log. Data is never changed once handed out.
type Entry struct {
	Index uint64
	Term  uint64
	Kind  EntryKind
	Data  []byte
}

// EntryKind is the library's raftpb.EntryType.
type EntryKind uint8

const (
	EntryNormal       EntryKind = 0
	EntryConfChange   EntryKind = 1
	EntryConfChangeV2 EntryKind = 2
)

// HardState is Raft's durable state beside the log (Raft paper, figure 2), with
// the commit index so that a restart need not learn it anew.
type HardState struct {
	Term   uint64
	Vote   uint64
	Commit uint64
}

// Snapshot is the replicated state machine and the configuration at Index.
// Data is opaque to the host: a marshalled raftpb.Snapshot.
type Snapshot struct {
	Index uint64
	Term  uint64
	Data  []byte
}

// Send is one message for another member. When Snapshot is set the host owes a
// SnapshotSent.
type Send struct {
	To       uint64
	Data     []byte
	Snapshot bool
}

// Apply is one committed user entry, in order of Index. A request id that was
// committed before does not come again.
type Apply struct {
	Index uint64
	Term  uint64
	Data  []byte
}

// Reply answers the input with the same ID.
type Reply struct {
	ID    uint64
	Code  Code
	Index uint64 // Propose: where the entry is; reads: what is applied at least
	Term  uint64
	Text  string // for people; empty when Code is OK
	// Detail is a sentence of facts beside Text; often there is none.
	Detail string
	// Void, if not NotVoid, is why an entry of ProposeFailover did nothing; Text says it.
	Void failover.Void
}

// Code is the outcome of a request.
type Code uint8

const (
	OK            Code = iota
	NotLeader          // only the leader can do this; nothing happened
	Busy               // over a bound; nothing happened
	TooLarge           // data over Config.MaxEntryBytes; nothing happened
	Unknown            // it may or may not happen
	NoSuchNode         // no member has that node id
	Conflict           // the node id or the address belongs to another member
	LastVoter          // the removal would leave no voter
	QuorumAtRisk       // no quorum answers of the voters as they are, or would be; nothing happened
	NotPossible        // the change makes no sense now; Text says why
	RemovedMember      // this node is no longer a member
	NoRoom             // disks are full; nothing happened
)

// Event is something that people want to read in a log.
type Event struct {
	Level Level
	Text  string
}

// Level is the severity of an Event.
type Level uint8

const (
	Debug Level = iota
	Info
	Warning
)

// Gap is a part of the log that a store does not hold, although it holds, or
// held, entries before it: the indexes from From to To, both included. What a
// store's retention has dropped is no gap.
type Gap struct{ From, To uint64 }

// Durable is what the log store holds when a core starts. The zero value is an
// empty store: a node that waits to be invited.
type Durable struct {
	HardState HardState
	// Snapshot is the newest one stored, Entries the log after it, without gap.
	Snapshot *Snapshot
	Entries  []Entry
	// PromiseMillis is the longest promise ever stored, 0 on an empty store.
	PromiseMillis uint64
	// Gaps are the gaps in the log up to Snapshot.Index, ascending. Between two of
	// them the store holds at least one entry.
	Gaps []Gap
}
