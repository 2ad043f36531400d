package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// gap is for how long nothing was acknowledged because of one kind of round.
type gap struct {
	Kind   string        `json:"kind"`
	Times  int           `json:"times"`
	Median time.Duration `json:"median_ns"`
	P95    time.Duration `json:"p95_ns"`
	Max    time.Duration `json:"max_ns"`
}

// gaps are the longest pauses between two acknowledgements in each round, by the round's kind. One that
// reaches into a round from before counts from the round's beginning.
func gaps(rounds []took, ops []op) (all []gap) {
	var answers []time.Duration
	for _, o := range ops {
		if o.Outcome == acked {
			answers = append(answers, o.Ended)
		}
	}
	slices.Sort(answers)
	by := map[string][]time.Duration{}
	for _, r := range rounds {
		longest, last := time.Duration(0), r.from
		i, _ := slices.BinarySearch(answers, r.from)
		for ; i < len(answers) && answers[i] <= r.to; i++ {
			longest, last = max(longest, answers[i]-last), answers[i]
		}
		by[r.round.name()] = append(by[r.round.name()], max(longest, r.to-last))
	}
	for kind, took := range by {
		slices.Sort(took)
		all = append(all, gap{kind, len(took), percentile(took, 50), percentile(took, 95), took[len(took)-1]})
	}
	slices.SortFunc(all, func(a, b gap) int { return cmp.Compare(a.Kind, b.Kind) })
	return all
}

// percentile is the least of the values that so many per cent do not exceed.
func percentile(sorted []time.Duration, percent float64) time.Duration {
	return sorted[int(math.Ceil(percent/100*float64(len(sorted))))-1]
}
