//go:build integration

package failover

import (
	"context"
	"errors"
	"math"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// latencyRounds is how many clusters lose their primary in each of two ways.
const latencyRounds = 20

// BenchmarkPrimaryGone measures how long it takes from the end of the primary until another server
// acknowledges a commit, with default settings: the primary's postmaster is killed, or all processes
// of its server are stopped, and nothing says so. Each round has a new cluster.
func BenchmarkPrimaryGone(b *testing.B) {
	for _, how := range []struct {
		name string
		goes func(*world, *pgcluster.Server) time.Time
	}{{"kill", killed}, {"silence", silenced}} {
		b.Run(how.name, func(b *testing.B) {
			var took []float64
			for i := range latencyRounds {
				ms := primaryGone(b, i, how.goes)
				b.Logf("round %d: %.0f ms", i+1, ms)
				took = append(took, ms)
			}
			slices.Sort(took)
			b.ReportMetric(percentile(took, 50), "p50-ms")
			b.ReportMetric(percentile(took, 95), "p95-ms")
			b.ReportMetric(took[len(took)-1], "max-ms")
			b.ReportMetric(0, "ns/op") // it says nothing
		})
	}
}

// percentile is the least of the values that so many per cent do not exceed.
func percentile(sorted []float64, percent float64) float64 {
	return sorted[int(math.Ceil(percent/100*float64(len(sorted))))-1]
}

// primaryGone is a round: it returns the milliseconds.
func primaryGone(b *testing.B, round int, goes func(*world, *pgcluster.Server) time.Time) float64 {
	w := makeWorld(b, nil, map[string]string{"pgraft.log_level": "info"})
	defer w.ends()
	w.found()
	a, others := w.cluster.Servers[0], w.cluster.Servers[1:]
	w.do(a, "CREATE TABLE pgraft_first (n int)")
	w.until(a, quorum, "2")
	w.writes(8)
	w.acknowledged(200+17*round, a) // the heartbeats are not met at the same place each time
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	first := firstCommit(ctx, others)
	at := goes(w, a)
	x := <-first
	must(b, x.err)
	w.checks(x.by)
	return float64(x.at.Sub(at).Microseconds()) / 1000
}

// commit is one that a server acknowledged.
type commit struct {
	at  time.Time
	by  *pgcluster.Server
	err error // that of the last try, if there was none
}

// firstCommit says which of some standbys first acknowledges a commit, and when: each is tried again
// and again until ctx ends. Clients of the old primary would only find out by their own patience
// that it is silent.
func firstCommit(ctx context.Context, standbys []*pgcluster.Server) <-chan commit {
	first := make(chan commit, len(standbys))
	for _, s := range standbys {
		go func() {
			var at time.Time
			err := wait.Until(ctx, "a commit", func(ctx context.Context) error {
				conn, err := s.Conn(ctx)
				if err != nil {
					return err
				}
				_, err = conn.Exec(ctx, "INSERT INTO pgraft_first VALUES (1)")
				at = time.Now()
				return errors.Join(err, conn.Close(ctx))
			})
			first <- commit{at, s, err}
		}()
	}
	return first
}

func killed(w *world, s *pgcluster.Server) time.Time {
	at, err := s.Kill9(w.ctx)
	must(w.t, err)
	return at
}

// silenced stops all processes of a server; its cluster's end goes on with them.
func silenced(w *world, s *pgcluster.Server) time.Time {
	pids, err := s.Processes()
	must(w.t, err)
	at := time.Now()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Fatalf("stop process %d of node %d: %v", pid, s.NodeID, err)
		}
	}
	return at
}
