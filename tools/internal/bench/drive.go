package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Session does one operation after the other. One goroutine calls its methods.
type Session interface {
	// Ready is called before each operation, and its time does not count. After an
	// error, which counts as a failure, it is called again a moment later.
	Ready(ctx context.Context) error
	// Do carries out the n-th operation, counted from 0, those included that failed.
	Do(ctx context.Context, n int) error
}

// Window says which operations count: those that succeed between its two edges.
type Window struct {
	Warmup time.Duration // before the first edge
	Length time.Duration // between the edges
	// Until, if it is set, returns at the second edge, in place of Length. Its error
	// ends the measurement.
	Until func(ctx context.Context) error
	// Edge, if it is set, is called at each edge, just before it: to read counters.
	// Its error ends the measurement.
	Edge func() error
	// Kind names what an error is counted under; nil stands for Failure.
	Kind func(error) string
}

// Taken is what one session did in a window.
type Taken struct {
	Took   []time.Duration // of each operation that counts
	Failed map[string]int  // by Window.Kind, all the time
	Last   error           // the last failure
}

// pause keeps a session from dialling a dead server all the time.
const pause = 100 * time.Millisecond

// Phases of a Drive.
const (
	warmingUp = iota
	counting
	over
)

// Drive lets sessions run, each as fast as it can, and says what each did in the
// window and how long that really was. Operations that are under way at the end are
// waited for: cancelling them would leave it open what came of them. Drive returns
// ctx's error if that ends first.
func Drive(ctx context.Context, w Window, sessions []Session) ([]Taken, time.Duration, error) {
	if w.Kind == nil {
		w.Kind = Failure
	}
	var phase atomic.Int32
	var all sync.WaitGroup
	taken := make([]Taken, len(sessions))
	for i, s := range sessions {
		taken[i].Failed = map[string]int{}
		all.Go(func() { taken[i].run(ctx, s, w.Kind, &phase) })
	}
	length, err := w.pass(ctx, &phase)
	phase.Store(over)
	all.Wait()
	return taken, length, err
}

// pass goes through the phases, up to the end of the window.
func (w Window) pass(ctx context.Context, phase *atomic.Int32) (time.Duration, error) {
	if w.Edge == nil {
		w.Edge = func() error { return nil }
	}
	if w.Warmup > 0 {
		if err := let(ctx, w.Warmup); err != nil {
			return 0, err
		}
	}
	if err := w.Edge(); err != nil {
		return 0, err
	}
	phase.Store(counting)
	began := time.Now()
	if w.Until == nil {
		w.Until = func(ctx context.Context) error { return let(ctx, w.Length) }
	}
	if err := w.Until(ctx); err != nil {
		return 0, err
	}
	if err := w.Edge(); err != nil {
		return 0, err
	}
	phase.Store(over)
	return time.Since(began), nil
}

// let lets time pass, which is what is measured.
func let(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Taken) run(ctx context.Context, s Session, kind func(error) string, phase *atomic.Int32) {
	fail := func(err error) {
		t.Last = err
		t.Failed[kind(err)]++
	}
	for n := 0; ctx.Err() == nil && phase.Load() != over; {
		if err := s.Ready(ctx); err != nil {
			if ctx.Err() == nil {
				fail(err)
				let(ctx, pause) // ctx's end is looked at above
			}
			continue
		}
		began := time.Now()
		err := s.Do(ctx, n)
		n++
		switch took := time.Since(began); {
		case err != nil && ctx.Err() == nil:
			fail(err)
		case err == nil && phase.Load() == counting:
			t.Took = append(t.Took, took)
		}
	}
}

// Failure names an error by its SQLSTATE, or "connection".
func Failure(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return "connection"
}

// Sum adds up what sessions did: all their times, all their failures, and one of the
// last failures.
func Sum(taken []Taken) Taken {
	all := Taken{Failed: map[string]int{}}
	for _, t := range taken {
		all.Took = append(all.Took, t.Took...)
		for kind, n := range t.Failed {
			all.Failed[kind] += n
		}
		if t.Last != nil {
			all.Last = t.Last
		}
	}
	return all
}

// Latency is of the operations that succeeded, from the session's side, in
// milliseconds.
type Latency struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// LatencyOf sorts all; without any, all is 0.
func LatencyOf(all []time.Duration) Latency {
	if len(all) == 0 {
		return Latency{}
	}
	slices.Sort(all)
	var total time.Duration
	for _, d := range all {
		total += d
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	at := func(permille int) float64 { // the least that so many are not over
		return ms(all[max(0, (len(all)*permille+999)/1000-1)])
	}
	return Latency{Min: ms(all[0]), Mean: ms(total) / float64(len(all)), P50: at(500), P90: at(900), P99: at(990), P999: at(999),
		Max: ms(all[len(all)-1])}
}
