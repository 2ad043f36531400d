//go:build integration

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/proc"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A node that nobody asks for anything is woken for heartbeats and ticks, and for hardly
// more. What it costs depends on what else the machine does, how often it wakes does not.
func rests(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	const most, interval = 100, 2 * time.Second // most: sleeps a second of one engine
	sleeps := func() (all []int64) {
		for _, server := range s.cluster.Servers {
			pid, err := server.EngineWorker()
			must(t, err)
			n, err := proc.Sleeps(pid)
			must(t, err)
			all = append(all, n)
		}
		return all
	}
	// what was asked before is over after a while
	must(t, wait.For(ctx, settleLimit, "the engines to rest", func(ctx context.Context) error {
		before, began := sleeps(), time.Now()
		select { // the interval is what is measured
		case <-time.After(interval):
		case <-ctx.Done():
			return ctx.Err()
		}
		for i, n := range sleeps() {
			if rate := float64(n-before[i]) / time.Since(began).Seconds(); rate > most {
				return fmt.Errorf("node %d wakes %.0f times a second", s.cluster.Servers[i].NodeID, rate)
			}
		}
		return nil
	}))
}
