package report

import (
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/bench"
)

// latency is one whose p50 and p99 are these milliseconds.
func latency(p50, p99 float64) bench.Latency { return bench.Latency{P50: p50, P99: p99} }

func TestGrowths(t *testing.T) {
	write := func(bytes, sessions, nodes int) record.Cell {
		return record.Cell{System: record.Pgraft, Operation: record.Write, Through: record.Leader, Bytes: bytes, Sessions: sessions, Nodes: nodes}
	}
	held := func(entries int) record.Cell {
		return record.Cell{System: record.Pgraft, Operation: record.Held, Bytes: 64, Entries: entries, Sessions: 1, Nodes: 1}
	}
	opened := func(answers, p50 float64, mb int64) record.Opened {
		return record.Opened{Answers: answers, Reads: 1000, Get: latency(p50, 10*p50), Memory: mb << 20, After: mb << 20, Rested: mb * 1e6}
	}
	run := &record.Run{Environment: record.Environment{Label: "a build", Processors: 2, Growth: true}}
	for n := range 2 {
		round := run.Round(n + 1)
		x := float64(n)
		round.Samples = append(round.Samples,
			record.Sample{Cell: record.Cell{System: record.Machine, Operation: record.Sync, Bytes: 1 << 20, Sessions: 1}, Seconds: 1, PerSecond: 300, Latency: latency(3, 4)},
			record.Sample{Cell: write(4096, 8, 3), Seconds: 1, Operations: 1000, PerSecond: 1000 + 200*x, Latency: latency(2, 20), Written: 40_960_000,
				CPU: map[string]float64{record.Servers: 1, record.Engines: 0.5, record.Others: 0.6}},
			record.Sample{Cell: write(256, 32, 5), Seconds: 1, Operations: 1000, PerSecond: 500, Latency: latency(9, 90), Written: 5_000_000, CPU: map[string]float64{record.Servers: 1}},
			record.Sample{Cell: held(10_000), Log: &record.Log{FilledPerSecond: 1e5, DiskBytes: 2e6, Node: opened(0.1, 0.01, 20), SQL: opened(0.2, 0.1, 20)}},
			record.Sample{Cell: held(10_000_000), Load: 1.2, Log: &record.Log{FilledPerSecond: 1e5, DiskBytes: 1e9, Node: opened(0.3, 0.03, 20), SQL: opened(0.3, 0.15, 30)}},
			record.Sample{Cell: record.Cell{System: record.Pgraft, Operation: record.CatchUp, Bytes: 64, Entries: 1_000_000, Sessions: 8, Nodes: 3},
				CaughtUp: &record.Absence{Missed: 1_000_064, Missing: 100, Follows: 1, Complete: 20 + 2*x, Before: latency(2, 10), During: latency(3, 15),
					PerSecond: [2]float64{3000, 2000}}})
	}
	s := Growths(run)
	text := s.Markdown()
	for _, want := range []string{
		"Something else took up to 30 % of the processors' time",
		"/ 0.100 | 21.0 | 21.0 | 0.20 |",
		"| append 1 MB and fdatasync | 300 | 3.00 | 4.00 |\n",
		"| 4 kB | 1,100 (1,000 to 1,200) | 4.51 | 2.00 | 20 | 1,000 | 500 | 40,960 | 10.0 |  |\n",
		"| 5 servers, 32 sessions | 500 | 9.00 | 90 | 1,000 | 200 | 1,000 |\n",
		"| 10,000,000 | 100,000 | 1,000 | 100 | 0.30 | 0.030 / 0.300 | 21.0 | 21.0 | 0.30 | 0.150 / 1.500 | 31.5 | 31.5 | 30.0 | 1.2 |\n",
		"With 10,000,000 entries in place of 10,000: restart 1.50 times, engine's memory at rest 1.50 times, `pgraft_log_get_entry()` p50 1.50 times; package node's Entry p50 3.00 times.",
		"| 1,000,064 | 1.0 | 21.0 (20.0 to 22.0) | 47,622 | 3,000 | 2.00 / 10 | 2,000 | 3.00 / 15 | 1.50 | 0.0 |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	if b, err := s.JSON(); err != nil || !strings.Contains(string(b), `"missed": 1000064`) || len(s.Rows) != 6 {
		t.Errorf("%s, %v", b, err)
	}
}
