package core

import "github.com/pgraft/pgraft/core/failover"

// Input is one thing that happened to a node. A Core changes only in Step, and
// the same inputs give byte-identical outputs.
type Input interface{ isInput() }

type (
	// Tick says that one tick of Config.TickMillis has passed. The host drops
	// ticks that it missed and never sends two at once: a promise that was made
	// for a number of ticks must not shrink in real time.
	Tick struct{}

	// Receive is one message of another member, as its Send.Data was.
	// The host has checked that From is who is at the other end.
	Receive struct {
		From uint64
		Data []byte
	}

	// Propose asks for Data to be replicated. The core answers with a Reply of
	// the same ID, once. Two proposals with one RequestID commit once and get
	// the same answer; every proposal must have one.
	Propose struct {
		ID        uint64
		RequestID [16]byte
		Data      []byte
	}

	// AddNode asks the leader to add a member: as a learner, then as a voter
	// once it has caught up. ReplicaUUID is what the node answered when the
	// host dialled it. Reply comes when the voter change is committed.
	AddNode struct {
		ID          uint64
		NodeID      uint32
		Address     string
		Port        uint32
		ReplicaUUID [16]byte
		Newest      uint32 // version that its build knows, as it answered; 0 means OldestVersion
	}

	// RemoveNode asks the leader to remove a member: demoted to learner first.
	// A leader that removes itself hands leadership over first.
	RemoveNode struct {
		ID     uint64
		NodeID uint32
	}

	// ReplaceNode asks the leader to put a new member in the place of a voter:
	// it is added as a learner, takes the voter's place in one change once it
	// has caught up, and the voter is removed. At no time are there more voters
	// than before, or fewer. Reply comes when the old one is removed. A leader
	// that is replaced hands leadership over first.
	ReplaceNode struct {
		ID          uint64
		OldNodeID   uint32
		NodeID      uint32
		Address     string
		Port        uint32
		ReplicaUUID [16]byte
		Newest      uint32 // as in AddNode
	}

	// TransferLeader asks the leader to hand leadership to NodeID, or to the
	// most caught-up voter if NodeID is 0: with failover, of those with a server, if one
	// of them is there. Reply comes when another member is
	// known to lead; it is NotPossible if that is not the one that was named.
	TransferLeader struct {
		ID     uint64
		NodeID uint32
	}

	// ReadBarrier asks for a linearizable read point, on any member. Reply comes
	// with an Index once this node has applied up to it: everything that was
	// acknowledged anywhere before the question is applied here. Without a
	// leader it waits until Cancel.
	ReadBarrier struct{ ID uint64 }

	// ConfirmLeader asks a quorum now whether this node leads. Reply has the
	// Term: some time after the question a quorum knew of no later one.
	ConfirmLeader struct{ ID uint64 }

	// WaitApplied waits until this node has applied the entry at Index, which
	// need not exist yet. Reply has the applied index.
	WaitApplied struct {
		ID    uint64
		Index uint64
	}

	// Cancel says that nobody waits for the Reply to ID any longer. What was
	// asked may still happen.
	Cancel struct{ ID uint64 }

	// Persisted says that the persist batch Seq, and all before it, are durable.
	// First is the first index of the log that the store holds or lacks in a gap; 0:
	// it is as it was.
	Persisted struct {
		Seq   uint64
		First uint64
	}

	// Applied says that the host has taken over all of Output.Apply up to Index.
	Applied struct{ Index uint64 }

	// PeerUnreachable says that a message to a member could not be sent.
	PeerUnreachable struct{ RaftID uint64 }

	// PeerClosed says that a member has no connection to this node any more, and that
	// its port refuses one; or that this is over, as it is connected again, or is only
	// silent now. It proves no death: a firewall's reject looks alike, and so does a process whose
	// backends go on with its lease. The host says every change; a core that starts
	// takes none for closed.
	PeerClosed struct {
		RaftID uint64
		Closed bool
	}

	// SnapshotSent says how the sending of a Send with Snapshot set ended. The
	// host owes it for every one, in every outcome.
	SnapshotSent struct {
		RaftID uint64
		OK     bool
	}

	// DiskFull says whether the disk has room for nothing but what is small, as a
	// vote. It has room when a core starts; the host says every change.
	DiskFull struct{ Full bool }

	// RemovedByPeer says that a member refused this node's connection because
	// it is no longer a member.
	RemovedByPeer struct{}

	// Stop says that no input follows, as the host is about to end this core: the
	// commit index that waits for a batch goes out. A core that ends without it, in a
	// crash, says again at its next start what was no news.
	Stop struct{}

	// Needs says from which index on this node's database needs entries, 0 = none,
	// and whether it can be filled from a state that another member's database
	// exported. Until the first one this node has no database: of what package
	// retain decides it does nothing but answer others. A restart says it again.
	Needs struct {
		From       uint64
		Importable bool
	}

	// FetchHistory asks other members for the committed entries after After, up to
	// and with Last, which this node's log store does not hold: as many as one
	// answer has. Reply comes after what was found (retain.Fetched); without that it
	// is not OK.
	FetchHistory struct {
		ID          uint64
		After, Last uint64
	}

	// HistoryRead answers an order to read (retain.Read) with the same Ticket, in
	// every outcome. First is the first index that the log store holds; Entries
	// follow the order's After without gap, and there are none if the store does not
	// hold the first of them. Failed: it could not be read.
	HistoryRead struct {
		Ticket  uint64
		First   uint64
		Entries []Entry
		Failed  bool
	}

	// FetchState asks the members that can be reached, in turn, for the exported
	// state of their database. Reply comes after its last part (retain.StatePart);
	// it is NotPossible if no member has one.
	FetchState struct{ ID uint64 }

	// Exported answers an order to export, in every outcome. Size is the length of
	// the state in bytes; 0: there is none.
	Exported struct {
		Ticket uint64
		Size   uint64
	}

	// FailoverServer is what the host says of this node's PostgreSQL server, whole,
	// whenever any of it changes: what is durable, never more. Until the first one this
	// node has no server, as a witness. This and what follows are for a node with
	// Config.Failover alone; a restart says them again.
	FailoverServer struct{ Server failover.Server }

	// FailoverPort is what the host sees of the PostgreSQL port of the primary, as a
	// failover.Watch ordered: at once, and whenever any of it changes.
	FailoverPort struct{ Port failover.Port }

	// ProposeFailover asks for an entry that an operator wants: to enable or disable failover,
	// to change its settings, to quarantine a member or to end that, or an operator's word. It
	// goes to the leader as Propose does, and into the log once. Reply comes when it is
	// applied: OK, or NotPossible if it was void, with the reason as Void.
	ProposeFailover struct {
		ID        uint64
		RequestID [16]byte
		Entry     failover.Entry
	}

	// FailoverJoin says which servers an operator, who is about to enable failover, asks to
	// join: until the next one says otherwise. A restart has forgotten it.
	FailoverJoin struct{ Joining failover.Joining }

	// FailoverCompared answers a failover.Compare, of which an answer may be lost.
	FailoverCompared struct{ Compared failover.Compared }

	// Batch is several inputs as one step, taken in their order. What comes of it is
	// what could come of the same inputs one by one, as far as anybody outside can tell:
	// the core settles after the last, and in between only where an input needs it, see
	// batch.go. At most MaxBatchInputs, at least one; no Batch, Tick or Stop is in one.
	Batch struct{ Inputs []Input }
)

// MaxBatchInputs bounds the inputs of a Batch.
const MaxBatchInputs = 1024

// Each walks the inputs of a Batch, in their order; any other input is its only one.
func Each(in Input) func(yield func(Input) bool) {
	return func(yield func(Input) bool) {
		b, ok := in.(Batch)
		if !ok {
			yield(in)
			return
		}
		for _, in := range b.Inputs {
			if !yield(in) {
				return
			}
		}
	}
}

func (Tick) isInput()            {}
func (Receive) isInput()         {}
func (Propose) isInput()         {}
func (AddNode) isInput()         {}
func (RemoveNode) isInput()      {}
func (ReplaceNode) isInput()     {}
func (TransferLeader) isInput()  {}
func (ReadBarrier) isInput()     {}
func (ConfirmLeader) isInput()   {}
func (WaitApplied) isInput()     {}
func (Cancel) isInput()          {}
func (Persisted) isInput()       {}
func (Applied) isInput()         {}
func (PeerUnreachable) isInput() {}
func (PeerClosed) isInput()      {}
func (SnapshotSent) isInput()    {}
func (DiskFull) isInput()        {}
func (RemovedByPeer) isInput()   {}
func (Stop) isInput()            {}
func (Needs) isInput()           {}
func (FetchHistory) isInput()    {}
func (HistoryRead) isInput()     {}
func (FetchState) isInput()      {}
func (Exported) isInput()        {}
func (Batch) isInput()           {}

func (FailoverServer) isInput()   {}
func (FailoverPort) isInput()     {}
func (FailoverCompared) isInput() {}
func (FailoverJoin) isInput()     {}
func (ProposeFailover) isInput()  {}
