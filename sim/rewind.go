package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of Rewind.
const (
	MaxFutures    = 10_000
	FinestInstant = time.Microsecond
)

// Point is what became of the futures from one instant: Failed of them failed by
// the checker that the run itself failed by. Looking ended with the first that
// did not, so Failed is Tried or one less.
type Point struct {
	At     time.Duration
	Failed int
	Tried  int
}

// Rewound says when a failure became inevitable: it was at From, and not yet at
// Before.
type Rewound struct {
	Failure *Failure
	Before  time.Duration // negative: whatever luck the run has from its start on, it fails
	From    time.Duration
	Points  []Point // in order of time
	// Between is what happened in the run itself from Before up to From.
	Between []string
}

// Rewind goes back from the failure of a run: it lets the run go on with other
// luck from an earlier instant, futures times (1 to MaxFutures), and halves the
// time in which the failure became inevitable until it is no longer than within
// (FinestInstant at least). told gets each point; when more says no, the search
// ends where it is. The error says what is wrong with the arguments, or that the
// run does not fail.
func Rewind(o Options, plan []Decision, futures int, within time.Duration, more func() bool, told func(Point)) (*Rewound, error) {
	switch {
	case futures < 1 || futures > MaxFutures:
		return nil, fmt.Errorf("sim: %d futures from each instant: 1 to %d are possible", futures, MaxFutures)
	case within < FinestInstant:
		return nil, fmt.Errorf("sim: to within %v: %v is the finest", within, FinestInstant)
	}
	o.Trace, o.Record = nil, nil
	first := RunWith(o, plan)
	if first.Failure == nil {
		return nil, fmt.Errorf("sim: seed %d does not fail with these %d decisions: there is nothing to go back from", o.Seed, len(plan))
	}
	r := &Rewound{Failure: first.Failure, Before: -1, From: first.Failure.At}
	inevitable := func(at time.Duration) bool {
		p := Point{At: at}
		for p.Failed == p.Tried && p.Tried < futures {
			p.Tried++
			if f := Future(o, plan, at, uint64(p.Tried)).Failure; f != nil && f.Check == r.Failure.Check {
				p.Failed++
			}
		}
		r.Points = append(r.Points, p)
		told(p)
		return p.Failed == p.Tried
	}
	if inevitable(0) {
		r.From = 0
		return r, nil
	}
	r.Before = 0
	for r.From-r.Before > within && more() {
		mid := (r.Before + (r.From-r.Before)/2).Truncate(FinestInstant)
		if mid <= r.Before {
			break // there is no instant in between
		}
		if inevitable(mid) {
			r.From = mid
		} else {
			r.Before = mid
		}
	}
	slices.SortFunc(r.Points, func(a, b Point) int { return int(a.At - b.At) })
	r.Between = between(o, plan, r.Before, r.From)
	return r, nil
}

// between are the lines of a run's trace from one instant up to another.
func between(o Options, plan []Decision, from, to time.Duration) (lines []string) {
	o.Trace = func(line string) {
		word, _, _ := strings.Cut(line, " ")
		if at, err := time.ParseDuration(word); err == nil && from <= at && at <= to {
			lines = append(lines, line)
		}
	}
	RunWith(o, plan)
	return lines
}
