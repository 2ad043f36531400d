//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// observer asks all servers all the time whether they lead, and finds answers
// that cannot both have been right.
type observer struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	byTerm map[int64]claim
	asked  map[int]int // answers by node

	wrong []string
}

// claim is the first true of a term.
type claim struct {
	node     int
	answered time.Time
}

func observe(ctx context.Context, servers []*pgcluster.Server) *observer {
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{cancel: cancel, byTerm: map[int64]claim{}, asked: map[int]int{}}
	for _, server := range servers {
		o.done.Go(func() { o.watch(ctx, server) })
	}
	return o
}

func (o *observer) watch(ctx context.Context, server *pgcluster.Server) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	// It ends only with ctx: a server that is down is asked again.
	wait.Until(ctx, "the end", func(ctx context.Context) error {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = server.Conn(ctx); err != nil {
				return err
			}
		}
		var before, after int64
		var leads bool
		asked := time.Now()
		// The term on both sides: only if it did not change in between is it the
		// one of the claim.
		err := conn.QueryRow(context.WithoutCancel(ctx),
			"SELECT pgraft_get_term(), pgraft_is_leader(), pgraft_get_term()").Scan(&before, &leads, &after)
		if err != nil {
			return err
		}
		o.record(server.NodeID, before, after, leads, asked, time.Now())
		return errAskAgain
	})
}

var errAskAgain = errors.New("asked, to be asked again")

// record compares one answer with all earlier ones. Two leaders at one instant
// show in one of two ways: two nodes claim one term; or a node claims a term
// when asked after another node's claim of a later one was answered.
func (o *observer) record(node int, before, after int64, leads bool, asked, answered time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked[node]++
	if !leads || before != after {
		return
	}
	for term, c := range o.byTerm {
		if term == before && c.node != node {
			o.wrong = append(o.wrong, fmt.Sprintf("nodes %d and %d both said to lead in term %d", c.node, node, term))
		}
		if term > before && c.answered.Before(asked) {
			o.wrong = append(o.wrong, fmt.Sprintf("node %d said to lead in term %d, %s after node %d did in term %d",
				node, before, asked.Sub(c.answered), c.node, term))
		}
	}
	if _, known := o.byTerm[before]; !known {
		o.byTerm[before] = claim{node, answered}
	}
}

// maxShown is how many of the answers that contradict each other are printed.
const maxShown = 5

// stop ends the observation and fails the test if two nodes led at once, or if
// too little was seen to say so.
func (o *observer) stop(t *testing.T) {
	t.Helper()
	o.cancel()
	o.done.Wait()
	for i, w := range o.wrong {
		if i == maxShown {
			t.Errorf("... %d times in all", len(o.wrong))
			break
		}
		t.Error(w)
	}
	const enough = 20 // answers of each node; a scenario lasts seconds, a question 10 ms
	for node, n := range o.asked {
		if n < enough {
			t.Errorf("node %d was asked only %d times who leads", node, n)
		}
	}
	if len(o.byTerm) == 0 {
		t.Error("nobody was seen to lead")
	}
	t.Logf("answers by node %v, terms with a leader %d", o.asked, len(o.byTerm))
}
