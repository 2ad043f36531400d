// Package systems runs the systems that a benchmark compares, three servers each on
// the loopback interface, and writes to them: pgraft, PostgreSQL with quorum commit,
// and etcd. Every one of them waits for real fsyncs of a majority.
package systems

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/status"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/bench"
)

// servers is how many each system has.
const servers = 3

// System is one of them. Its methods are for one goroutine at a time. After New of it,
// Stop must be called, whatever else fails.
type System interface {
	Name() string                    // as in package record
	Start(ctx context.Context) error // returns once it takes writes
	Version() string                 // once it is started

	// Epoch notes who leads, for Open, and is another one once another server does.
	Epoch(ctx context.Context) (string, error)
	// Processes are its live processes by part; record.Servers has all.
	Processes() (map[string][]int, error)

	// Open connects the i-th session of a cell; writes are those of the ledger.
	Open(ctx context.Context, c record.Cell, l *Ledger, i int) (Session, error)
	// Mark notes where what is written from now on begins.
	Mark(ctx context.Context) error
	// Check looks on every server, once it has caught up, for what was written since
	// Mark.
	Check(ctx context.Context, l *Ledger) error
	// Clean removes what was written, so that each measurement begins alike.
	Clean(ctx context.Context, l *Ledger) error

	// Stop ends all processes and removes all files.
	Stop() error
}

// Session is one client's connection.
type Session interface {
	bench.Session
	Close(ctx context.Context) error
}

// Failure names an error by its SQLSTATE or its gRPC code, or "connection".
func Failure(err error) string {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code().String()
	}
	if s, ok := status.FromError(err); ok {
		return s.Code().String()
	}
	return bench.Failure(err)
}
