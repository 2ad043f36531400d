// Package report makes of a benchmark's rounds what people read: Summarise, then
// Markdown for tables, SVG for a picture, JSON for scripts.
package report

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// Spread is the middle and the ends of what the rounds gave.
type Spread struct {
	Median float64 `json:"median"` // the mean of the middle two if their number is even
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf is that of no values if there are none.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	middle := len(v) / 2
	s := Spread{Median: v[middle], Min: v[0], Max: v[len(v)-1]}
	if len(v)%2 == 0 {
		s.Median = (v[middle-1] + v[middle]) / 2
	}
	return s
}

// Row is what all rounds say of one cell.
type Row struct {
	record.Cell
	Rounds    int    `json:"rounds"`
	PerSecond Spread `json:"per_second"`
	P50       Spread `json:"p50_ms"`
	P99       Spread `json:"p99_ms"`
	// microseconds an operation, by part; with no session, per mille of one processor
	CPU    map[string]Spread `json:"cpu"`
	Memory map[string]Spread `json:"memory_bytes,omitempty"` // of all servers, by part
	// of the processors' time in the window, what others and the hypervisor took
	Disturbed Spread `json:"disturbed"`
	Failed    int    `json:"failed,omitempty"`
	Verified  int    `json:"verified,omitempty"`
}

// Ratio compares two cells that were measured in the same rounds: of each round the
// quotient, of these the median.
type Ratio struct {
	Of     string `json:"of"`
	To     string `json:"to"`
	What   string `json:"what"` // PerSecond or P50
	Rounds int    `json:"rounds"`
	Spread
}

// What a Ratio is of.
const (
	PerSecond = "per_second"
	P50       = "p50_ms"
)

// Summary is what all rounds of a run say; its JSON form is summary.json.
type Summary struct {
	Environment record.Environment `json:"environment"`
	Rounds      int                `json:"rounds"`
	Rows        []Row              `json:"rows"` // in the order in which the cells were first measured
	Ratios      []Ratio            `json:"ratios"`
}

// Summarise takes what there is; a cell that a round lacks counts in the others.
func Summarise(run *record.Run) *Summary {
	s := &Summary{Environment: run.Environment, Rounds: len(run.Rounds)}
	samples := map[record.Cell][]record.Sample{}
	var order []record.Cell
	for _, round := range run.Rounds {
		for _, sample := range round.Samples {
			if samples[sample.Cell] == nil {
				order = append(order, sample.Cell)
			}
			samples[sample.Cell] = append(samples[sample.Cell], sample)
		}
	}
	for _, c := range order {
		s.Rows = append(s.Rows, summarise(c, samples[c], run.Environment.Processors))
	}
	for _, c := range order {
		if c.System == record.Pgraft {
			s.compare(run, c)
		}
	}
	return s
}

func summarise(c record.Cell, samples []record.Sample, processors int) Row {
	row := Row{Cell: c, Rounds: len(samples), CPU: map[string]Spread{}, Memory: map[string]Spread{}}
	spread := func(of func(record.Sample) float64) Spread {
		var v []float64
		for _, s := range samples {
			v = append(v, of(s))
		}
		return SpreadOf(v)
	}
	row.PerSecond = spread(perSecond)
	row.P50 = spread(p50)
	row.P99 = spread(func(s record.Sample) float64 { return s.Latency.P99 })
	for part := range samples[0].CPU {
		row.CPU[part] = spread(func(s record.Sample) float64 {
			if s.Sessions == 0 {
				return 1000 * s.CPU[part] / s.Seconds
			}
			return 1e6 * s.CPU[part] / float64(max(1, s.Operations))
		})
	}
	for part := range samples[0].Memory {
		row.Memory[part] = spread(func(s record.Sample) float64 { return float64(s.Memory[part]) })
	}
	row.Disturbed = spread(func(s record.Sample) float64 {
		if s.CPU == nil { // it was not looked at
			return 0
		}
		return (s.CPU[record.Others] + s.CPU[record.Stolen]) / (s.Seconds * float64(processors))
	})
	for _, s := range samples {
		row.Verified += s.Verified
		for _, n := range s.Failed {
			row.Failed += n
		}
	}
	return row
}

func perSecond(s record.Sample) float64 { return s.PerSecond }
func p50(s record.Sample) float64       { return s.Latency.P50 }

// compare adds the ratios of one of pgraft's cells to what stands beside it: the same
// of other systems, SELECT 1 for what reads shared memory, writes for the barrier, and
// for a follower the leader.
func (s *Summary) compare(run *record.Run, c record.Cell) {
	to := []record.Cell{c, c}
	to[0].System, to[1].System = record.Postgres, record.Etcd
	switch c.Operation {
	case record.IsLeader, record.GetLeader, record.GetTerm:
		one := c
		one.Operation = record.SelectOne
		to = []record.Cell{one}
	case record.Barrier:
		write, get := c, c
		write.Operation, write.Bytes = record.Write, smallBytes
		get.System, get.Operation = record.Etcd, record.Get
		to = []record.Cell{write, get}
	}
	if c.Through == record.Follower {
		leader := c
		leader.Through = record.Leader
		to = append(to, leader)
	}
	for _, other := range to {
		for _, what := range []string{PerSecond, P50} {
			of := map[string]func(record.Sample) float64{PerSecond: perSecond, P50: p50}[what]
			var v []float64
			for _, round := range run.Rounds {
				if a, b := round.Find(c), round.Find(other); a != nil && b != nil && of(*b) > 0 {
					v = append(v, of(*a)/of(*b))
				}
			}
			if len(v) > 0 {
				s.Ratios = append(s.Ratios, Ratio{Of: c.String(), To: other.String(), What: what, Rounds: len(v), Spread: SpreadOf(v)})
			}
		}
	}
}

// smallBytes is the size of the values that rates are compared with.
const smallBytes = 256

// row finds a cell's.
func (s *Summary) row(c record.Cell) *Row {
	for i := range s.Rows {
		if s.Rows[i].Cell == c {
			return &s.Rows[i]
		}
	}
	return nil
}

// ratio finds that of two cells.
func (s *Summary) ratio(of, to record.Cell, what string) *Ratio {
	for i, r := range s.Ratios {
		if r.Of == of.String() && r.To == to.String() && r.What == what {
			return &s.Ratios[i]
		}
	}
	return nil
}

// HasPicture says whether there is something to draw.
func (s *Summary) HasPicture() bool {
	return slices.ContainsFunc(columns, func(c column) bool { return len(s.points(c).XYs) > 0 })
}

// JSON is the summary for scripts.
func (s *Summary) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, fmt.Errorf("summary: %w", err)
	}
	return append(text, '\n'), nil
}
