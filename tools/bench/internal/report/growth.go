package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// Growth is what all rounds say of one cell of growth; the figures that do not belong to
// the cell's part are 0.
type Growth struct {
	Row
	Written Spread `json:"written_bytes_an_entry"` // by all servers
	Load    Spread `json:"load"`                   // the machine's before, over a minute
	// of a log that is held
	Filled    Spread  `json:"filled_per_second"`
	DiskBytes Spread  `json:"disk_bytes_an_entry"`
	Node      Restart `json:"node"`
	SQL       Restart `json:"sql"`
	// of a follower that was away
	Missed   int    `json:"missed,omitempty"`
	Follows  Spread `json:"follows_seconds"`
	Complete Spread `json:"complete_seconds"`
	Before   Load   `json:"before"`
	During   Load   `json:"during"`
	Slower   Spread `json:"p99_during_by_before"`
}

// Restart is a log that was opened again.
type Restart struct {
	Answers Spread `json:"answers_seconds"`
	Memory  Spread `json:"memory_bytes"`
	After   Spread `json:"memory_after_reads_bytes"`
	Rested  Spread `json:"memory_rested_bytes"`
	P50     Spread `json:"get_p50_ms"`
	P99     Spread `json:"get_p99_ms"`
}

// Load is what sessions had of a system.
type Load struct {
	PerSecond Spread `json:"per_second"`
	P50       Spread `json:"p50_ms"`
	P99       Spread `json:"p99_ms"`
}

// GrowthSummary is what a run of growth says; its JSON form is summary.json.
type GrowthSummary struct {
	Environment record.Environment `json:"environment"`
	Rounds      int                `json:"rounds"`
	Rows        []Growth           `json:"rows"` // in the order in which they were first measured
}

// Growths takes what there is.
func Growths(run *record.Run) *GrowthSummary {
	s := &GrowthSummary{Environment: run.Environment, Rounds: len(run.Rounds)}
	samples := map[record.Cell][]record.Sample{}
	var order []record.Cell
	for _, round := range run.Rounds {
		for _, x := range round.Samples {
			if samples[x.Cell] == nil {
				order = append(order, x.Cell)
			}
			samples[x.Cell] = append(samples[x.Cell], x)
		}
	}
	for _, c := range order {
		s.Rows = append(s.Rows, growth(c, samples[c], run.Environment.Processors))
	}
	return s
}

func growth(c record.Cell, samples []record.Sample, processors int) Growth {
	g := Growth{Row: summarise(c, samples, processors)}
	g.Written = spreadOf(samples, func(s record.Sample) float64 { return float64(s.Written) / float64(max(1, s.Operations)) })
	g.Load = spreadOf(samples, func(s record.Sample) float64 { return s.Load })
	if samples[0].Log != nil {
		log := func(of func(*record.Log) float64) Spread {
			return spreadOf(samples, func(s record.Sample) float64 { return of(s.Log) })
		}
		g.Filled = log(func(l *record.Log) float64 { return l.FilledPerSecond })
		g.DiskBytes = log(func(l *record.Log) float64 { return float64(l.DiskBytes) / float64(c.Entries) })
		g.Node = restart(samples, func(l *record.Log) record.Opened { return l.Node })
		g.SQL = restart(samples, func(l *record.Log) record.Opened { return l.SQL })
	}
	if samples[0].CaughtUp != nil {
		g.Missed = samples[0].CaughtUp.Missed
		x := func(of func(*record.Absence) float64) Spread {
			return spreadOf(samples, func(s record.Sample) float64 { return of(s.CaughtUp) })
		}
		g.Follows = x(func(a *record.Absence) float64 { return a.Follows })
		g.Complete = x(func(a *record.Absence) float64 { return a.Complete })
		g.Before = Load{x(func(a *record.Absence) float64 { return a.PerSecond[0] }), x(func(a *record.Absence) float64 { return a.Before.P50 }),
			x(func(a *record.Absence) float64 { return a.Before.P99 })}
		g.During = Load{x(func(a *record.Absence) float64 { return a.PerSecond[1] }), x(func(a *record.Absence) float64 { return a.During.P50 }),
			x(func(a *record.Absence) float64 { return a.During.P99 })}
		g.Slower = x(func(a *record.Absence) float64 { return a.During.P99 / a.Before.P99 })
	}
	return g
}

func restart(samples []record.Sample, of func(*record.Log) record.Opened) Restart {
	x := func(f func(record.Opened) float64) Spread {
		return spreadOf(samples, func(s record.Sample) float64 { return f(of(s.Log)) })
	}
	return Restart{x(func(o record.Opened) float64 { return o.Answers }), x(func(o record.Opened) float64 { return float64(o.Memory) }),
		x(func(o record.Opened) float64 { return float64(o.After) }), x(func(o record.Opened) float64 { return float64(o.Rested) }), x(func(o record.Opened) float64 { return o.Get.P50 }),
		x(func(o record.Opened) float64 { return o.Get.P99 })}
}

func spreadOf(samples []record.Sample, of func(record.Sample) float64) Spread {
	var v []float64
	for _, s := range samples {
		v = append(v, of(s))
	}
	return SpreadOf(v)
}

// JSON is the whole summary.
func (s *GrowthSummary) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, fmt.Errorf("the summary: %w", err)
	}
	return append(text, '\n'), nil
}

// Markdown is a table for each part.
func (s *GrowthSummary) Markdown() string {
	var b strings.Builder
	e := s.Environment
	fmt.Fprintf(&b, "%s; a line of writes took %g s after %g s of warm-up. %d processors (%s), %.0f GB, Linux %s, %s; pgraft %s, %s.\n\n",
		count(s.Rounds, "round"), e.Window, e.Warmup, e.Processors, e.Processor, float64(e.MemoryBytes)/1e9, e.Kernel, e.FileSystem, e.Label, e.Postgres)
	s.noise(&b)
	s.limits(&b)
	s.sizes(&b)
	s.nodes(&b)
	s.held(&b)
	s.caughtUp(&b)
	return b.String()
}

// noise says what else the machine did.
func (s *GrowthSummary) noise(b *strings.Builder) {
	most := 0.0
	for _, r := range s.Rows {
		most = max(most, r.Disturbed.Max)
	}
	if most > quiet {
		fmt.Fprintf(b, "**The machine was not quiet.** Something else took up to %.0f %% of the processors' time: do not rely on these numbers.\n\n", 100*most)
	}
}

// of are the rows of an operation that are so.
func (s *GrowthSummary) of(operation string, is func(Growth) bool) (rows []Growth) {
	for _, r := range s.Rows {
		if r.Operation == operation && (is == nil || is(r)) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (s *GrowthSummary) limits(b *strings.Builder) {
	var rows [][]string
	for _, r := range s.Rows {
		if r.System == record.Machine {
			what := map[string]string{record.Sync: "append %s and fdatasync", record.RoundTrip: "%s over TCP to another process and back"}[r.Operation]
			rows = append(rows, []string{fmt.Sprintf(what, size(r.Bytes)), rate(r.PerSecond), ms(r.P50.Median), ms(r.P99.Median)})
		}
	}
	table(b, []string{"the machine's limits, one after the other", "a second", "p50 ms", "p99 ms"}, rows)
}

// sizeSessions is the number of sessions that sizes are measured with.
const sizeSessions = 8

func (s *GrowthSummary) sizes(b *strings.Builder) {
	var rows [][]string
	for _, r := range s.of(record.Write, func(r Growth) bool { return r.Sessions == sizeSessions }) {
		rows = append(rows, []string{size(r.Bytes), rate(r.PerSecond) + failures(&r.Row), number(r.PerSecond.Median * float64(r.Bytes) / 1e6), ms(r.P50.Median), ms(r.P99.Median),
			number(r.CPU[record.Servers].Median), number(r.CPU[record.Engines].Median), number(r.Written.Median),
			number(r.Written.Median / float64(r.Bytes)), memoryOf(&r.Row)})
	}
	table(b, []string{"entries of, three servers, 8 sessions", "a second", "MB/s", "p50 ms", "p99 ms", "CPU, µs an entry", "of that engines",
		"bytes written an entry", "by its size", "memory MB"}, rows)
}

func (s *GrowthSummary) nodes(b *strings.Builder) {
	var rows [][]string
	for _, r := range s.of(record.Write, func(r Growth) bool { return r.Sessions != sizeSessions }) {
		rows = append(rows, []string{fmt.Sprintf("%d servers, %s", r.Nodes, sessions(r.Sessions)), rate(r.PerSecond) + failures(&r.Row), ms(r.P50.Median), ms(r.P99.Median),
			number(r.CPU[record.Servers].Median), number(r.CPU[record.Servers].Median / float64(r.Nodes)), number(r.Written.Median / float64(r.Nodes))})
	}
	table(b, []string{"PostgreSQL servers, entries of 256 bytes", "a second", "p50 ms", "p99 ms", "CPU, µs an entry", "of one server", "bytes written an entry, of one server"}, rows)
}

func (s *GrowthSummary) held(b *strings.Builder) {
	all := s.of(record.Held, nil)
	var rows [][]string
	mb := func(v Spread) string { return number(v.Median / 1e6) }
	for _, r := range all {
		row := []string{number(float64(r.Entries)), number(r.Filled.Median), number(r.DiskBytes.Median * float64(r.Entries) / 1e6), number(r.DiskBytes.Median)}
		for _, x := range []Restart{r.Node, r.SQL} {
			row = append(row, fmt.Sprintf("%.2f", x.Answers.Median), fmt.Sprintf("%.3f / %.3f", x.P50.Median, x.P99.Median), mb(x.Memory), mb(x.After))
		}
		rows = append(rows, append(row, mb(r.SQL.Rested), fmt.Sprintf("%.1f", r.Load.Median)))
	}
	table(b, []string{"entries of 64 bytes held", "written a second", "MB on the disk", "bytes an entry", "package node: answers after s", "Entry, p50 / p99 ms", "MB", "MB after reads",
		"PostgreSQL: answers after s", "pgraft_log_get_entry, p50 / p99 ms", "engine's MB", "MB after reads", "MB at rest", "load before"}, rows)
	if len(all) < 2 {
		return
	}
	few, many := all[0], all[len(all)-1]
	fmt.Fprintf(b, "With %s entries in place of %s: restart %s, engine's memory at rest %s, `pgraft_log_get_entry()` p50 %s; package node's Entry p50 %s.\n\n", number(float64(many.Entries)),
		number(float64(few.Entries)), by(many.SQL.Answers, few.SQL.Answers), by(many.SQL.Rested, few.SQL.Rested), by(many.SQL.P50, few.SQL.P50), by(many.Node.P50, few.Node.P50))
}

// by is how many times the one is the other.
func by(a, b Spread) string { return fmt.Sprintf("%.2f times", a.Median/b.Median) }

func (s *GrowthSummary) caughtUp(b *strings.Builder) {
	var rows [][]string
	for _, r := range s.of(record.CatchUp, nil) {
		rows = append(rows, []string{number(float64(r.Missed)), seconds(r.Follows), seconds(r.Complete), number(float64(r.Missed) / r.Complete.Median),
			rate(r.Before.PerSecond), ms(r.Before.P50.Median) + " / " + ms(r.Before.P99.Median),
			rate(r.During.PerSecond), ms(r.During.P50.Median) + " / " + ms(r.During.P99.Median), fmt.Sprintf("%.2f", r.Slower.Median) + failures(&r.Row), fmt.Sprintf("%.1f", r.Load.Median)})
	}
	table(b, []string{"entries of 64 bytes missed", "follows after s", "has all after s", "entries a second", "8 sessions before, a second", "p50 / p99 ms", "meanwhile, a second",
		"p50 / p99 ms", "p99 by that before", "load before"}, rows)
}

func seconds(s Spread) string {
	if s.Min == s.Max {
		return fmt.Sprintf("%.1f", s.Median)
	}
	return fmt.Sprintf("%.1f (%.1f to %.1f)", s.Median, s.Min, s.Max)
}
