package host

import "github.com/pgraft/pgraft/core/failover"

// Seen is what a host sees of its server at one look. Shared and NamesInForce are looked at
// first, then whether commits are under way, then where WAL is inserted, then what is
// flushed: package failover counts on what was flushed later.
type Seen struct {
	// Boot is that of this engine.
	Boot uint64
	// Shared is what shared memory says, as every commit sees it.
	Shared failover.Shared
	// Lease says that this node's lease counts now.
	Lease bool
	// Address and Priority are the server's settings.
	Address  string
	Priority uint32

	// Down says that there is no server: it is down, or its data is being made anew.
	Down bool
	// Recovery says that it is in recovery; Production, that it takes writes. A primary that
	// stops is neither.
	Recovery, Production bool
	// Stopping says that it was told to stop.
	Stopping bool
	// WillPromote says that a promotion was asked for: the file promote is there, or the
	// startup process has found it. Promotes says that recovery is ending for it.
	WillPromote, Promotes bool
	// Astray says that recovery aims at a timeline of which there is no record; HoldsHalf, that
	// it holds half a record that fills its last segment, or will once it has come there. Only a
	// restart ends either.
	Astray, HoldsHalf bool
	// Receives says that a walreceiver runs; Source, that primary_conninfo or restore_command is
	// set.
	Receives, Source bool
	// Short says that the data needs WAL that is not there; Consistent, of a server in recovery,
	// that it has replayed all that it needs.
	Short, Consistent bool

	// Last is the last timeline of which there is a record. Timeline is the one that is
	// written, or replayed.
	Last, Timeline uint32
	// End is the end of valid WAL, of a server in recovery: each LSN is read from the file of
	// the timeline that owns it. All of it is synced.
	End End
	// History is that of End.Timeline in recovery, else of Timeline, as its file says.
	History []failover.Branch
	// Histories are the timelines that have a history file.
	Histories []uint32
	// Replayed is how far WAL is replayed; Received, how far a walreceiver of this start has
	// flushed it.
	Replayed, Received uint64
	// Inserted and Flushed are of a primary. Checkpoint is where its last checkpoint that has
	// ended began.
	Inserted, Flushed, Checkpoint uint64
	// Commits says that a commit is under way that has passed F1.
	Commits bool
	// NamesInForce says that every walsender, and the checkpointer, have Memory.Names.
	NamesInForce bool
	// Senders are the walsenders whose standby holds its member's slot.
	Senders []failover.Sender
}

// End is where a server's WAL ends.
type End struct {
	Timeline uint32 // that the last record is on
	LSN      uint64
	// Record is the last complete one; zero: it is gone. It has From while Shared.Prove says so.
	Record failover.Record
}

// sources says that WAL comes, or may.
func (s *Seen) sources() bool { return s.Receives || s.Source }

// AtBoot is what is seen of the data before recovery looks at anything.
type AtBoot struct {
	// Marker is that of a rejoin that has not ended; Lowered, Label, Hole, StoreLost and
	// WasPrimary are as in failover.Found.
	Marker, Lowered, Label, Hole, StoreLost, WasPrimary bool
	// Last, End and Histories are as in Seen. MinRecovery is minRecoveryPoint, 0 if there is
	// none.
	Last        uint32
	End         End
	MinRecovery uint64
	Histories   []uint32
}

// Memory is what a host remembers beside its notes. It lies in shared memory: an engine that
// ends alone leaves it behind, as the server runs on.
type Memory struct {
	// Promoting is the epoch that the server is being promoted in; 0: none. Whoever sees the
	// server take writes sets it to 0, and Fork to the end of the record that began its
	// timeline.
	Promoting uint64
	Fork      uint64
	// Follows is what primary_conninfo stands for. Lacks says that the one whom it follows has
	// told it that WAL which it needs is gone; Ended, that this one has stopped, and has sent
	// all. The walreceiver's end sets the two.
	Follows      failover.Token
	Lacks, Ended bool
	// Founding is the epoch with which failover is being enabled, once no commit of before is
	// under way; FoundingEnd, up to where WAL was inserted by then.
	Founding, FoundingEnd uint64
	// Names are those that were put in force last. They outlive a start, as a setting does.
	Names failover.Names
	// Damage is what the last boot found to quarantine the server for.
	Damage failover.Quarantined
}

// Starts has a host forget what is of one start of the server.
func (m *Memory) Starts() { *m = Memory{Names: m.Names, Damage: m.Damage} }

// Does notes an act that is about to be carried out.
func (m *Memory) Does(a Act) {
	switch a := a.(type) {
	case EndSources:
		m.Follows = failover.Token{}
	case Stream:
		m.Follows, m.Lacks, m.Ended = a.Token, false, false
	case PutNames:
		m.Names = a.Names
	case Promote:
		m.Promoting = a.Epoch
	}
}
