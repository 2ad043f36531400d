//go:build integration

package integration

import (
	"context"
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
	nodes  []int

	wrong []string
}

// claim is the first true of a term.
type claim struct {
	node     int
	answered time.Time
}

// askPause is how long a node is left alone between an answer and the next question.
const askPause = 5 * time.Millisecond

func observe(ctx context.Context, servers []*pgcluster.Server) *observer {
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{cancel: cancel, byTerm: map[int64]claim{}, asked: map[int]int{}}
	for _, server := range servers {
		o.nodes = append(o.nodes, server.NodeID)
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
	for ctx.Err() == nil {
		o.ask(ctx, server, &conn) // an error is no answer
		select {                  // a server that is down is asked again, too
		case <-ctx.Done():
		case <-time.After(askPause):
		}
	}
}

// ask asks a server once, over a new connection if there is none.
func (o *observer) ask(ctx context.Context, server *pgcluster.Server, conn **pgx.Conn) {
	if *conn == nil || (*conn).IsClosed() {
		fresh, err := server.Conn(ctx)
		if err != nil {
			return
		}
		*conn = fresh
	}
	var before, after int64
	var leads bool
	asked := time.Now()
	// The term on both sides: only if it did not change in between is it the
	// one of the claim.
	err := (*conn).QueryRow(context.WithoutCancel(ctx),
		"SELECT pgraft_get_term(), pgraft_is_leader(), pgraft_get_term()").Scan(&before, &leads, &after)
	if err == nil {
		o.record(server.NodeID, before, after, leads, asked, time.Now())
	}
}

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

// enough are the answers of each node that an observation takes.
const enough = 20

// missing says which node has not answered often enough.
func (o *observer) missing(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, node := range o.nodes {
		if n := o.asked[node]; n < enough {
			return fmt.Errorf("node %d has answered only %d times who leads", node, n)
		}
	}
	return nil
}

// stop ends the observation once all nodes have answered often enough, and fails the test
// if two nodes led at once.
func (o *observer) stop(t *testing.T) {
	t.Helper()
	if err := wait.For(t.Context(), settleLimit, "answers of all nodes", o.missing); err != nil {
		t.Error(err)
	}
	o.cancel()
	o.done.Wait()
	for i, w := range o.wrong {
		if i == maxShown {
			t.Errorf("... %d times in all", len(o.wrong))
			break
		}
		t.Error(w)
	}
	if len(o.byTerm) == 0 {
		t.Error("nobody was seen to lead")
	}
	t.Logf("answers by node %v, terms with a leader %d", o.asked, len(o.byTerm))
}
