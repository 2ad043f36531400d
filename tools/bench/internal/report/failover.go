package report

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// Failover is what all rounds say of one thing that was done to leaders: for how many
// milliseconds nothing was committed.
type Failover struct {
	record.Cell
	Events int     `json:"events"`
	Spread         // of the milliseconds
	P95    float64 `json:"p95"` // the nearest that was measured
	Failed int     `json:"failed,omitempty"`
}

// FailoverSummary is what a run of strikes says; its JSON form is summary.json.
type FailoverSummary struct {
	Environment record.Environment `json:"environment"`
	Rounds      int                `json:"rounds"`
	Rows        []Failover         `json:"rows"` // in the order in which they were first measured
}

// Failovers takes what there is.
func Failovers(run *record.Run) *FailoverSummary {
	s := &FailoverSummary{Environment: run.Environment, Rounds: len(run.Rounds)}
	gaps, failed := map[record.Cell][]float64{}, map[record.Cell]int{}
	var order []record.Cell
	for _, round := range run.Rounds {
		for _, x := range round.Samples {
			if gaps[x.Cell] == nil {
				order = append(order, x.Cell)
			}
			gaps[x.Cell] = append(gaps[x.Cell], x.Gap)
			for _, n := range x.Failed {
				failed[x.Cell] += n
			}
		}
	}
	for _, c := range order {
		s.Rows = append(s.Rows, Failover{Cell: c, Events: len(gaps[c]), Spread: SpreadOf(gaps[c]), P95: percentile(gaps[c], 95), Failed: failed[c]})
	}
	return s
}

// percentile is the least value that so many per cent do not exceed.
func percentile(values []float64, percent float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return v[max(0, int(math.Ceil(percent/100*float64(len(v))))-1)]
}

// JSON is the whole summary.
func (s *FailoverSummary) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, fmt.Errorf("the summary: %w", err)
	}
	return append(text, '\n'), nil
}

// Markdown is a table, with a line for each thing that was done.
func (s *FailoverSummary) Markdown() string {
	var b strings.Builder
	e := s.Environment
	fmt.Fprintf(&b, "%s. %d processors (%s), Linux %s, %s; pgraft %s (%s), %s, etcd %s.\n\n", count(s.Rounds, "round"), e.Processors, e.Processor,
		e.Kernel, e.FileSystem, e.Pgraft, e.Label, e.Postgres, e.Etcd)
	var rows [][]string
	done := map[string]bool{}
	for _, r := range s.Rows {
		what := fmt.Sprintf("%s, %s ms", r.Operation, r.Through)
		if done[what] {
			continue
		}
		done[what] = true
		rows = append(rows, append([]string{what}, append(s.cells(r.Cell, record.Pgraft), s.cells(r.Cell, record.Etcd)...)...))
	}
	table(&b, []string{"milliseconds without a commit", "pgraft, median", "p95", "least to most", "etcd, median", "p95", "least to most"}, rows)
	return b.String()
}

// cells are a system's columns of a line, empty if it was not measured.
func (s *FailoverSummary) cells(c record.Cell, system string) []string {
	c.System = system
	i := slices.IndexFunc(s.Rows, func(r Failover) bool { return r.Cell == c })
	if i < 0 {
		return []string{"", "", ""}
	}
	r := s.Rows[i]
	return []string{fmt.Sprintf("%.0f", r.Median), fmt.Sprintf("%.0f", r.P95), fmt.Sprintf("%.0f to %.0f of %d", r.Min, r.Max, r.Events)}
}
