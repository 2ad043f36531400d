//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	raftnode "github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/tools/internal/bench"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/printed"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/status"
	"github.com/pgraft/pgraft/tools/internal/wait"
	"github.com/pgraft/pgraft/tools/internal/witness"
)

// witnessNode is `pgraft node`, as node 3 beside two servers.
type witnessNode struct {
	port  int
	url   string
	ended chan error
	stop  context.CancelFunc
}

const witnessID = 3

// runWitness runs one in dir, on a port of its own if port is 0.
func runWitness(ctx context.Context, t *testing.T, dir, cluster string, port int) *witnessNode {
	t.Helper()
	if port == 0 {
		port = portForLong(t)
	}
	log := &printed.Text{}
	ctx, stop := context.WithCancel(ctx)
	w := &witnessNode{port: port, ended: make(chan error, 1), stop: stop}
	listening := make(chan string, 1)
	cfg := witness.Config{Dir: dir, HTTP: "127.0.0.1:0", Version: "test", Logger: slog.New(slog.NewTextHandler(log, nil)),
		Listening: func(a net.Addr) { listening <- "http://" + a.String() },
		Node: raftnode.Config{ClusterID: cluster, NodeID: witnessID, Address: "127.0.0.1", Port: uint32(port),
			ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond, SnapshotEntries: 10000,
			Retention: store.Retention{RetainEntries: 1000000, RetainBytes: 1 << 30},
			Trace:     recorder.Settings{Mode: recorder.Ring, MaxBytes: recorder.MinBytes}}}
	go func() { w.ended <- witness.Run(ctx, cfg) }()
	t.Cleanup(func() {
		stop()
		<-w.ended
		if t.Failed() {
			t.Logf("the witness's log:\n%s", log)
		}
	})
	select {
	case w.url = <-listening:
	case err := <-w.ended:
		t.Fatal(err)
	}
	return w
}

// portForLong is a free port that stays free while what listens there is away: it
// is none of those that outgoing connections get.
func portForLong(t *testing.T) int {
	t.Helper()
	for port := 10000; port < 15000; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			must(t, l.Close())
			return port
		}
	}
	t.Fatal("no free port from 10000 to 15000")
	return 0
}

// end stops it and waits for it.
func (w *witnessNode) end(t *testing.T) {
	t.Helper()
	w.stop()
	must(t, <-w.ended)
	w.ended <- nil // for the cleanup
}

// twoAndAWitness is a cluster of two servers and a witness.
func (s *suite) twoAndAWitness(ctx context.Context, t *testing.T, settings map[string]string) (*suite, *witnessNode, string) {
	t.Helper()
	x := &suite{install: s.install, ledger: newLedger()}
	x.cluster = s.extraCluster(ctx, t, 2, settings)
	must(t, x.cluster.Start(ctx))
	for _, server := range x.cluster.Servers {
		initialise(ctx, t, server)
	}
	dir := t.TempDir()
	w := runWitness(ctx, t, dir, clusterID, 0)
	conn := connect(ctx, t, x.leader(ctx, t))
	addNode(ctx, t, conn, x.cluster.Servers[1])
	added, err := sqlapi.AddNode(ctx, conn, witnessID, "127.0.0.1", w.port)
	if err != nil || !added {
		t.Fatalf("pgraft_add_node() for the witness = %v, %v", added, err)
	}
	return x, w, dir
}

// Two servers and a witness survive the loss of any one of them, and it is
// always a server that leads in the end.
func survivesWithAWitness(ctx context.Context, t *testing.T, s *suite) {
	x, w, dir := s.twoAndAWitness(ctx, t, nil)
	leads := func(among ...*pgcluster.Server) *pgcluster.Server { return x.leader(ctx, t, among...) }
	for round := range 2 {
		dead := leads()
		rest := slices.DeleteFunc(slices.Clone(x.cluster.Servers), func(s *pgcluster.Server) bool { return s == dead })
		x.ledger.replicate(ctx, t, connect(ctx, t, dead), fmt.Sprintf("before crash %d", round))
		_, err := dead.Kill9(ctx)
		must(t, err)
		if got := leads(rest...); got != rest[0] {
			t.Fatalf("node %d leads", got.NodeID)
		}
		x.ledger.replicate(ctx, t, connect(ctx, t, rest[0]), fmt.Sprintf("without node %d", dead.NodeID))
		r := status.Ask(ctx, []string{dead.URL(), rest[0].URL(), w.url})
		if r.Status != "critical" || r.Nodes[0].Error == "" || r.Nodes[1].Worst() != "warning" || r.Nodes[2].Worst() != "warning" {
			t.Errorf("with node %d dead, pgraft status says %+v", dead.NodeID, r)
		}
		must(t, dead.Start(ctx))
		leads()
	}
	// It leads for a moment only, when it is told to: who asked may see but the next one lead.
	moved, err := answered(ctx, func() (bool, error) { return sqlapi.TransferLeadership(ctx, connect(ctx, t, leads()), witnessID) })
	if (err != nil || !moved) && (err == nil || !strings.Contains(err.Error(), "leads now, in term")) {
		t.Fatalf("pgraft_transfer_leadership() to the witness = %v, %v", moved, err)
	}
	leader := leads()
	// While it is away the two servers go on, and it comes back with its data.
	w.end(t)
	x.ledger.replicate(ctx, t, connect(ctx, t, leader), "without the witness")
	w = runWitness(ctx, t, dir, clusterID, w.port)
	x.allWell(ctx, t, w)
	for _, server := range x.cluster.Servers {
		x.ledger.check(ctx, t, server)
	}
	answers(ctx, t, w.url+"/health", http.StatusOK, "quorum ok: 3 of 3 voters reachable")
	answers(ctx, t, w.url+"/metrics", http.StatusOK, "pgraft_node_running 1", "pgraft_node_cluster_version 3", "pgraft_node_newest_version 3", "pgraft_node_has_leader 1", "pgraft_node_leader 0",
		`pgraft_peer_connected{node_id="1"} 1`, `pgraft_peer_connected{node_id="2"} 1`, "pgraft_node_disk_free_bytes")
	// Removed, it ends by itself.
	removed, err := answered(ctx, func() (bool, error) { return sqlapi.RemoveNode(ctx, connect(ctx, t, leads()), witnessID) })
	if err != nil || !removed {
		t.Fatalf("pgraft_remove_node() of the witness = %v, %v", removed, err)
	}
	select {
	case err := <-w.ended:
		must(t, err)
		w.ended <- nil
	case <-ctx.Done():
		t.Fatal("a witness that was removed goes on")
	}
}

// allWell waits until all members, the witness among them, say that all is well.
func (s *suite) allWell(ctx context.Context, t *testing.T, w *witnessNode) {
	t.Helper()
	targets := []string{w.url}
	for _, server := range s.cluster.Servers {
		targets = append(targets, server.URL())
	}
	must(t, wait.For(ctx, settleLimit, "pgraft status to name no problem", func(ctx context.Context) error {
		r := status.Ask(ctx, targets)
		for _, n := range r.Nodes {
			if len(n.Members) != len(targets) {
				return fmt.Errorf("%s shows %d members; %v", n.Asked, len(n.Members), r.Problems)
			}
		}
		// the disk of the machine that runs this may be nearly full
		problems := slices.DeleteFunc(r.Problems, func(p string) bool { return strings.Contains(p, "disk_free") || strings.Contains(p, "last_fsync") })
		if len(problems) > 0 {
			return errors.New(strings.Join(problems, "; "))
		}
		return nil
	}))
}

// answers checks what is answered over HTTP.
func answers(ctx context.Context, t *testing.T, url string, code int, words ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	body, err := io.ReadAll(res.Body)
	must(t, errors.Join(err, res.Body.Close()))
	if res.StatusCode != code {
		t.Errorf("%s answers %s:\n%s", url, res.Status, body)
	}
	for _, word := range words {
		if !strings.Contains(string(body), word) {
			t.Errorf("%s does not answer %q:\n%s", url, word, body)
		}
	}
}

// The page of the witness, on two servers.
func runsTheWitnessPage(ctx context.Context, t *testing.T, s *suite) {
	d := s.newDocs(t)
	d.c = s.extraCluster(ctx, t, 2, map[string]string{"pgraft.cluster_id": "orders"})
	must(t, d.c.Start(ctx))
	for _, server := range d.c.Servers {
		initialise(ctx, t, server)
	}
	addNode(ctx, t, connect(ctx, t, s.leader(ctx, t, d.c.Servers[0])), d.c.Servers[1])
	d.walk(ctx, t, "docs/witness.md")
}

// A witness applies nothing, so nothing is kept for its sake: the log is trimmed
// as if it were not there. And pgraft bench does what it says.
func keepsNothingForAWitness(ctx context.Context, t *testing.T, s *suite) {
	x, _, _ := s.twoAndAWitness(ctx, t, map[string]string{"pgraft.snapshot_entries": "100", "pgraft.retain_entries": "100"})
	leader := x.leader(ctx, t)
	o := bench.Options{Targets: []string{x.cluster.Servers[0].URL(), x.cluster.Servers[1].URL()}, Clients: 8, Size: 100, Duration: 2 * time.Second}
	r, err := bench.Run(ctx, o)
	must(t, err)
	l := r.Latency
	if r.Entries < o.Clients || len(r.Failed) > 0 || l.Min <= 0 || l.P50 < l.Min || l.P99 < l.P50 || l.Max < l.P999 || r.Clients != o.Clients {
		t.Errorf("pgraft bench says %+v", r)
	}
	for _, server := range x.cluster.Servers {
		conn := connect(ctx, t, server)
		exec(ctx, t, conn, "CREATE TABLE seen (index bigint PRIMARY KEY)")
		exec(ctx, t, conn, "CREATE FUNCTION take(index bigint, term bigint, data text) RETURNS void LANGUAGE sql AS 'INSERT INTO seen VALUES (index)'")
		exec(ctx, t, conn, "SELECT pgraft_set_apply_function('take(bigint,bigint,text)')")
	}
	if _, err := bench.Run(ctx, o); err == nil || !strings.Contains(err.Error(), "the apply function public.take(") {
		t.Errorf("pgraft bench where an apply function is registered: %v", err)
	}
	o.Force = true
	if _, err := bench.Run(ctx, o); err != nil {
		t.Errorf("pgraft bench --force: %v", err)
	}
	var last int64
	must(t, connect(ctx, t, leader).QueryRow(ctx, "SELECT last_index FROM pgraft_stat_node").Scan(&last))
	for _, server := range x.cluster.Servers {
		conn := connect(ctx, t, server)
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to trim its log", server.NodeID), func(ctx context.Context) error {
			must(t, sqlapi.Replicate(ctx, conn, "to trim by"))
			var first int64
			err := conn.QueryRow(ctx, "SELECT first_index FROM pgraft_stat_node").Scan(&first)
			if err == nil && first < last-300 {
				err = fmt.Errorf("it begins at %d, and went to %d before", first, last)
			}
			return err
		}))
	}
}
