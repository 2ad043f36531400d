//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// A slot goes on to its next request while the answer to one that was given up is being
// written. Each answer is to what was asked all the same: the index that a proposal gets is
// its own entry's, however many others end at their statement_timeout.
func answersWhatWasAsked(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	const sessions, enough = 24, 200
	leader := s.leader(ctx, t)
	var answered, givenUp atomic.Int64
	limit, done := context.WithTimeout(ctx, settleLimit)
	defer done()
	group, ctx := errgroup.WithContext(ctx)
	for i := range sessions {
		conn := connect(ctx, t, leader)
		group.Go(func() error {
			for n := 0; (answered.Load() < enough || givenUp.Load() < enough) && limit.Err() == nil; n++ {
				data := fmt.Sprintf("answer %d to session %d", n, i)
				if _, err := conn.Exec(ctx, "SELECT set_config('statement_timeout', $1, false)", strconv.Itoa(1+(n+i)%8)); err != nil {
					return err
				}
				place, err := sqlapi.Propose(ctx, conn, data, "")
				s.ledger.record(data, err)
				for { // the timeout may strike once more
					if _, unset := conn.Exec(ctx, "RESET statement_timeout"); unset == nil {
						break
					} else if !timedOut(unset) {
						return unset
					}
				}
				switch {
				case err == nil:
					answered.Add(1)
					got, err := sqlapi.LogEntry(ctx, conn, place.Index)
					if err != nil {
						return err
					}
					if got == nil || *got != data {
						return fmt.Errorf("%q is at index %d by its answer, and the entry there is %v", data, place.Index, got)
					}
				case timedOut(err):
					givenUp.Add(1)
				default:
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	if answered.Load() < enough || givenUp.Load() < enough {
		t.Errorf("%d proposals were answered and %d given up within %v, want %d of each", answered.Load(), givenUp.Load(), settleLimit, enough)
	}
}

// timedOut says that a statement was cancelled.
func timedOut(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "57014"
}
