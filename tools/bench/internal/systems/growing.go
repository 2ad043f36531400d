package systems

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// KeepAll are settings with which a log keeps all that a benchmark can write.
var KeepAll = map[string]string{"pgraft.retain_entries": "2000000000", "pgraft.retain_size": "1TB"}

// NewSized is pgraft with so many servers, and settings beside the defaults.
func NewSized(install pgcluster.Install, dir string, nodes int, settings map[string]string) System {
	return &pgraft{install: install, dir: filepath.Join(dir, fmt.Sprintf("pgraft-of-%d", nodes)), nodes: nodes, settings: settings}
}

// Absentee is a system of which a follower can be away.
type Absentee interface {
	System
	// Away stops a server that does not lead, by the last Epoch. Return starts it again.
	Away(ctx context.Context) error
	// Return says how long it took, from the start of the server on, until that server
	// followed the leader at the end of the log, and until it had every entry.
	Return(ctx context.Context) (follows, complete time.Duration, err error)
}

// NewAbsentee is pgraft whose logs keep everything.
func NewAbsentee(install pgcluster.Install, dir string) Absentee {
	return &absentee{pgraft: &pgraft{install: install, dir: filepath.Join(dir, "pgraft-away"), nodes: servers, settings: KeepAll}}
}

type absentee struct {
	*pgraft
	away *pgcluster.Server // nil: none
	last int64             // index up to which it was there
}

func (a *absentee) Away(ctx context.Context) error {
	stats, err := a.stats(ctx)
	if err != nil {
		return err
	}
	for _, s := range a.cluster.Servers {
		if s != a.leads {
			a.away, a.last = s, stats.LastIndex
		}
	}
	return a.away.Stop(ctx)
}

const (
	// returnLimit is far above what a million entries take.
	returnLimit = 10 * time.Minute
	// probeEvery is how many entries lie between two that Return looks for.
	probeEvery = 1000
	// logGap is the SQLSTATE of an entry that the log of a node lacks.
	logGap = "55000"
)

func (a *absentee) Return(ctx context.Context) (follows, complete time.Duration, err error) {
	began := time.Now()
	if err := a.away.Start(ctx); err != nil {
		return 0, 0, err
	}
	err = withConn(ctx, a.leads, func(conn *pgx.Conn) error {
		return wait.For(ctx, returnLimit, "the server that was away to follow", func(ctx context.Context) error { return a.behind(ctx, conn) })
	})
	if err != nil {
		return 0, 0, err
	}
	follows = time.Since(began)
	end, err := a.stats(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = withConn(ctx, a.away, func(conn *pgx.Conn) error { return a.hasAll(ctx, conn, end.CommitIndex) })
	a.away = nil
	return follows, time.Since(began), err
}

// behind says by how much that server is, as its leader sees it: it is not while no more
// is on its way than the sessions write.
func (a *absentee) behind(ctx context.Context, conn *pgx.Conn) error {
	rows, err := sqlapi.ReplicationStatus(ctx, conn)
	if err != nil {
		return err
	}
	stats, err := sqlapi.Stats(ctx, conn)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if int(r.NodeID) == a.away.NodeID && r.IsReplicating && stats.CommitIndex-r.MatchIndex < probeEvery {
			return nil
		}
	}
	return errors.New("it does not yet")
}

// hasAll waits until a server has the entries that were written meanwhile, looking at
// some of them in the order in which they come.
func (a *absentee) hasAll(ctx context.Context, conn *pgx.Conn, last int64) error {
	at := a.last + 1
	return wait.For(ctx, returnLimit, fmt.Sprintf("entries %d to %d", at, last), func(ctx context.Context) error {
		for ; at <= last; at = next(at, last) {
			if _, err := sqlapi.LogEntry(ctx, conn, at); err != nil {
				var pg *pgconn.PgError
				if errors.As(err, &pg) && pg.Code == logGap {
					return err
				}
				return fmt.Errorf("%w: %w", wait.ErrHopeless, err)
			}
		}
		return nil
	})
}

// next is the index to look at after one, and last + 1 after the last.
func next(at, last int64) int64 {
	if at == last {
		return last + 1
	}
	return min(at+probeEvery, last)
}
