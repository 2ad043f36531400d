package sim

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Up to the fork a future is the run itself, after it another one; the same salt
// gives the same future.
func TestFuture(t *testing.T) {
	const at = 20 * time.Second
	o := Options{Seed: 7, Duration: 40 * time.Second}
	plan := Plan(o)
	told := func(salt uint64) (r Result, past, rest []string) {
		o := o
		o.Trace = func(line string) {
			word, _, _ := strings.Cut(line, " ")
			if when, err := time.ParseDuration(word); err == nil && when < at {
				past = append(past, line)
			} else {
				rest = append(rest, line)
			}
		}
		return Future(o, plan, at, salt), past, rest
	}
	run, past, rest := told(0)
	if run.Hash != Run(o).Hash {
		t.Error("the future with salt 0 is not the run itself")
	}
	seen := map[uint64]bool{run.Hash: true}
	for salt := range uint64(3) {
		r, p, q := told(salt + 1)
		if !slices.Equal(p, past) {
			t.Errorf("salt %d changes the past", salt+1)
		}
		if slices.Equal(q, rest) || seen[r.Hash] {
			t.Errorf("salt %d changes nothing", salt+1)
		}
		seen[r.Hash] = true
		if again := Future(o, plan, at, salt+1); again.Hash != r.Hash {
			t.Errorf("salt %d: %016x, then %016x", salt+1, r.Hash, again.Hash)
		}
		if r.Failure != nil {
			t.Errorf("salt %d: %v", salt+1, r.Failure)
		}
	}
}

// A partition that nobody takes back is what makes this run fail, long before
// the check sees it.
func TestRewindFindsTheInstant(t *testing.T) {
	end := faultPartition.end
	faultPartition.end = func(*World, *strike) {}
	t.Cleanup(func() { faultPartition.end = end })
	// No other partition may be drawn for the futures.
	o := Options{Seed: 11, Duration: 40 * time.Second, Faults: []string{"loss", "delay"}}
	plan := append(Plan(o), Decision{Kind: "partition", At: 15 * time.Second, For: 3 * time.Second, Node: 1, Param: 1<<1 | 1<<4})
	points := 0
	r, err := Rewind(o, plan, 4, 10*time.Millisecond, func() bool { return true }, func(Point) { points++ })
	if err != nil {
		t.Fatal(err)
	}
	const cut = 15 * time.Second
	if r.Before > cut || r.From < cut || r.From-r.Before > 10*time.Millisecond || r.Failure.At < 20*time.Second {
		t.Errorf("inevitable between %v and %v, failed at %v", r.Before, r.From, r.Failure.At)
	}
	if !slices.ContainsFunc(r.Between, func(line string) bool { return strings.Contains(line, "FAULT partition") }) {
		t.Errorf("what happened in between: %q", r.Between)
	}
	if points != len(r.Points) || points < 10 || !slices.IsSortedFunc(r.Points, func(a, b Point) int { return int(a.At - b.At) }) {
		t.Errorf("%d points told of: %v", points, r.Points)
	}
	for _, p := range r.Points {
		if all := p.Failed == p.Tried; all != (p.At >= r.From) || all && p.Tried != 4 {
			t.Errorf("at %v %d of %d failed", p.At, p.Failed, p.Tried)
		}
	}
}

func TestRewindRefuses(t *testing.T) {
	o := Options{Seed: 4, Duration: 20 * time.Second}
	for want, x := range map[string]struct {
		futures int
		within  time.Duration
	}{
		"0 futures": {0, time.Millisecond}, "the finest": {4, 0}, "does not fail": {4, time.Millisecond},
	} {
		if _, err := Rewind(o, Plan(o), x.futures, x.within, func() bool { return true }, func(Point) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
