package core

import (
	"cmp"
	"fmt"
	"unicode/utf8"

	"go.etcd.io/raft/v3"
)

// Config is what a core is started with. All times are in ticks of TickMillis.
type Config struct {
	Identity Identity
	// TickMillis is the length of a tick. Members may have different ones.
	TickMillis uint64
	// ElectionTicks is the time without a leader after which a voter campaigns, in turn
	// with others or with a random part (see resetTimer). A promise to a leader holds for
	// half of it (see promiseTicks). At least HeartbeatsPerElection heartbeats and
	// minElectionTicks, see Validate.
	ElectionTicks  int
	HeartbeatTicks int
	// Seed drives the core's only randomness: the election timeouts, and the
	// number that tells this life's questions to a leader from those of a life
	// before. A host draws it anew at every start.
	Seed uint64
	// SnapshotEntries is how many applied entries lie between two snapshots of
	// the replicated state machine.
	SnapshotEntries uint64
	// MaxEntryBytes bounds one proposal's data.
	MaxEntryBytes int
	// MaxTailBytes bounds the log kept in memory before the newest snapshot.
	// 0 means defaultTailBytes.
	MaxTailBytes uint64
	Limits       Limits
	// Newest is the newest version that this node knows, see NewestVersion; 0 means
	// OldestVersion. A host sets it to NewestVersion.
	Newest uint32
	// Failover is this node's part in package failover; zero: it takes none.
	Failover FailoverConfig
}

// FailoverConfig is what package failover needs of a node, be it a witness.
type FailoverConfig struct {
	// Boot counts the starts of this node's engine. The host has raised it, durably,
	// since the last core was made with it. 0: this node takes no part in failover.
	Boot uint64
	// SealMillis is seal_timeout: for how long a leader waits for the reports of
	// members that may still improve its choice.
	SealMillis uint64
}

// withDefaults fills in what is 0 and has a default.
func (c Config) withDefaults() Config {
	c.MaxTailBytes = cmp.Or(c.MaxTailBytes, defaultTailBytes)
	c.Limits = c.Limits.orDefaults()
	c.Newest = cmp.Or(c.Newest, OldestVersion)
	return c
}

// Bounds. Over one of them a proposal is answered Busy, never queued.
const (
	maxProposals      = 4096     // open proposals of this node
	maxProposalBytes  = 64 << 20 // bytes of them
	maxWaiters        = 64       // calls of this node that wait for one request id
	maxChanges        = 16       // membership changes waiting for their turn
	maxReads          = 4096     // open reads of this node
	maxUncommitted    = 32 << 20 // bytes in the leader's log beyond the commit index
	maxMessageBytes   = 32 << 10 // of entries in one MsgApp, unless one entry is larger
	maxInflightMsgs   = 128      // MsgApps on their way to one member
	maxInflightBytes  = 32 << 20 // bytes of them
	maxCommittedBytes = 4 << 20  // of committed entries applied in one go
	defaultTailBytes  = 8 << 20  // of log before the newest snapshot
	maxMarkBytes      = 16 << 20 // of snapshots among that log
	requestWindow     = 1 << 16  // log entries for which a request id is remembered
)

// minElectionTicks is the shortest election timeout whose promises, less their
// slack and the drift of clocks (see lease.go), leave a lease of a tick.
const minElectionTicks = 5

// HeartbeatsPerElection is how many heartbeats an election timeout has at least: with
// fewer, a few that are lost or late depose a leader.
const HeartbeatsPerElection = 3

// Validate refuses a configuration that cannot work, with the values in it.
func (c Config) Validate() error {
	switch {
	case c.TickMillis == 0:
		return fmt.Errorf("core: TickMillis is 0")
	case c.HeartbeatTicks < 1:
		return fmt.Errorf("core: HeartbeatTicks is %d, must be at least 1", c.HeartbeatTicks)
	case c.ElectionTicks < minElectionTicks:
		return fmt.Errorf("core: ElectionTicks is %d, must be at least %d: in fewer a lease has no room", c.ElectionTicks, minElectionTicks)
	case c.ElectionTicks < HeartbeatsPerElection*c.HeartbeatTicks:
		return fmt.Errorf("core: ElectionTicks is %d, must be at least %d x HeartbeatTicks (%d)", c.ElectionTicks, HeartbeatsPerElection, c.HeartbeatTicks)
	case c.SnapshotEntries == 0:
		return fmt.Errorf("core: SnapshotEntries is 0")
	case c.MaxEntryBytes <= 0:
		return fmt.Errorf("core: MaxEntryBytes is %d", c.MaxEntryBytes)
	case !c.Identity.Invited():
		return fmt.Errorf("core: node %d has no Raft id yet", c.Identity.NodeID)
	case !utf8.ValidString(c.Identity.ClusterID):
		return fmt.Errorf("core: the cluster id %q is not UTF-8", c.Identity.ClusterID)
	case c.Newest > NewestVersion:
		return fmt.Errorf("core: Newest is %d, this pgraft knows up to %d", c.Newest, NewestVersion)
	case c.Failover.Boot == 0 && c.Failover.SealMillis > 0:
		return fmt.Errorf("core: Failover.SealMillis is %d, and Failover.Boot is 0", c.Failover.SealMillis)
	case c.Failover.Boot > 0 && c.Newest < FailoverVersion:
		return fmt.Errorf("core: Failover.Boot is %d, and Newest is %d, must be at least %d", c.Failover.Boot, c.Newest, FailoverVersion)
	case NodeID(c.Identity.RaftID) != c.Identity.NodeID:
		return fmt.Errorf("core: Raft id %x is not of node %d", c.Identity.RaftID, c.Identity.NodeID)
	}
	return c.Limits.validate()
}

// raft is the library's configuration over the given log, once c has its defaults.
func (c Config) raft(log *tail) *raft.Config {
	return &raft.Config{
		ID:                        c.Identity.RaftID,
		ElectionTick:              c.ElectionTicks,
		HeartbeatTick:             c.HeartbeatTicks,
		Storage:                   log,
		Applied:                   log.base().Index,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             maxMessageBytes,
		MaxCommittedSizePerReady:  c.Limits.CommittedBytes,
		MaxUncommittedEntriesSize: c.Limits.UncommittedBytes,
		MaxInflightMsgs:           maxInflightMsgs,
		MaxInflightBytes:          c.Limits.InflightBytes,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		Logger:                    silent{},
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
	}
}

// silent takes the library's log lines, which the core's events replace, and
// keeps its panics.
type silent struct{}

var _ raft.Logger = silent{}

func (silent) Debug(...any)              {}
func (silent) Debugf(string, ...any)     {}
func (silent) Error(...any)              {}
func (silent) Errorf(string, ...any)     {}
func (silent) Info(...any)               {}
func (silent) Infof(string, ...any)      {}
func (silent) Warning(...any)            {}
func (silent) Warningf(string, ...any)   {}
func (silent) Fatal(v ...any)            { panic(fmt.Sprint(v...)) }
func (silent) Fatalf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
func (silent) Panic(v ...any)            { panic(fmt.Sprint(v...)) }
func (silent) Panicf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
