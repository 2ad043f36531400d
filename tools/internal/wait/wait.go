// Package wait waits for a condition with a deadline, and says what it was
// waiting for and how far that was when the deadline came.
package wait

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Between two looks at the condition Until pauses for a tenth of what it has waited, and for
// no less and no more than this: who waits long leaves the processor to what he waits for.
const (
	least = 5 * time.Millisecond
	most  = 100 * time.Millisecond
)

// ErrHopeless wraps an error of a condition that no more waiting can mend.
var ErrHopeless = errors.New("waiting longer is of no use")

// Until calls cond until it returns nil. Any other result says what is still
// missing; wrapped in ErrHopeless it ends the wait at once. When ctx ends first,
// the error names what was waited for, for how long, and the last result.
func Until(ctx context.Context, what string, cond func(context.Context) error) error {
	began := time.Now()
	pause := time.NewTimer(0)
	defer pause.Stop()
	var last error
	for {
		err := cond(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrHopeless) {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if ctx.Err() == nil || last == nil { // once ctx has ended, err often says no more than that
			last = err
		}
		pause.Reset(min(max(time.Since(began)/10, least), most))
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w; last: %w",
				time.Since(began).Round(time.Millisecond), what, ctx.Err(), last)
		case <-pause.C:
		}
	}
}

// For is Until with a deadline of its own.
func For(ctx context.Context, limit time.Duration, what string, cond func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return Until(ctx, what, cond)
}
