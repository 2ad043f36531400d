package wait

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestUntilReturnsOnceTheConditionHolds(t *testing.T) {
	calls := 0
	err := Until(t.Context(), "three calls", func(context.Context) error {
		if calls++; calls < 3 {
			return fmt.Errorf("only %d", calls)
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Fatalf("err %v after %d calls, want none after 3", err, calls)
	}
}

func TestForNamesWhatWasMissing(t *testing.T) {
	err := For(t.Context(), 20*time.Millisecond, "the moon", func(context.Context) error {
		return errors.New("still below the horizon")
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("err %v, want a deadline", err)
	}
	for _, want := range []string{"the moon", "still below the horizon"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestHopelessEndsTheWaitAtOnce(t *testing.T) {
	calls := 0
	err := Until(t.Context(), "a dead server", func(context.Context) error {
		calls++
		return fmt.Errorf("exited: %w", ErrHopeless)
	})
	if !errors.Is(err, ErrHopeless) || calls != 1 {
		t.Fatalf("err %v after %d calls, want ErrHopeless after 1", err, calls)
	}
}
