package report

import (
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

func TestFailovers(t *testing.T) {
	kill := func(system string) record.Cell {
		return record.Cell{System: system, Operation: record.Kill, Through: "100/1000", Bytes: 256, Sessions: 4}
	}
	run := &record.Run{Environment: record.Environment{Label: "a build"}}
	for n := range 20 {
		round := run.Round(n + 1)
		round.Samples = append(round.Samples, record.Sample{Cell: kill(record.Pgraft), Gap: float64(400 + 10*n)})
		if n < 4 { // a run that was stopped
			round.Samples = append(round.Samples, record.Sample{Cell: kill(record.Etcd), Gap: 1000, Failed: map[string]int{"Canceled": 2}})
		}
	}
	s := Failovers(run)
	text := s.Markdown()
	if want := "| kill, 100/1000 ms | 495 | 580 | 400 to 590 of 20 | 1000 | 1000 | 1000 to 1000 of 4 |\n"; !strings.Contains(text, want) {
		t.Errorf("want %q in\n%s", want, text)
	}
	if len(s.Rows) != 2 || s.Rows[1].Failed != 8 || s.Rounds != 20 {
		t.Errorf("%+v", s)
	}
	if b, err := s.JSON(); err != nil || !strings.Contains(string(b), `"p95": 580`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestPercentile(t *testing.T) {
	for _, c := range []struct {
		n    int
		want float64
	}{{1, 1}, {2, 2}, {19, 19}, {20, 19}, {21, 20}, {100, 95}} {
		var v []float64
		for i := range c.n {
			v = append(v, float64(c.n-i))
		}
		if got := percentile(v, 95); got != c.want {
			t.Errorf("of 1 to %d: %v, want %v", c.n, got, c.want)
		}
	}
}
