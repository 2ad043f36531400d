package sim

import (
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// A broken invariant of the core's own is a failure with its text, and so is
// every checker's name known to Checks.
func TestPanicIsFailure(t *testing.T) {
	lines := 0
	r := Run(Options{Seed: 1, Faults: []string{}, Trace: func(string) {
		if lines++; lines == 100 {
			panic("applied 7 > commit 6")
		}
	}})
	if r.Failure == nil || r.Failure.Check != checkPanic || !strings.Contains(r.Failure.Detail, "applied 7 > commit 6") {
		t.Fatalf("got %v, want a failure of %s", r.Failure, checkPanic)
	}
}

// A checker that is off sees nothing.
func TestWithout(t *testing.T) {
	w, _, f := formed(t)
	w.o.Without = []string{checkTransition}
	w.checks.persist(f, &core.Persist{Seq: f.seen.seq + 2})
	if w.failure != nil {
		t.Errorf("%v, though it is off", w.failure)
	}
}
