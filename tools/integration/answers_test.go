//go:build integration

package integration

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// A slot goes on to its next request while the answer to one that was given up is being
// written. Each answer is to what was asked all the same: the index that a proposal gets is
// its own entry's, however many others are cancelled.
//
// Not by statement_timeout: one that fires as its statement ends is the answer to the
// session's next statement, as PostgreSQL disables it after the last look at interrupts.
// A cancel that comes late is forgotten, or cancels the session's next proposal.
func answersWhatWasAsked(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	const sessions, enough = 24, 200
	leader := s.leader(ctx, t)
	canceller := connect(ctx, t, leader)
	var answered, givenUp atomic.Int64
	limit, done := context.WithTimeout(ctx, settleLimit)
	defer done()
	more := func() bool { return (answered.Load() < enough || givenUp.Load() < enough) && limit.Err() == nil }
	group, ctx := errgroup.WithContext(ctx)
	ended := make(chan struct{}, sessions) // a cancel may follow
	pids := make([]uint32, sessions)
	for i := range sessions {
		proposer, reader := connect(ctx, t, leader), connect(ctx, t, leader)
		pids[i] = proposer.PgConn().PID()
		group.Go(func() error {
			for n := 0; more(); n++ {
				data := fmt.Sprintf("answer %d to session %d", n, i)
				place, err := sqlapi.Propose(ctx, proposer, data, "")
				s.ledger.record(data, err)
				select {
				case ended <- struct{}{}:
				default:
				}
				if isState(err, "57014") {
					givenUp.Add(1)
					continue
				} else if err != nil {
					return err
				}
				answered.Add(1)
				got, err := sqlapi.LogEntry(ctx, reader, place.Index)
				if err != nil {
					return err
				}
				if got == nil || *got != data {
					return fmt.Errorf("%q is at index %d by its answer, and the entry there is %v", data, place.Index, got)
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for n := 0; more(); n++ {
			select {
			case <-ended:
			case <-limit.Done():
			case <-ctx.Done():
				return nil
			}
			if _, err := canceller.Exec(ctx, "SELECT pg_cancel_backend($1)", pids[n%sessions]); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, group.Wait())
	if answered.Load() < enough || givenUp.Load() < enough {
		t.Errorf("%d proposals were answered and %d given up within %v, want %d of each", answered.Load(), givenUp.Load(), settleLimit, enough)
	}
}
