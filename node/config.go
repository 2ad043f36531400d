// Package node runs a core over real parts: TCP, a clock and the log store on a
// disk. Start with Open; Init founds a cluster or makes the node wait to be
// invited to one.
//
// One goroutine at a time owns the core (inbox.go, runner.go): who brings an input
// steps it. A goroutine of its own does the disk (disk.go), one each the PostgreSQL
// server and the port of its primary (failover*.go), others the connections (package
// transport) and nothing else; all they exchange with it are the core's inputs and outputs.
package node

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
)

// Config is what a node is opened with.
type Config struct {
	ClusterID     string
	NodeID        uint32
	Address       string // what other members dial
	ListenAddress string // empty: Address
	Port          uint32
	DataDir       string // of the log store; made by Init
	// CloseLimit is how long Close waits for a disk that hangs; 0 means closeLimit.
	CloseLimit time.Duration
	// GroupAccess lets the group of DataDir read it: its mode is 0750, else 0700.
	// What lies in it is made with 0750 and 0640, less the umask of the process.
	GroupAccess bool
	// MarkerPath is a file outside DataDir that remembers that the node was
	// initialised: it tells an emptied DataDir from a new node.
	MarkerPath string

	ElectionTimeout   time.Duration
	HeartbeatInterval time.Duration
	MaxEntryBytes     int
	TLS               *transport.TLSFiles // nil: none
	SnapshotEntries   uint64
	Retention         store.Retention
	// Trace is what the flight recorder does; by default nothing. Its files lie
	// in DataDir, in the directory traceDir.
	Trace recorder.Settings

	// FS is how the log store reaches DataDir; nil: as is. Any other must lead to
	// the same files, as one that injects faults does.
	FS vfs.FS

	Logger *slog.Logger
	// Publish is called on every change, and before any message that rests on it
	// leaves; never twice at a time. It must not block or call the node.
	Publish func(Status)
	// Answered is called after the Done of Calls, once for all that one step answered:
	// who hands answers on can wake somebody for all of them. It must not block. nil:
	// there is nobody to wake.
	Answered func()
	// Go starts a goroutine; the host may recover from panics in it.
	Go func(f func())
	// Newest is the newest version (core.NewestVersion) that the node knows; 0 means
	// all that this build knows. Tests of upgrades make it an older build with it.
	Newest uint32
	// Export returns the state of the database that applies the log, for another
	// member: bytes that mean something to the hosts only. nil: there is none.
	Export func(ctx context.Context) ([]byte, error)
	// Server is the PostgreSQL server that takes part in failover; nil: failover is off for it.
	Server Server
	// Witness says that the node takes part in failover without a server.
	Witness bool
	// SealTimeout is for how long a leader waits for reports that may still improve its
	// choice of a primary; 0 means sealTimeout.
	SealTimeout time.Duration
}

// maxTick bounds the length of a tick from above: the clock's resolution.
const maxTick = 100 * time.Millisecond

// electionTicks and heartbeatTicks are the least numbers of ticks in an election timeout
// and in a heartbeat interval: promises and leases lose a few to rounding.
const (
	electionTicks  = 10
	heartbeatTicks = 2
)

// sealTimeout is Config.SealTimeout, if nobody says otherwise.
const sealTimeout = 5 * time.Second

// fileMode is what files outside DataDir are made with, less the umask.
const fileMode = 0o640

// dirMode is the mode of DataDir.
func (c Config) dirMode() os.FileMode {
	if c.GroupAccess {
		return 0o750
	}
	return 0o700
}

// traceDir is beside the log store's own files: what may write there may write
// the trace, and who empties the directory takes the trace of the node with it.
const traceDir = "trace"

// tick is the length of a tick for these timeouts.
func (c Config) tick() time.Duration {
	return max(min(maxTick, c.HeartbeatInterval/heartbeatTicks, c.ElectionTimeout/electionTicks).Truncate(time.Millisecond), time.Millisecond)
}

// Validate refuses what cannot work, naming the values.
func (c Config) Validate() error {
	switch {
	case c.NodeID == 0 || c.NodeID > 1<<31-1:
		return fmt.Errorf("node: node id %d is not in 1..2147483647", c.NodeID)
	case c.ClusterID == "":
		return fmt.Errorf("node: the cluster id is empty")
	case !utf8.ValidString(c.ClusterID):
		return fmt.Errorf("node: the cluster id %q must be UTF-8", c.ClusterID)
	case AddressFault(c.Address, false) != "":
		return fmt.Errorf("node: invalid address %q: %s %s", c.Address, AddressFault(c.Address, false), addressHint)
	case c.ListenAddress != "" && AddressFault(c.ListenAddress, true) != "":
		return fmt.Errorf("node: invalid address to listen on %q: %s %s", c.ListenAddress, AddressFault(c.ListenAddress, true), addressHint)
	case c.Port == 0 || c.Port > 65535:
		return fmt.Errorf("node: port %d is not in 1..65535", c.Port)
	case c.HeartbeatInterval < time.Millisecond || c.ElectionTimeout < core.HeartbeatsPerElection*c.HeartbeatInterval:
		return fmt.Errorf("node: the election timeout (%v) must be at least %d times the heartbeat interval (%v)",
			c.ElectionTimeout, core.HeartbeatsPerElection, c.HeartbeatInterval)
	case c.MaxEntryBytes <= 0 || c.SnapshotEntries == 0:
		return fmt.Errorf("node: max entry bytes %d and snapshot entries %d must be positive", c.MaxEntryBytes, c.SnapshotEntries)
	case c.Newest > core.NewestVersion:
		return fmt.Errorf("node: newest is %d, this pgraft knows up to %d", c.Newest, core.NewestVersion)
	case c.Server != nil && c.Witness:
		return fmt.Errorf("node: a witness has no server")
	case c.failsOver() && c.newest() < core.FailoverVersion:
		return fmt.Errorf("node: newest is %d, failover needs at least %d", c.newest(), core.FailoverVersion)
	case c.SealTimeout < 0:
		return fmt.Errorf("node: the seal timeout %v must not be negative", c.SealTimeout)
	}
	return c.Trace.Validate()
}

// endpoint is where other members dial this node.
func (c Config) endpoint() string { return net.JoinHostPort(c.Address, strconv.Itoa(int(c.Port))) }

func (c Config) listen() string {
	host := c.ListenAddress
	if host == "" {
		host = c.Address
	}
	return net.JoinHostPort(host, strconv.Itoa(int(c.Port)))
}

func (c Config) core(id core.Identity, seed uint64) core.Config {
	t := c.tick()
	return core.Config{
		Identity: id, Seed: seed,
		TickMillis:      uint64(t.Milliseconds()),
		ElectionTicks:   int(c.ElectionTimeout / t),
		HeartbeatTicks:  max(1, int(c.HeartbeatInterval/t)),
		SnapshotEntries: c.SnapshotEntries,
		MaxEntryBytes:   c.MaxEntryBytes,
		Newest:          c.newest(),
	}
}

func (c Config) newest() uint32 { return cmp.Or(c.Newest, core.NewestVersion) }

// failsOver says that the node takes part in failover.
func (c Config) failsOver() bool { return c.Server != nil || c.Witness }
