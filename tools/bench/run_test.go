package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
)

// fake is a system in memory.
type fake struct {
	mu        sync.Mutex
	values    map[string]string
	elections int // how many more there will be
	epochs    int // how often Epoch was asked
	term      int
	forgets   bool // the last write
	refuses   bool // every other write
	cleaned   int
}

func (f *fake) Name() string                { return record.Pgraft }
func (f *fake) Version() string             { return "fake" }
func (f *fake) Start(context.Context) error { return nil }
func (f *fake) Stop() error                 { return nil }
func (f *fake) Mark(context.Context) error  { f.values = map[string]string{}; return nil }

func (f *fake) Epoch(context.Context) (string, error) {
	if f.epochs++; f.epochs%2 == 0 && f.elections > 0 {
		f.elections--
		f.term++
	}
	return fmt.Sprint(f.term), nil
}

func (f *fake) Processes() (map[string][]int, error) {
	return map[string][]int{record.Servers: {os.Getpid()}, record.Engines: {os.Getpid()}}, nil
}

type fakeSession struct {
	f *fake
	l *systems.Ledger
	i int
}

func (f *fake) Open(_ context.Context, _ record.Cell, l *systems.Ledger, i int) (systems.Session, error) {
	return &fakeSession{f, l, i}, nil
}

var errRefused = errors.New("refused")

func (s *fakeSession) Ready(context.Context) error { return nil }
func (s *fakeSession) Close(context.Context) error { return nil }

func (s *fakeSession) Do(_ context.Context, n int) error {
	time.Sleep(time.Millisecond)
	if s.f.refuses && n%2 == 1 {
		return errRefused
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.values[s.l.Key(s.i, n)] = s.l.Value(s.i, n)
	return nil
}

func (f *fake) Check(_ context.Context, l *systems.Ledger) error {
	if f.forgets {
		delete(f.values, slices.Max(slices.Collect(maps.Keys(f.values))))
	}
	v := l.Inventory()
	for key, value := range f.values {
		if err := v.Found(key, systems.MD5(value)); err != nil {
			return err
		}
	}
	return v.Missing()
}

func (f *fake) Clean(context.Context, *systems.Ledger) error { f.cleaned++; return nil }

// faked is a benchmark of a fake, and its cells.
func faked(t *testing.T, f *fake) (*benchmark, [][]record.Cell) {
	t.Helper()
	results, err := record.Open(t.TempDir()+"/results", record.Environment{Label: "fake"})
	if err != nil {
		t.Fatal(err)
	}
	b := &benchmark{options: options{rounds: 2, warmup: 10 * time.Millisecond, window: 50 * time.Millisecond}, progress: io.Discard,
		systems: map[string]systems.System{record.Pgraft: f}, results: results, settle: func() error { return nil }}
	write := record.Cell{System: record.Pgraft, Operation: record.Write, Through: record.Leader, Bytes: 256, Sessions: 3}
	return b, [][]record.Cell{{write, {System: record.Pgraft, Operation: record.Idle}}}
}

// What was measured stays, and is not measured again.
func TestRounds(t *testing.T) { synctest.Test(t, testRounds) }

func testRounds(t *testing.T) {
	f := &fake{elections: 1}
	b, groups := faked(t, f)
	var progress strings.Builder
	b.progress = &progress
	b.limit = 50 * time.Millisecond // which the first line takes longer than
	if err := b.rounds(t.Context(), groups); err != nil || !strings.Contains(progress.String(), "--for 50ms is over: 1 of 4 lines are measured") {
		t.Fatalf("%v, %s", err, &progress)
	}
	b.limit = 0 // none
	if err := b.rounds(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	if got := progress.String(); strings.Count(got, "again, as another server became the leader: 0, then 1") != 1 || !strings.Contains(got, "round 2/2, line 3/3: write/256B/3/pgraft/leader ... ") {
		t.Errorf("progress\n%s", got)
	}
	read, err := record.Read(b.results.Dir)
	if err != nil || len(read.Rounds) != 2 {
		t.Fatalf("%+v, %v", read, err)
	}
	for _, round := range read.Rounds {
		s, idle := round.Find(groups[0][0]), round.Find(groups[0][1])
		if s == nil || idle == nil {
			t.Fatalf("round %d: %+v", round.Number, round)
		}
		// An operation takes a millisecond; the one that ends at an edge may count or not.
		if got := s.Operations; got < 3*49 || got > 3*51 || s.Verified < 3*59 || s.Seconds != 0.05 || s.Latency.P50 != 1 ||
			len(s.Failed) != 0 || s.PerSecond != float64(s.Operations)/s.Seconds {
			t.Errorf("round %d: %+v", round.Number, s)
		}
		if s.Memory[record.Servers] < 1<<20 || s.CPU[record.Servers] != s.CPU[record.Engines] || idle.Operations != 0 {
			t.Errorf("round %d: %+v, %+v", round.Number, s, idle)
		}
	}
	if f.cleaned != 3 { // two rounds, and the one with the election
		t.Errorf("cleaned %d times", f.cleaned)
	}
	if err := b.rounds(t.Context(), groups); err != nil || f.cleaned != 3 {
		t.Errorf("it was measured again: %d times, %v", f.cleaned, err)
	}
}

func TestRoundsFail(t *testing.T) { synctest.Test(t, testRoundsFail) }

func testRoundsFail(t *testing.T) {
	f := &fake{forgets: true}
	b, groups := faked(t, f)
	if err := b.rounds(t.Context(), groups); err == nil || !strings.Contains(err.Error(), "write/256B/3/pgraft/leader: 1 of ") {
		t.Errorf("a write that was lost: %v", err)
	}
	if len(b.results.Rounds[0].Samples) != 0 {
		t.Errorf("it counts: %+v", b.results.Rounds[0])
	}
	b, groups = faked(t, &fake{elections: 100})
	if err := b.rounds(t.Context(), groups); !errors.Is(err, errElection) {
		t.Errorf("elections without end: %v", err)
	}
	b, groups = faked(t, &fake{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.rounds(ctx, groups); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	b, groups = faked(t, &fake{refuses: true})
	if err := b.rounds(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	if s := b.results.Rounds[0].Find(groups[0][0]); s.Failed["connection"] < 3*29 || s.Operations < 3*24 || s.Operations > 3*26 {
		t.Errorf("failures %v, %d operations", s.Failed, s.Operations)
	}
}
