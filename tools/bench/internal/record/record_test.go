package record

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/bench"
)

// What was measured is there after each sample, and the next Open goes on with it.
func TestRunGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	if _, err := Read(dir); !errors.Is(err, ErrNone) {
		t.Fatalf("of nothing: %v", err)
	}
	env := Environment{Label: "abc", Processors: 2, Window: 5}
	run, err := Open(dir, env)
	if err != nil {
		t.Fatal(err)
	}
	cell := Cell{System: Pgraft, Operation: Write, Through: Leader, Bytes: 256, Sessions: 8}
	sample := Sample{Cell: cell, At: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC), Seconds: 5, Operations: 10, PerSecond: 2,
		Failed: map[string]int{"40003": 1}, Latency: bench.Latency{P50: 3, P99: 4}, CPU: map[string]float64{Servers: 1.5},
		Memory: map[string]int64{Servers: 1 << 20}, Verified: 12}
	for _, n := range []int{10, 2} {
		if err := run.Add(run.Round(n), sample); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(dir, env)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Rounds) != 2 || again.Rounds[0].Number != 2 || again.Rounds[1].Number != 10 {
		t.Fatalf("rounds %+v", again.Rounds)
	}
	if got := again.Round(10).Find(cell); got == nil || !reflect.DeepEqual(*got, sample) {
		t.Errorf("read %+v\nwant %+v", got, sample)
	}
	other := cell
	other.Sessions = 1
	if got := again.Round(10).Find(other); got != nil {
		t.Errorf("found %+v for %s", got, other)
	}
	env.Label = "def"
	if _, err := Open(dir, env); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("results of another build: %v, want the way out", err)
	}
	if err := os.WriteFile(filepath.Join(dir, roundFile(3)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "round-003.json") {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestNames(t *testing.T) {
	for want, c := range map[string]Cell{
		"write/256B/8/pgraft/leader": {System: Pgraft, Operation: Write, Through: Leader, Bytes: 256, Sessions: 8},
		"idle/0/etcd":                {System: Etcd, Operation: Idle},
	} {
		if c.String() != want {
			t.Errorf("%s, want %s", c, want)
		}
	}
}

func TestCellString(t *testing.T) {
	for want, c := range map[string]Cell{
		"write/256B/8/pgraft/leader":                {System: Pgraft, Operation: Write, Through: Leader, Bytes: 256, Sessions: 8},
		"write/256B/8/pgraft/leader/5 nodes":        {System: Pgraft, Operation: Write, Through: Leader, Bytes: 256, Sessions: 8, Nodes: 5},
		"held/64B/10000/1/pgraft/1 node":            {System: Pgraft, Operation: Held, Bytes: 64, Entries: 10000, Sessions: 1, Nodes: 1},
		"catch up/64B/1000/8/pgraft/leader/3 nodes": {System: Pgraft, Operation: CatchUp, Through: Leader, Bytes: 64, Entries: 1000, Sessions: 8, Nodes: 3},
	} {
		if got := c.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
