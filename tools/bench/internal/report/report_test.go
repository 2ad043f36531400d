package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/bench"
)

var rewrite = flag.Bool("rewrite", false, "write the files of testdata anew")

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1, 5}, Spread{5, 1, 9}},
		{[]float64{9, 1, 5, 2}, Spread{3.5, 1, 9}},
	} {
		if got := SpreadOf(c.values); got != c.want {
			t.Errorf("of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

// made is a sample with round numbers: 2 s on two processors.
func made(system, through string, sessions int, perSecond, p50 float64) record.Sample {
	return record.Sample{Cell: record.Cell{System: system, Operation: record.Write, Through: through, Bytes: 256, Sessions: sessions},
		Seconds: 2, Operations: int(2 * perSecond), PerSecond: perSecond, Latency: bench.Latency{P50: p50, P99: 2 * p50},
		CPU:    map[string]float64{record.Servers: 1, record.Client: 0.5, record.Others: 0.3, record.Stolen: 0.1},
		Memory: map[string]int64{record.Servers: 100e6}, Verified: 10}
}

func rounds(samples ...[]record.Sample) *record.Run {
	run := &record.Run{Environment: record.Environment{Label: "abc", Processors: 2, Window: 2, Warmup: 1}}
	for i, s := range samples {
		run.Rounds = append(run.Rounds, &record.Round{Number: i + 1, Samples: s})
	}
	return run
}

// Ratios are taken within a round, as noise hits what is measured side by side.
func TestRatiosAreThoseOfRounds(t *testing.T) {
	s := Summarise(rounds(
		[]record.Sample{made(record.Pgraft, record.Leader, 8, 1000, 4), made(record.Etcd, record.Leader, 8, 2000, 2)},
		[]record.Sample{made(record.Etcd, record.Leader, 8, 100, 8), made(record.Pgraft, record.Leader, 8, 200, 2)},
		[]record.Sample{made(record.Pgraft, record.Leader, 8, 3000, 3), made(record.Etcd, record.Leader, 8, 1000, 3)},
		[]record.Sample{made(record.Pgraft, record.Leader, 8, 1e9, 1)}, // without etcd it counts for pgraft alone
	))
	of, to := made(record.Pgraft, record.Leader, 8, 0, 0).Cell, made(record.Etcd, record.Leader, 8, 0, 0).Cell
	if r := s.ratio(of, to, PerSecond); r == nil || r.Spread != (Spread{2, 0.5, 3}) || r.Rounds != 3 {
		t.Errorf("rates %+v, want 0.5, 2 and 3", r)
	}
	if r := s.ratio(of, to, P50); r == nil || r.Spread != (Spread{1, 0.25, 2}) {
		t.Errorf("p50 %+v, want 2, 0.25 and 1", r)
	}
	row := s.row(of)
	if row.Rounds != 4 || row.PerSecond != (Spread{2000, 200, 1e9}) || row.Verified != 40 {
		t.Errorf("row %+v", row)
	}
	if got := row.Disturbed.Median; math.Abs(got-0.1) > 1e-9 { // 0.4 of 4 processor seconds
		t.Errorf("disturbed %v, want 0.1", got)
	}
	if got := s.row(to).CPU[record.Servers]; got != (Spread{500, 250, 5000}) { // 1 s for 4000, 200 and 2000 operations
		t.Errorf("CPU %v µs an operation", got)
	}
}

func TestMarkdownSaysWhatIsSlowerAndWhatIsWrong(t *testing.T) {
	failed := made(record.Pgraft, record.Leader, 8, 1000, 4)
	failed.Failed = map[string]int{"40003": 2, "53300": 1}
	text := Summarise(rounds([]record.Sample{failed, made(record.Etcd, record.Leader, 8, 2000, 2), made(record.Postgres, record.Leader, 8, 500, 2)})).Markdown()
	for _, want := range []string{
		"1 round; ",
		"| 8 sessions | 1,000, 3 failed |  | 500 | 2,000 |  | 2.00 | 0.50 |  |\n",
		"pgraft is slower than etcd with 8 sessions (0.50 times its rate).\n",
		"pgraft is as fast as PostgreSQL's quorum commit, or faster, with 8 sessions (2.00 times).\n",
		"found, on all three servers: 30.0.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "not quiet") {
		t.Errorf("a tenth is quiet enough:\n%s", text)
	}
	failed.CPU[record.Others] = 1.9
	if text := Summarise(rounds([]record.Sample{failed})).Markdown(); !strings.Contains(text, "**The machine was not quiet.** In 1 of 1 lines "+
		"something else took more than 10 % of the processors' time, 50 % at most") {
		t.Errorf("nothing says that others took half of the time:\n%s", text)
	}
}

func TestNumbers(t *testing.T) {
	for want, v := range map[string]float64{"0": 0, "0.30": 0.3, "12.3": 12.34, "123": 123.4, "1,234": 1234, "12,345": 12345, "1,234,567": 1234567} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

// testdata/rounds are two real ones, on a machine that was busy with other things.
func TestRecordedRounds(t *testing.T) {
	run, err := record.Read("testdata/rounds")
	if err != nil {
		t.Fatal(err)
	}
	s := Summarise(run)
	if *rewrite {
		if err := os.WriteFile("testdata/table.md", []byte(s.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/table.md")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Markdown(); got != string(want) {
		t.Errorf("the table is another one: run `go test ./internal/report -rewrite` in tools/bench and read the difference\n%s", got)
	}
	text, err := s.JSON()
	if err != nil || !strings.Contains(string(text), `"what": "per_second"`) {
		t.Errorf("JSON: %v", err)
	}
	if _, err := (&Summary{}).SVG(); err == nil {
		t.Error("a picture was made of nothing")
	}
	picture, err := s.SVG()
	if err != nil {
		t.Fatal(err)
	}
	shown := words(t, picture)
	for _, c := range columns {
		if !strings.Contains(shown, "|"+c.title+"|") {
			t.Errorf("the picture does not name %s: %s", c.title, shown)
		}
	}
	for _, want := range []string{"|writes a second|", "|latency, p50, ms|", "|1|", "|8|", "|256|"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the picture does not say %s: %s", want, shown)
		}
	}
	if after := Compare(s, s); !strings.Contains(after, "| write/256B/8/pgraft/leader | ") || !strings.Contains(after, " | 1.00 | 1.00 | 1.00 | 1.00 |\n") {
		t.Errorf("compared with itself:\n%s", after)
	}
	if got := Compare(s, &Summary{}); got != "The two have no line in common.\n" {
		t.Errorf("compared with nothing: %q", got)
	}
}

// words are all texts of a picture, between bars.
func words(t *testing.T, picture []byte) string {
	t.Helper()
	var b strings.Builder
	inText := false
	for d := xml.NewDecoder(strings.NewReader(string(picture))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String() + "|"
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText {
				b.WriteString("|" + strings.TrimSpace(string(token)))
				inText = false
			}
		}
	}
}

func TestTicks(t *testing.T) {
	var labels []string
	for _, tick := range ticks(0.3, 60) {
		if tick.Label != "" {
			labels = append(labels, tick.Label)
		}
	}
	if got := strings.Join(labels, " "); got != "0.5 1 2 5 10 20 50" {
		t.Errorf("%s", got)
	}
}
