//go:build integration

package integration

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	// benchPairsEnv says how many pairs of windows BenchmarkRecorder measures.
	benchPairsEnv = "PGRAFT_BENCH_PAIRS"
	benchPairs    = 25
	benchSessions = 8
	benchEntry    = 200 // bytes
	benchWindow   = 4 * time.Second
	// benchSettle is left out after the recorder was turned on or off: a file
	// begins with a checkpoint of some 10 MB, which otherwise comes every minute
	// or two, and the disk has to take those of three nodes at once.
	benchSettle = 2 * time.Second
)

// window is what was measured with the recorder on or off.
type window struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       float64 // microseconds of all three engine workers, per entry
}

// BenchmarkRecorder compares the recorder on and off in one run: three servers,
// sessions that write to the leader without a pause, and windows that alternate
// (on off off on ...), so that what else the machine does hits both alike.
func BenchmarkRecorder(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	b.Cleanup(cancel)
	pairs := benchPairs
	if v := os.Getenv(benchPairsEnv); v != "" {
		n, err := strconv.Atoi(v)
		benchMust(b, err)
		pairs = n
	}
	servers := benchCluster(ctx, b)
	w := newWriters(ctx, b, servers[0])
	defer w.stop()
	var on, off []window
	for i := range pairs {
		for j := range 2 {
			record := (i+j)%2 == 0
			benchSet(ctx, b, servers, map[bool]string{true: "ring", false: "off"}[record])
			benchWait(ctx, benchSettle)
			m := w.measure(ctx, b, servers)
			if record {
				on = append(on, m)
			} else {
				off = append(off, m)
			}
		}
	}
	rate := func(m window) float64 { return m.perSecond }
	p50 := func(m window) float64 { return m.p50.Seconds() * 1000 }
	p99 := func(m window) float64 { return m.p99.Seconds() * 1000 }
	fmt.Printf("%d pairs of windows of %v, 3 servers, %d sessions on the leader, entries of %d bytes\n", pairs, benchWindow, benchSessions, benchEntry)
	fmt.Printf("%-22s %-28s %-28s %s\n", "median (quartiles)", "recorder off", "recorder on", "on against off (95 % confidence)")
	benchRow("entries/s", off, on, rate)
	benchRow("p50 ms", off, on, p50)
	benchRow("p99 ms", off, on, p99)
	benchRow("engines' CPU us/entry", off, on, func(m window) float64 { return m.cpu })
	b.ReportMetric(100*(1-quartile(paired(off, on, rate), 2)), "%cost")
}

func benchRow(name string, off, on []window, of func(window) float64) {
	show := func(l []window) string {
		v := make([]float64, len(l))
		for i := range l {
			v[i] = of(l[i])
		}
		return fmt.Sprintf("%.2f (%.2f to %.2f)", quartile(v, 2), quartile(v, 1), quartile(v, 3))
	}
	r := paired(off, on, of)
	low, high := confidence(r)
	fmt.Printf("%-22s %-28s %-28s %+.1f %% (%+.1f to %+.1f)\n", name, show(off), show(on),
		100*(quartile(r, 2)-1), 100*(low-1), 100*(high-1))
}

// confidence is between which two of the values the true median lies, 19 times
// in 20, whatever their distribution: half of them give or take 1.96 standard
// deviations of a coin thrown as often.
func confidence(l []float64) (low, high float64) {
	l = slices.Sorted(slices.Values(l))
	n := float64(len(l))
	d := 0.98 * math.Sqrt(n)
	return l[max(0, int(n/2-d))], l[min(len(l)-1, int(math.Ceil(n/2+d)))]
}

// paired is on divided by off, for windows that were measured side by side.
func paired(off, on []window, of func(window) float64) []float64 {
	var l []float64
	for i := range off {
		l = append(l, of(on[i])/of(off[i]))
	}
	return l
}

func quartile(l []float64, q int) float64 {
	l = slices.Sorted(slices.Values(l))
	return l[min(len(l)*q/4, len(l)-1)]
}

func benchMust(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func benchWait(ctx context.Context, d time.Duration) {
	select { // the time is what is measured
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func benchCluster(ctx context.Context, b *testing.B) []*pgcluster.Server {
	install, err := pgcluster.Find(os.Getenv("PGRAFT_PG_CONFIG"))
	benchMust(b, err)
	c, err := pgcluster.New(ctx, pgcluster.Config{Install: install, Nodes: nodes, ClusterID: "bench"})
	benchMust(b, err)
	b.Cleanup(func() {
		if err := c.Destroy(); err != nil {
			b.Error(err)
		}
	})
	benchMust(b, c.Start(ctx))
	for i, s := range c.Servers {
		conn, err := s.Conn(ctx)
		benchMust(b, err)
		_, err = conn.Exec(ctx, "CREATE EXTENSION pgraft; SELECT pgraft_init()")
		benchMust(b, err)
		benchMust(b, conn.Close(ctx))
		if i == 0 {
			continue
		}
		leader, err := c.Servers[0].Conn(ctx)
		benchMust(b, err)
		_, err = sqlapi.AddNode(ctx, leader, s.NodeID, "127.0.0.1", s.RaftPort)
		benchMust(b, err)
		benchMust(b, leader.Close(ctx))
	}
	return c.Servers
}

// benchSet turns all recorders on or off, and waits until they are: when on,
// each has something to save.
func benchSet(ctx context.Context, b *testing.B, servers []*pgcluster.Server, mode string) {
	for _, s := range servers {
		conn, err := s.Conn(ctx)
		benchMust(b, err)
		for _, q := range []string{"ALTER SYSTEM SET pgraft.trace = " + mode, "SELECT pg_reload_conf()"} {
			_, err := conn.Exec(ctx, q)
			benchMust(b, err)
		}
		benchMust(b, wait.For(ctx, settleLimit, "the setting", func(ctx context.Context) error {
			var now string
			if err := conn.QueryRow(ctx, "SHOW pgraft.trace").Scan(&now); err != nil || now != mode {
				return fmt.Errorf("it is %s, %w", now, err)
			}
			return nil
		}))
		benchMust(b, conn.Close(ctx))
	}
}

// writers write all the time.
type writers struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	on     atomic.Bool // what is done now counts

	mu   sync.Mutex
	took []time.Duration
	err  error
}

func newWriters(ctx context.Context, b *testing.B, leader *pgcluster.Server) *writers {
	ctx, cancel := context.WithCancel(ctx)
	w := &writers{cancel: cancel}
	for i := range benchSessions {
		conn, err := leader.Conn(ctx)
		benchMust(b, err)
		w.done.Go(func() { w.write(ctx, conn, fmt.Sprintf("%0*d", benchEntry, i)) })
	}
	return w
}

func (w *writers) write(ctx context.Context, conn *pgx.Conn, data string) {
	defer conn.Close(context.WithoutCancel(ctx))
	for ctx.Err() == nil {
		began := time.Now()
		err := sqlapi.Replicate(context.WithoutCancel(ctx), conn, data)
		took := time.Since(began)
		w.mu.Lock()
		if w.on.Load() {
			w.took = append(w.took, took)
		}
		w.err = cmp.Or(w.err, err)
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *writers) measure(ctx context.Context, b *testing.B, servers []*pgcluster.Server) window {
	w.mu.Lock()
	w.took = w.took[:0]
	w.mu.Unlock()
	began := time.Now()
	w.on.Store(true)
	var all sync.WaitGroup
	usage, errs := make([]pgcluster.Usage, len(servers)), make([]error, len(servers))
	for i, s := range servers {
		all.Go(func() { usage[i], errs[i] = s.MeasureEngine(ctx, benchWindow) })
	}
	all.Wait()
	w.on.Store(false)
	elapsed := time.Since(began)
	w.mu.Lock()
	defer w.mu.Unlock()
	benchMust(b, w.err)
	if len(w.took) == 0 {
		b.Fatal("nothing was written")
	}
	slices.Sort(w.took)
	m := window{perSecond: float64(len(w.took)) / elapsed.Seconds(), p50: w.took[len(w.took)/2], p99: w.took[len(w.took)*99/100]}
	for i := range usage {
		benchMust(b, errs[i])
		m.cpu += usage[i].CPU * 1e6 / m.perSecond
	}
	return m
}

func (w *writers) stop() {
	w.cancel()
	w.done.Wait()
}
