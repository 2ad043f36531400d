package commits

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"
)

// Found is what a server has of a ledger's commits.
type Found struct {
	Acknowledged int `json:"acknowledged"`
	Rows         int `json:"rows"`
	// Unknown are commits whose outcome their client does not know, and that are there.
	Unknown int `json:"unknown_outcome_and_there"`
	// Lost are acknowledged commits that are not there; Twice, rows that are there more than
	// once; Strange, rows that nobody wrote.
	Lost    int `json:"lost"`
	Twice   int `json:"twice"`
	Strange int `json:"strange"`
}

// Err is what is wrong; nil: nothing is.
func (f Found) Err() error {
	var errs []error
	for _, x := range []struct {
		n    int
		text string
	}{{f.Lost, "acknowledged commits are lost"}, {f.Twice, "commits are there twice"}, {f.Strange, "rows were written by nobody"}} {
		if x.n > 0 {
			errs = append(errs, fmt.Errorf("%d %s, of %d acknowledged and %d rows", x.n, x.text, f.Acknowledged, f.Rows))
		}
	}
	return errors.Join(errs...)
}

// Check reads the table on one server. Rows that sessions write meanwhile are strange to it: let
// Run end first.
func (l *Ledger) Check(ctx context.Context, conn *pgx.Conn) (Found, error) {
	acked, unknown := l.known()
	rows, err := conn.Query(ctx, "SELECT session, number FROM pgraft_commits")
	if err != nil {
		return Found{}, fmt.Errorf("commits: %w", err)
	}
	var r row
	var there []row
	if _, err := pgx.ForEachRow(rows, []any{&r.session, &r.number}, func() error { there = append(there, r); return nil }); err != nil {
		return Found{}, fmt.Errorf("commits: %w", err)
	}
	return compare(there, acked, unknown), nil
}

// known are copies of what clients know.
func (l *Ledger) known() (acked, unknown map[row]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked), maps.Clone(l.unknown)
}

func compare(there []row, acked, unknown map[row]bool) Found {
	f := Found{Acknowledged: len(acked), Rows: len(there)}
	seen := make(map[row]bool, len(there))
	for _, r := range there {
		switch {
		case seen[r]:
			f.Twice++
		case unknown[r]:
			f.Unknown++
		case !acked[r]:
			f.Strange++
		}
		seen[r] = true
	}
	for r := range acked {
		if !seen[r] {
			f.Lost++
		}
	}
	return f
}
