package main

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/bench"
)

// openAtOnce is how many sessions are connected at a time.
const openAtOnce = 16

// openAll opens a cell's sessions. The first is a number in the ledger. Those that are
// there after an error are to be closed.
func openAll(ctx context.Context, c record.Cell, sys systems.System, ledger *systems.Ledger, first int) ([]systems.Session, error) {
	open := make([]systems.Session, c.Sessions)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(openAtOnce)
	for i := range open {
		group.Go(func() (err error) {
			open[i], err = sys.Open(groupCtx, c, ledger, first+i)
			return err
		})
	}
	return open, group.Wait()
}

func closeAll(ctx context.Context, open []systems.Session) (err error) {
	for _, s := range open {
		if s != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}
	return err
}

// noteAll are sessions of openAll whose writes a ledger notes, and a counter those that
// were acknowledged, unless it is nil.
func noteAll(open []systems.Session, ledger *systems.Ledger, first int, acked *atomic.Int64) []bench.Session {
	sessions := make([]bench.Session, len(open))
	for i, s := range open {
		sessions[i] = &noted{Session: s, ledger: ledger, i: first + i, acked: acked}
	}
	return sessions
}

// noted is a session of which a ledger notes what was acknowledged.
type noted struct {
	systems.Session
	ledger *systems.Ledger
	i      int
	acked  *atomic.Int64
}

func (s *noted) Do(ctx context.Context, n int) error {
	err := s.Session.Do(ctx, n)
	s.ledger.Wrote(s.i, n, err == nil)
	if err == nil && s.acked != nil {
		s.acked.Add(1)
	}
	return err
}
