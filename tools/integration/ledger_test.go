//go:build integration

package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// ledger is what the tests know of the cluster's log. Its bound is what the
// tests write.
type ledger struct {
	mu      sync.Mutex
	acked   map[string]int // answered with true
	unknown map[string]int // asked, and no answer or one that leaves it open
	n       int            // acknowledgements in all
}

func newLedger() *ledger { return &ledger{acked: map[string]int{}, unknown: map[string]int{}} }

func (l *ledger) record(data string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unknown[data]++
		return
	}
	l.acked[data]++
	l.n++
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// replicate writes one entry that has to succeed.
func (l *ledger) replicate(ctx context.Context, t *testing.T, conn *pgx.Conn, data string) {
	t.Helper()
	err := sqlapi.Replicate(ctx, conn, data)
	l.record(data, err)
	must(t, err)
}

// waitFor waits until n more entries are acknowledged than now.
func (l *ledger) waitFor(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	want := l.count() + n
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("%d more acknowledged entries", n), func(context.Context) error {
		if got := l.count(); got < want {
			return fmt.Errorf("%d missing", want-got)
		}
		return nil
	}))
}

// check reads the whole log on each server: every acknowledged entry exactly as
// often as it was acknowledged, nothing that nobody wrote, and the same at the
// same index on all. Call it when the cluster is settled.
func (l *ledger) check(ctx context.Context, t *testing.T, servers ...*pgcluster.Server) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	_, stats, err := look(ctx, servers[0])
	must(t, err)
	var first []sqlapi.Entry
	for i, server := range servers {
		log, err := sqlapi.Entries(ctx, connect(ctx, t, server), 1, stats.LastApplied)
		if err != nil {
			t.Fatalf("node %d: %v", server.NodeID, err)
		}
		if i == 0 {
			first = log
		} else if !slices.Equal(log, first) {
			t.Errorf("the logs of nodes %d and %d differ: %s", servers[0].NodeID, server.NodeID, difference(first, log))
		}
		found := map[string]int{}
		for _, e := range log {
			found[e.Data]++
			if n := found[e.Data]; n > l.acked[e.Data]+l.unknown[e.Data] {
				t.Errorf("node %d: index %d holds %s for the %d. time, but it was written %d times",
					server.NodeID, e.Index, shorten(e.Data), n, l.acked[e.Data]+l.unknown[e.Data])
			}
		}
		lost := 0
		for _, data := range slices.Sorted(maps.Keys(l.acked)) {
			if found[data] < l.acked[data] {
				if lost++; lost <= 5 {
					t.Errorf("node %d: %s was acknowledged %d times and is there %d times",
						server.NodeID, shorten(data), l.acked[data], found[data])
				}
			}
		}
		if lost > 5 {
			t.Errorf("node %d: %d acknowledged entries are missing in all", server.NodeID, lost)
		}
	}
	t.Logf("%d entries in the log of %d nodes, %d acknowledged, %d of unknown outcome",
		len(first), len(servers), l.n, len(l.unknown))
}

func difference(a, b []sqlapi.Entry) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%d: %s against %d: %s", a[i].Index, shorten(a[i].Data), b[i].Index, shorten(b[i].Data))
		}
	}
	return fmt.Sprintf("%d entries against %d", len(a), len(b))
}

func shorten(data string) string {
	if len(data) > 40 {
		return fmt.Sprintf("%q... (%d bytes)", data[:40], len(data))
	}
	return fmt.Sprintf("%q", data)
}

// load is writers at work, two for each server.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	states map[string]int // SQLSTATEs that came back, and how often
}

// retryPause is how long a writer waits after an error.
const retryPause = 20 * time.Millisecond

// loadSessions is how many sessions write on each server.
const loadSessions = 2

// startLoad lets sessions write until stop is called. A session whose server
// dies connects again; an entry is never written twice.
func startLoad(ctx context.Context, name string, l *ledger, servers []*pgcluster.Server) *load {
	ctx, cancel := context.WithCancel(ctx)
	ld := &load{cancel: cancel, states: map[string]int{}}
	for _, server := range servers {
		for session := range loadSessions {
			ld.done.Go(func() { ld.write(ctx, fmt.Sprintf("%s n%d s%d", name, server.NodeID, session), l, server) })
		}
	}
	return ld
}

func (ld *load) write(ctx context.Context, name string, l *ledger, server *pgcluster.Server) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for i := 0; ctx.Err() == nil; i++ {
		if conn == nil || conn.IsClosed() {
			err := wait.Until(ctx, "a connection", func(ctx context.Context) (err error) {
				conn, err = server.Conn(ctx)
				return err
			})
			if err != nil {
				return // the load is stopped
			}
		}
		data := fmt.Sprintf("%s #%d", name, i)
		// Not ctx: the entry under way when the load stops shall get its answer.
		err := sqlapi.Replicate(context.WithoutCancel(ctx), conn, data)
		l.record(data, err)
		if err != nil {
			var pgErr *pgconn.PgError
			state := "connection lost"
			if errors.As(err, &pgErr) {
				state = pgErr.Code
			}
			ld.mu.Lock()
			ld.states[state]++
			ld.mu.Unlock()
			select { // a client that was refused does not ask again at once
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
		}
	}
}

// stop ends the load and complains of errors that a client should not see when
// a server dies: the outcome is unknown (40003), or the server goes down or
// comes up (57P01 to 57P03), or the connection is just lost.
func (ld *load) stop(t *testing.T) {
	t.Helper()
	ld.cancel()
	ld.done.Wait()
	allowed := []string{"40003", "57P01", "57P02", "57P03", "connection lost"}
	for _, state := range slices.SortedFunc(maps.Keys(ld.states), cmp.Compare[string]) {
		t.Logf("%d writes ended with: %s", ld.states[state], state)
		if !slices.Contains(allowed, state) {
			t.Errorf("SQLSTATE %s came back %d times", state, ld.states[state])
		}
	}
}
