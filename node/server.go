package node

import (
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// Server is the PostgreSQL server of a node that takes part in failover. One goroutine of the node
// calls it, one call at a time; only Publish may come from another one meanwhile. A call may take
// as long as the server does.
type Server interface {
	// Data reads the data directory's own file; the zero value where there is none.
	Data() (host.Data, error)
	// Memory reads, and Remember writes, what shared memory keeps of the host.
	Memory() (host.Memory, error)
	Remember(host.Memory) error
	// Look looks at the server once. The node fills Boot, Shared and Lease before and after:
	// Server leaves them zero. prove asks for End.Record.From (Shared.Prove).
	Look(prove bool) (host.Seen, error)
	// Do carries out an act, and returns once it is durable, or for what takes time (Restart,
	// Promote, FastStop, BeginRejoin) once the server was told. NoteStore, TrustData, LookUp and
	// WatchPort never come: they are the node's.
	Do(host.Act) error
	// LookUp reads which record ends where the order says: see host.Compared.
	LookUp(failover.Compare) (have bool, ends failover.Record, err error)
	// SourcesEnded says that no walreceiver runs and that the startup process has the setting of
	// the last EndSources.
	SourcesEnded() (bool, error)
	// Flush flushes WAL up to an LSN (host.Memory.Founds).
	Flush(lsn uint64) error
	// Keep keeps the server's WAL for members that do not take part yet, beside those who do, from
	// the LSN on that it returns. With none, that ends. It may come from another goroutine, too.
	Keep(members []uint64) (from uint64, err error)
	// Publish publishes what the fence goes by, with whose epoch it is (0: nobody's) and where
	// that one listens. It has returned once every commit sees it.
	Publish(s failover.Shared, primary uint64, address string)
}
