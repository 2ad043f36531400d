package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// paced is a session whose operations take equally long, and fail now and then.
type paced struct {
	each   time.Duration
	fails  func(n int) error
	closed func(n int) error // what Ready says before the n-th operation
	seen   []int
}

func (p *paced) Ready(context.Context) error {
	if p.closed != nil {
		return p.closed(len(p.seen))
	}
	return nil
}

func (p *paced) Do(_ context.Context, n int) error {
	p.seen = append(p.seen, n)
	time.Sleep(p.each)
	if p.fails != nil {
		return p.fails(n)
	}
	return nil
}

// What ends before the first edge or after the second does not count.
func TestDriveCountsWithinTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast, slow := &paced{each: 7 * time.Millisecond}, &paced{each: 30 * time.Millisecond}
		began := time.Now()
		var edges []time.Duration
		taken, length, err := Drive(t.Context(), Window{Warmup: 20 * time.Millisecond, Length: 50 * time.Millisecond,
			Edge: func() error { edges = append(edges, time.Since(began)); return nil }}, []Session{fast, slow})
		if err != nil || length != 50*time.Millisecond || !slices.Equal(edges, []time.Duration{20e6, 70e6}) {
			t.Fatalf("%v, length %s, edges %v", err, length, edges)
		}
		// Ends at 7, 14, then 21 to 63 count; the one that ends at 70 does so at the edge itself.
		if got := len(taken[0].Took); got != 7 && got != 8 {
			t.Errorf("of the fast one %d operations count: %v", got, taken[0].Took)
		}
		if !slices.Equal(taken[1].Took, []time.Duration{30e6, 30e6}) { // that end at 30 and 60, not at 90
			t.Errorf("of the slow one count %v", taken[1].Took)
		}
		if took := time.Since(began); took != 90*time.Millisecond {
			t.Errorf("it took %s: the last operation is to be waited for", took)
		}
		if !slices.Equal(slow.seen, []int{0, 1, 2}) {
			t.Errorf("operations %v", slow.seen)
		}
	})
}

func TestDriveCountsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		s := &paced{each: 10 * time.Millisecond,
			fails: func(n int) error {
				if n == 1 {
					return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "40003"})
				}
				return nil
			},
			closed: func(n int) error {
				if tries++; n == 2 && tries < 6 {
					return errors.New("cut off")
				}
				return nil
			}}
		taken, _, err := Drive(t.Context(), Window{Length: 345 * time.Millisecond}, []Session{s})
		if err != nil {
			t.Fatal(err)
		}
		// 0 succeeds, 1 fails, then three tries to connect with a pause after each.
		all := Sum(taken)
		if all.Failed["40003"] != 1 || all.Failed["connection"] != 3 || len(all.Took) != 1+2 || all.Last.Error() != "cut off" {
			t.Errorf("%+v", all)
		}
	})
}

func TestDriveStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var once sync.Once
		s := &paced{each: 10 * time.Millisecond, fails: func(n int) error {
			if n == 3 {
				once.Do(cancel)
			}
			return nil
		}}
		if _, _, err := Drive(ctx, Window{Length: time.Hour}, []Session{s}); !errors.Is(err, context.Canceled) || len(s.seen) != 4 {
			t.Errorf("%v after %v", err, s.seen)
		}
		s = &paced{each: 10 * time.Millisecond}
		broken := errors.New("no counter")
		if _, _, err := Drive(t.Context(), Window{Length: time.Hour, Edge: func() error { return broken }}, []Session{s}); !errors.Is(err, broken) {
			t.Errorf("an edge that fails: %v", err)
		}
	})
}

// A window may be as long as something else takes.
func TestDriveUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &paced{each: 10 * time.Millisecond}
		until := func(context.Context) error { time.Sleep(95 * time.Millisecond); return nil }
		taken, length, err := Drive(t.Context(), Window{Length: time.Hour, Until: until}, []Session{s})
		if err != nil || length != 95*time.Millisecond || len(taken[0].Took) != 9 {
			t.Errorf("%v, %s, %v", taken, length, err)
		}
		broken := errors.New("broken")
		if _, _, err := Drive(t.Context(), Window{Until: func(context.Context) error { return broken }}, []Session{s}); !errors.Is(err, broken) {
			t.Errorf("its error: %v", err)
		}
	})
}
