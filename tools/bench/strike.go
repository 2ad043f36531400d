package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	// backAgain is how long writes have to be acknowledged without a pause before the
	// system counts as back.
	backAgain = 500 * time.Millisecond
	// pause ends that.
	pause = 100 * time.Millisecond
	// strikeLimit is after how long it does not count as back any more.
	strikeLimit = time.Minute
	// retryAfter is how long a session waits after a write that failed at once.
	retryAfter = time.Millisecond
)

// acks is when writes were acknowledged, by all sessions.
type acks struct {
	mu     sync.Mutex
	at     []time.Time
	failed map[string]int
}

func (a *acks) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.at = append(a.at, time.Now())
		return
	}
	a.failed[systems.Failure(err)]++
}

// since are the times of all acknowledgements from the last one before t on, in order.
func (a *acks) since(t time.Time) []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := slices.SortedFunc(slices.Values(a.at), time.Time.Compare)
	first, _ := slices.BinarySearchFunc(at, t, time.Time.Compare)
	return at[max(0, first-1):]
}

// gap is the longest time between two of them, and when it ended.
func gap(at []time.Time) (longest time.Duration, end time.Time) {
	for i := 1; i < len(at); i++ {
		if d := at[i].Sub(at[i-1]); d > longest {
			longest, end = d, at[i]
		}
	}
	return longest, end
}

// writer writes until ctx ends. What is under way by then is noted as not acknowledged.
func writer(ctx context.Context, s systems.Session, ledger *systems.Ledger, i int, a *acks) error {
	for n := 0; ctx.Err() == nil; n++ {
		if err := s.Ready(ctx); err != nil {
			return err
		}
		err := s.Do(ctx, n)
		ledger.Wrote(i, n, err == nil)
		if ctx.Err() != nil {
			return nil
		}
		if a.note(err); err != nil {
			select {
			case <-time.After(retryAfter):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// strike does it to the leader of a system, and measures for how long nothing is
// acknowledged.
func (b *benchmark) strike(ctx context.Context, c record.Cell) (s record.Sample, err error) {
	sys, ok := b.systems[c.System+" "+c.Through].(systems.Failing)
	if !ok {
		return s, fmt.Errorf("%s is not there with the timings %s", c.System, c.Through)
	}
	before, err := sys.Epoch(ctx)
	if err != nil {
		return s, err
	}
	ledger, err := systems.NewLedger(c.Sessions, c.Bytes)
	if err != nil {
		return s, err
	}
	if err := errors.Join(sys.Mark(ctx), b.settle()); err != nil {
		return s, err
	}
	a, struck, err := b.underLoad(ctx, c, sys, ledger)
	if err != nil {
		return s, err
	}
	if err := sys.Mend(ctx); err != nil {
		return s, err
	}
	after, err := sys.Epoch(ctx)
	if err != nil {
		return s, err
	}
	if after == before {
		return s, fmt.Errorf("%s led before and after", after)
	}
	if err := sys.Check(ctx, ledger); err != nil {
		return s, err
	}
	if err := sys.Clean(ctx, ledger); err != nil {
		return s, err
	}
	times := a.since(struck)
	longest, _ := gap(times)
	return record.Sample{Cell: c, At: now(), Seconds: times[len(times)-1].Sub(struck).Seconds(),
		Operations: len(a.at), Failed: a.failed, Gap: float64(longest.Microseconds()) / 1000, Verified: ledger.Acknowledged()}, nil
}

// underLoad strikes while sessions write, and returns once writes are acknowledged again.
func (b *benchmark) underLoad(ctx context.Context, c record.Cell, sys systems.Failing, ledger *systems.Ledger) (_ *acks, struck time.Time, err error) {
	open, err := sys.Survivors(ctx, ledger, survivorSessions)
	defer func() {
		for _, s := range open {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err != nil {
		return nil, struck, err
	}
	a := &acks{failed: map[string]int{}}
	writing, stop := context.WithCancel(ctx)
	ended := make(chan error, len(open))
	for i, s := range open {
		go func() { ended <- writer(writing, s, ledger, i, a) }()
	}
	defer func() {
		stop()
		for range open {
			err = errors.Join(err, <-ended)
		}
	}()
	select {
	case <-time.After(b.warmup):
	case <-ctx.Done():
		return nil, struck, ctx.Err()
	}
	struck = time.Now()
	if err := sys.Strike(ctx, c.Operation); err != nil {
		return nil, struck, err
	}
	err = wait.For(ctx, strikeLimit, "writes to be acknowledged again", func(context.Context) error {
		return back(a.since(struck), struck, time.Now())
	})
	return a, struck, err
}

// maxElection is longer than a leader goes on after it was struck, and than others wait
// before they elect another one, in the least of cases.
const maxElection = 3 * time.Second

// back says whether writes are acknowledged again, for long enough. What is acknowledged
// just after the leader was struck is the work of the old one.
func back(at []time.Time, struck, now time.Time) error {
	if len(at) < 2 || now.Sub(struck) < maxElection {
		return errors.New("it is too early to say")
	}
	_, end := gap(at)
	if last := at[len(at)-1]; now.Sub(last) > pause || now.Sub(end) < backAgain {
		return fmt.Errorf("the last was acknowledged %v ago, and the longest pause ended %v ago", now.Sub(last), now.Sub(end))
	}
	return nil
}
