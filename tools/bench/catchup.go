package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/bench"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// missingSessions write while the follower is away.
const missingSessions = 64

// catchUp has sessions write with all servers there, then until a follower that is away
// has missed enough, then while it comes back.
func (b *benchmark) catchUp(ctx context.Context, c record.Cell) (s record.Sample, err error) {
	sys, err := b.system(ctx, c)
	if err != nil {
		return s, err
	}
	a, ok := sys.(systems.Absentee)
	if !ok {
		return s, fmt.Errorf("no server of %s can be away", sys.Name())
	}
	epoch, err := a.Epoch(ctx)
	if err != nil {
		return s, err
	}
	load, err := loadAverage()
	if err != nil {
		return s, err
	}
	ledger, err := systems.NewLedger(2*c.Sessions+missingSessions, c.Bytes)
	if err != nil {
		return s, err
	}
	if err := errors.Join(a.Mark(ctx), b.settle()); err != nil {
		return s, err
	}
	x := &absence{benchmark: b, cell: c, system: a, ledger: ledger, all: bench.Taken{Failed: map[string]int{}}}
	if err := x.pass(ctx); err != nil {
		return s, err
	}
	if after, err := a.Epoch(ctx); err != nil {
		return s, err
	} else if after != epoch {
		return s, fmt.Errorf("%w: %s, then %s", errElection, epoch, after)
	}
	if err := a.Check(ctx, ledger); err != nil {
		return s, err
	}
	if err := a.Clean(ctx, ledger); err != nil {
		return s, err
	}
	return record.Sample{Cell: c, At: now(), Seconds: x.Complete, Operations: len(x.all.Took), Failed: x.all.Failed, Load: load,
		Verified: ledger.Acknowledged(), CaughtUp: &x.Absence}, nil
}

// absence is one measurement of catchUp.
type absence struct {
	record.Absence
	*benchmark
	cell   record.Cell
	system systems.Absentee
	ledger *systems.Ledger
	all    bench.Taken
	acked  atomic.Int64 // in all phases
}

// pass goes through the three phases.
func (x *absence) pass(ctx context.Context) error {
	n := x.cell.Sessions
	if _, err := x.write(ctx, n, 0, bench.Window{Warmup: x.warmup, Length: x.window}, &x.Before, &x.PerSecond[0]); err != nil {
		return err
	}
	if err := x.system.Away(ctx); err != nil {
		return err
	}
	there := int(x.acked.Load())
	missing := func() int { return int(x.acked.Load()) - there }
	var latency bench.Latency
	var rate float64
	took, err := x.write(ctx, missingSessions, n, bench.Window{Until: func(ctx context.Context) error {
		return wait.Until(ctx, "entries that the follower misses", func(context.Context) error {
			if missing() < x.cell.Entries {
				return fmt.Errorf("%d of %d are written", missing(), x.cell.Entries)
			}
			return nil
		})
	}}, &latency, &rate)
	if err != nil {
		return err
	}
	x.Missed, x.Missing = missing(), took.Seconds()
	_, err = x.write(ctx, n, n+missingSessions, bench.Window{Until: func(ctx context.Context) error {
		follows, complete, err := x.system.Return(ctx)
		x.Follows, x.Complete = follows.Seconds(), complete.Seconds()
		return err
	}}, &x.During, &x.PerSecond[1])
	return err
}

// write has n sessions write, the first of which is a number in the ledger.
func (x *absence) write(ctx context.Context, n, first int, w bench.Window, latency *bench.Latency, rate *float64) (took time.Duration, err error) {
	c := x.cell
	c.Operation, c.Sessions = record.Write, n
	open, err := openAll(ctx, c, x.system, x.ledger, first)
	defer func() { err = errors.Join(err, closeAll(ctx, open)) }()
	if err != nil {
		return 0, err
	}
	w.Kind = systems.Failure
	taken, took, err := bench.Drive(ctx, w, noteAll(open, x.ledger, first, &x.acked))
	all := bench.Sum(taken)
	if err == nil && len(all.Took) == 0 {
		err = fmt.Errorf("no operation succeeded; the last error: %w", all.Last)
	}
	x.all = bench.Sum([]bench.Taken{x.all, all})
	*latency, *rate = bench.LatencyOf(all.Took), float64(len(all.Took))/took.Seconds()
	return took, err
}
