package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
)

// failing is a fake whose leader can be struck.
type failing struct {
	*fake
	gone    time.Duration // for how long nothing is acknowledged then
	until   time.Time     // when that is over
	refuses bool          // it answers with errors meanwhile
	same    bool          // the old leader leads again
	mended  int
}

func (f *failing) Epoch(context.Context) (string, error) { return fmt.Sprint(f.term), nil }

type failingSession struct {
	fakeSession
	f *failing
}

func (s *failingSession) Do(ctx context.Context, n int) error {
	s.f.mu.Lock()
	wait, refuses := time.Until(s.f.until), s.f.refuses
	s.f.mu.Unlock()
	if wait > 0 && refuses {
		return errRefused
	}
	time.Sleep(max(0, wait))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.fakeSession.Do(ctx, n)
}

func (f *failing) Survivors(_ context.Context, l *systems.Ledger, n int) (open []systems.Session, err error) {
	for i := range 2 * n {
		open = append(open, &failingSession{fakeSession{f.fake, l, i}, f})
	}
	return open, nil
}

func (f *failing) Strike(context.Context, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.until = time.Now().Add(f.gone); !f.same {
		f.term++
	}
	return nil
}

func (f *failing) Mend(context.Context) error { f.mended++; return nil }

var kill = record.Cell{System: record.Pgraft, Operation: record.Kill, Through: "100/1000", Bytes: 256, Sessions: 4}

func struck(t *testing.T, f *failing) *benchmark {
	t.Helper()
	results, err := record.Open(t.TempDir()+"/results", record.Environment{Label: "fake"})
	if err != nil {
		t.Fatal(err)
	}
	return &benchmark{options: options{rounds: 3, warmup: 200 * time.Millisecond}, progress: io.Discard,
		systems: map[string]systems.System{"pgraft 100/1000": f}, results: results, settle: func() error { return nil }}
}

// The time without a commit is measured, whether sessions wait meanwhile or are refused;
// what was measured stays, and is not measured again.
func TestStrike(t *testing.T) {
	for name, f := range map[string]*failing{
		"sessions wait":        {fake: &fake{}, gone: 700 * time.Millisecond},
		"sessions are refused": {fake: &fake{}, gone: 700 * time.Millisecond, refuses: true},
		"longer than usual":    {fake: &fake{}, gone: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := struck(t, f)
				if err := b.rounds(t.Context(), [][]record.Cell{{kill}}); err != nil {
					t.Fatal(err)
				}
				read, err := record.Read(b.results.Dir)
				if err != nil || len(read.Rounds) != 3 || !read.HasStrikes() || f.mended != 3 {
					t.Fatalf("%+v, %v, mended %d times", read, err, f.mended)
				}
				for _, round := range read.Rounds {
					want := float64(f.gone.Milliseconds())
					if s := round.Find(kill); s == nil || s.Gap < want-2 || s.Gap > want+4 || s.Verified < 1000 || s.Operations < 1000 ||
						(s.Failed["connection"] > 0) != f.refuses {
						t.Errorf("round %d: %+v, want %v ms", round.Number, s, want)
					}
				}
				if err := b.rounds(t.Context(), [][]record.Cell{{kill}}); err != nil || f.mended != 3 {
					t.Errorf("it was measured again: %d times, %v", f.mended, err)
				}
				text, files, err := writeTables(read)
				if err != nil || len(files) != 2 || !strings.Contains(text, "| kill, 100/1000 ms | ") {
					t.Errorf("%q, %v, %v", text, files, err)
				}
			})
		})
	}
}

// What is no measurement is kept as none.
func TestStrikeFails(t *testing.T) {
	for want, f := range map[string]*failing{
		"acknowledged writes are not there": {fake: &fake{forgets: true}, gone: 100 * time.Millisecond},
		"0 led before and after":            {fake: &fake{}, gone: 100 * time.Millisecond, same: true},
		"writes to be acknowledged again":   {fake: &fake{}, gone: 2 * strikeLimit, refuses: true},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := struck(t, f)
				if err := b.rounds(t.Context(), [][]record.Cell{{kill}}); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				if n := len(b.results.Round(1).Samples); n > 0 {
					t.Errorf("%d samples are kept", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := struck(t, &failing{fake: &fake{}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.rounds(ctx, [][]record.Cell{{kill}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("interrupted: %v", err)
		}
	})
}

// Both systems are struck in each way with each timing, one right after the other.
func TestStrikes(t *testing.T) {
	all := list(strikes())
	for _, want := range []string{"kill/256B/4/pgraft/100/1000\nkill/256B/4/etcd/100/1000\n", "silence/256B/4/pgraft/50/500\n",
		"fast stop/256B/4/etcd/50/500\n", "transfer/256B/4/pgraft/100/1000\n"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	if out, err := command(t, "failover", "--list"); err != nil || out != all {
		t.Errorf("failover --list: %q, %v", out, err)
	}
	if _, err := command(t, "failover", "--only", "nothing"); err == nil {
		t.Error("--only nothing is taken")
	}
}
