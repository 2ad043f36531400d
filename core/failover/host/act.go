package host

import "github.com/pgraft/pgraft/core/failover"

// Act is one small thing that a host does to its server. Acts are carried out in their order.
// Each is durable before the next begins, and a host may end between any two: whoever ordered
// them orders again. Memory.Does is called right before each.
type Act interface{ act() }

// NoteData writes the data directory's own file.
type NoteData struct{ Data Data }

// NoteStore writes the note in the Raft store.
type NoteStore struct{ Store Store }

// WriteHistory writes the history file of the last timeline of History.
type WriteHistory struct{ History []failover.Branch }

// RemoveHistory puts a history file aside, and with it the first segment of its timeline.
type RemoveHistory struct{ Timeline uint32 }

// CutWAL overwrites with zeros what pg_wal has from an LSN on. Only a boot does.
type CutWAL struct{ At uint64 }

// EndSources clears primary_conninfo and ends the walreceiver. Once none runs, and the startup
// process has been told of the setting, the host looks again and goes on with Sealed.
type EndSources struct{ Order failover.Seal }

// ClearSource clears primary_conninfo, in a boot.
type ClearSource struct{}

// Stream has the server stream from a primary, as Token.
type Stream struct {
	Primary uint64
	Address string
	Token   failover.Token
}

// PutNames sets synchronous_standby_names to any W of StandbyNames; with W 0 they are empty.
type PutNames struct{ Names failover.Names }

// EndSessions ends all sessions. ResumeReplay ends a pause of replay: a server that is held does
// not look for the file promote.
type (
	EndSessions  struct{}
	ResumeReplay struct{}
)

// Promote promotes the server to Timeline: history files that name no parent fill the numbers
// from its newest one on up to it, as PostgreSQL takes the number behind that. Once the server
// takes writes its host writes them as histories does.
type Promote struct {
	Epoch    uint64
	Timeline uint32
}

// Restart restarts the server in place: all its processes end as if one had crashed, and it
// boots as a standby.
type Restart struct{ For Cause }

// Cause is what a restart in place is for.
type Cause uint8

const (
	// ToSeal: a promotion is under way, or was asked for, or recovery has gone astray.
	ToSeal Cause = iota
	// ToCut: recovery holds half a record.
	ToCut
	// ToDemote: a newer epoch is there.
	ToDemote
	// ToRemove: the node is no member any more.
	ToRemove
	causes // how many there are
)

// String says it for people.
func (c Cause) String() string {
	switch c {
	case ToSeal:
		return "to be sealed while it is promoted, or recovery aims at a timeline of which there is no record"
	case ToCut:
		return "to let go of half a record"
	case ToDemote:
		return "to be a standby, as there is a newer epoch"
	case ToRemove:
		return "to be a standby, as its node was removed from the cluster"
	}
	return "unknown"
}

// MakeCheckpoint asks for a checkpoint, which is a restartpoint in recovery.
type MakeCheckpoint struct{}

// FastStop stops the server as a fast shutdown does, and executes it anew.
type FastStop struct{}

// BeginRejoin ends the server and its engine, and runs the rejoin helper, if the primary says
// that it has checkpointed on the last timeline of the order's history.
type BeginRejoin struct{ Order failover.Rejoin }

// TrustData draws a nonce, and goes on with Whole.
type TrustData struct{}

// LookUp reads which record ends where the order says, and answers with Compared.
type LookUp struct{ Order failover.Compare }

// WatchPort looks at the primary's PostgreSQL port from now on.
type WatchPort struct{ Order failover.Watch }

// CreateStandbySignal and RemovePromote write standby.signal and take the file promote away,
// before recovery looks for either.
type (
	CreateStandbySignal struct{}
	RemovePromote       struct{}
)

func (NoteData) act()            {}
func (NoteStore) act()           {}
func (WriteHistory) act()        {}
func (RemoveHistory) act()       {}
func (CutWAL) act()              {}
func (EndSources) act()          {}
func (ClearSource) act()         {}
func (Stream) act()              {}
func (PutNames) act()            {}
func (EndSessions) act()         {}
func (ResumeReplay) act()        {}
func (Promote) act()             {}
func (Restart) act()             {}
func (MakeCheckpoint) act()      {}
func (FastStop) act()            {}
func (BeginRejoin) act()         {}
func (TrustData) act()           {}
func (LookUp) act()              {}
func (WatchPort) act()           {}
func (CreateStandbySignal) act() {}
func (RemovePromote) act()       {}
