package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgraft/pgraft/tools/bench/internal/grown"
	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/freeport"
)

// holding is a log of package node without a process of its own; its SQL is made up.
type holding struct {
	place grown.Place
	fails error
	ended int
}

func (h *holding) Fill(ctx context.Context, entries, bytes int) (int, time.Duration, error) {
	written, took, _, err := grown.Fill(ctx, h.place, entries, bytes)
	return written, took, errors.Join(err, h.fails)
}

func (h *holding) Node(ctx context.Context, reads int) (o record.Opened, err error) {
	l, err := grown.Open(ctx, h.place)
	if err != nil {
		return o, err
	}
	o.Answers, o.Reads, o.Memory, o.After = 0.5, reads, 1e6, 2e6
	o.Get, err = l.Read(ctx, reads, 1)
	return o, errors.Join(err, l.Close())
}

func (h *holding) SQL(_ context.Context, reads int, rest time.Duration) (record.Opened, error) {
	return record.Opened{Answers: 0.25, Reads: reads, Memory: 3e6, After: 4e6, Rested: int64(rest.Seconds() * 1e6)}, nil
}

func (h *holding) Disk() (int64, error) { return grown.Disk(h.place) }
func (h *holding) Version() string      { return "fake" }
func (h *holding) Stop() error          { h.ended++; return nil }

// grows is a benchmark of growth over fakes.
func grows(t *testing.T, g growing, f systems.System) (*benchmark, *holding) {
	t.Helper()
	port, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	h := &holding{place: grown.Place{ClusterID: "grown", NodeID: 1, Port: uint32(port.Port), DataDir: filepath.Join(dir, "pgraft"), MarkerPath: filepath.Join(dir, "marker")}}
	results, err := record.Open(filepath.Join(dir, "results"), record.Environment{Label: "fake", Processors: 2, Growth: true})
	if err != nil {
		t.Fatal(err)
	}
	b := &benchmark{options: options{rounds: 1, warmup: 10 * time.Millisecond, window: 50 * time.Millisecond}, progress: &strings.Builder{},
		systems: map[string]systems.System{}, results: results, settle: func() error { return nil }, holder: h, written: true, rest: g.rest,
		make: func(record.Cell) systems.System { return f }}
	return b, h
}

// A log grows step by step, each step is measured and stays measured, and the table has a
// line for each.
func TestHeld(t *testing.T) {
	g := growing{parts: []string{partHeld}, entries: 3000, missed: 1, rest: 5 * time.Second}
	b, h := grows(t, g, &fake{})
	groups := g.plan()[1:] // without the machine
	if err := b.rounds(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	run, err := record.Read(b.results.Dir)
	if err != nil {
		t.Fatal(err)
	}
	text, files, err := writeTables(run)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for i, entries := range []string{"3.00", "30.0", "300", "3,000"} {
		s := run.Rounds[0].Find(groups[i][0])
		if s == nil || s.Operations > s.Entries || s.Log.DiskBytes < int64(64*s.Entries) || s.Log.Node.Reads != heldReads || s.Log.Node.Get.P50 <= 0 {
			t.Errorf("%s entries: %+v", entries, s)
		}
		if !strings.Contains(text, "\n| "+entries+" | ") || !strings.Contains(text, " | 1.00 | 2.00 | 0.25 | 0.000 / 0.000 | 3.00 | 4.00 | 5.00 | ") {
			t.Errorf("the line of %s entries is not in\n%s", entries, text)
		}
	}
	if !strings.Contains(text, "With 3,000 entries in place of 3.00: restart 1.00 times, engine's memory at rest 1.00 times") {
		t.Errorf("the comparison is not in\n%s", text)
	}
	h.fails = errors.New("no more")
	if err := b.rounds(t.Context(), groups); err != nil {
		t.Errorf("it was measured again: %v", err)
	}
	b.options.rounds = 2
	if err := b.rounds(t.Context(), groups); err == nil || !strings.Contains(err.Error(), "no more") {
		t.Errorf("a log that is not filled: %v", err)
	}
	if n := len(b.results.Round(2).Samples); n > 0 {
		t.Errorf("%d samples of it are kept", n)
	}
}

// away is a fake of which a follower can be away.
type away struct {
	*fake
	takes time.Duration
	fails error
	were  int
}

func (a *away) Away(context.Context) error { a.were++; return nil }

func (a *away) Return(context.Context) (follows, complete time.Duration, err error) {
	time.Sleep(a.takes)
	return a.takes / 2, a.takes, a.fails
}

// Sessions write before, while the follower is away, and while it comes back; all that
// they wrote is looked for.
func TestCatchUp(t *testing.T) { synctest.Test(t, testCatchUp) }

func testCatchUp(t *testing.T) {
	g := growing{parts: []string{partCatchUp}, entries: minHeld, missed: 500}
	a := &away{fake: &fake{}, takes: 300 * time.Millisecond}
	b, _ := grows(t, g, a)
	groups := g.plan()[1:]
	if err := b.rounds(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	s := b.results.Rounds[0].Find(groups[0][0])
	// An operation of the fake takes a millisecond.
	if s == nil {
		t.Fatal("it was not measured")
	}
	if x := s.CaughtUp; a.were != 1 || x.Missed < 500 || x.Missed > 500+2*missingSessions*10 || x.Follows != 0.15 || x.Complete != 0.3 || x.Before.P50 != 1 ||
		x.During.P99 != 1 || s.Verified < 8*(58+298)+500 || len(s.Failed) != 0 {
		t.Errorf("%+v, %+v", s, s.CaughtUp)
	}
	text, _, err := writeTables(b.results)
	if err != nil || !strings.Contains(text, " | 0.1 | 0.3 | ") || strings.Count(text, " | 1.00 / 1.00 | ") != 2 || !strings.Contains(text, " | 1.00 | ") {
		t.Errorf("%v\n%s", err, text)
	}
	for want, a := range map[string]*away{
		"acknowledged writes are not there": {fake: &fake{forgets: true}, takes: 50 * time.Millisecond},
		"it never comes":                    {fake: &fake{}, fails: errors.New("it never comes")},
		"another server became the leader":  {fake: &fake{elections: 10}, takes: 50 * time.Millisecond},
	} {
		b, _ := grows(t, g, a)
		if err := b.rounds(t.Context(), groups); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	b, _ = grows(t, g, &fake{})
	if err := b.rounds(t.Context(), groups); err == nil || !strings.Contains(err.Error(), "can be away") {
		t.Errorf("of a system whose servers stay: %v", err)
	}
}

// One system runs at a time, and what it writes to the disk is read.
func TestSizesAndNodes(t *testing.T) { synctest.Test(t, testSizesAndNodes) }

func testSizesAndNodes(t *testing.T) {
	g := growing{parts: []string{partSizes, partNodes}, entries: minHeld, missed: 1}
	stops := &stopping{fake: &fake{}}
	b, _ := grows(t, g, stops)
	groups := g.plan()[1:]
	if err := b.rounds(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	if len(b.systems) != 1 || stops.stopped != len(growthNodes)-1 {
		t.Errorf("%d systems run, %d times one was stopped", len(b.systems), stops.stopped)
	}
	text, _, err := writeTables(b.results)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n| 64 bytes | ", "\n| 1 MB | ", "\n| 3 servers, 1 session | ", "\n| 7 servers, 32 sessions | "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// stopping counts how often it is stopped.
type stopping struct {
	*fake
	stopped int
}

func (s *stopping) Stop() error { s.stopped++; return nil }

func TestGrowthCommandLine(t *testing.T) {
	out, err := command(t, "growth", "--list", "--part", "held,catch-up", "--entries", "1000", "--missed", "7")
	const want = "held/64B/1/1/pgraft/1 node\nheld/64B/10/1/pgraft/1 node\nheld/64B/100/1/pgraft/1 node\nheld/64B/1000/1/pgraft/1 node\n" +
		"catch up/64B/7/8/pgraft/leader/3 nodes\n"
	if err != nil || !strings.HasSuffix(out, want) || strings.Contains(out, "write/") {
		t.Errorf("--list: %v\n%s", err, out)
	}
	if out, err := command(t, "growth", "--list"); err != nil || !strings.Contains(out, "\nheld/64B/10000000/1/pgraft/1 node\n") ||
		!strings.Contains(out, "\nwrite/1048576B/8/pgraft/leader/3 nodes\n") || !strings.Contains(out, "\nwrite/256B/32/pgraft/leader/7 nodes\n") {
		t.Errorf("--list: %v\n%s", err, out)
	}
	for want, args := range map[string][]string{
		"--part rates: want sizes":       {"--part", "rates"},
		"--entries 999":                  {"--entries", "999"},
		"--missed 0":                     {"--missed", "0"},
		"--only nothing matches nothing": {"--only", "nothing"},
		"--only: error parsing regexp":   {"--only", "("},
		"--rounds 0":                     {"--rounds", "0"},
		"no pg_config at":                {"--pg-config", "/no/such/program"},
	} {
		if _, err := command(t, append([]string{"growth", "--out", t.TempDir()}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	place, err := json.Marshal(grown.Place{ClusterID: "nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command(t, "held", string(place)); err == nil {
		t.Error("a place where no node can be was opened")
	}
	if _, err := os.Stat("nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
}
