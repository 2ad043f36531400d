//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/replay"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	// incidentsEnv says how many incidents TestIncidents makes, incidentSeedEnv
	// which ones.
	incidentsEnv    = "PGRAFT_INCIDENTS"
	incidentSeedEnv = "PGRAFT_INCIDENT_SEED"
	// fewIncidents are enough to see each kind once.
	fewIncidents  = 6
	incidentLimit = 60 * time.Second
	// entriesAfter is how many entries the cluster has to take after a fault.
	entriesAfter = 30
)

// outage is how long a node is paused or cut off: longer than an election.
const outage = 1500 * time.Millisecond

// incidents is a cluster under load to which things happen.
type incidents struct {
	*suite
	t       *testing.T
	servers []*pgcluster.Server
	proxies []*proxy // nil for node 1, whose own address its cluster knows
	r       *rand.Rand
}

type incident struct {
	name string
	do   func(*incidents, context.Context) string // says whom it hit
}

var incidentKinds = []incident{
	{"the leader's engine worker is killed", func(x *incidents, ctx context.Context) string { return x.killEngine(ctx, x.leading(ctx)) }},
	{"the leader's engine worker is paused", func(x *incidents, ctx context.Context) string { return x.pause(ctx, x.leading(ctx)) }},
	{"a server is killed", (*incidents).killServer},
	{"connections are cut", (*incidents).cut},
	{"a worker is killed while another is paused", (*incidents).killWhilePaused},
	{"the recorder's settings change", (*incidents).changeSettings},
	{"a follower's engine worker is killed twice", (*incidents).killTwice},
}

func (x *incidents) leading(ctx context.Context) *pgcluster.Server {
	return x.leader(ctx, x.t, x.servers...)
}

func (x *incidents) any() *pgcluster.Server { return x.servers[x.r.IntN(len(x.servers))] }

func (x *incidents) other(not *pgcluster.Server) *pgcluster.Server {
	others := slices.DeleteFunc(slices.Clone(x.servers), func(s *pgcluster.Server) bool { return s == not })
	return others[x.r.IntN(len(others))]
}

func (x *incidents) killEngine(ctx context.Context, s *pgcluster.Server) string {
	before, err := s.EngineWorker()
	must(x.t, err)
	must(x.t, s.KillEngine())
	_, err = s.WaitEngineWorker(ctx, before)
	must(x.t, err)
	return fmt.Sprintf("node %d", s.NodeID)
}

func (x *incidents) pause(ctx context.Context, s *pgcluster.Server) string {
	must(x.t, s.PauseEngine())
	x.outage(ctx)
	must(x.t, s.ResumeEngine())
	return fmt.Sprintf("node %d", s.NodeID)
}

// outage lets the fault last: what is waited for is time itself.
func (x *incidents) outage(ctx context.Context) {
	select {
	case <-time.After(outage):
	case <-ctx.Done():
	}
}

func (x *incidents) killServer(ctx context.Context) string {
	s := x.any()
	_, err := s.Kill9(ctx)
	must(x.t, err)
	x.outage(ctx)
	must(x.t, s.Start(ctx))
	return fmt.Sprintf("node %d", s.NodeID)
}

func (x *incidents) cut(ctx context.Context) string {
	i := 1 + x.r.IntN(len(x.proxies)-1)
	x.proxies[i].cut()
	x.outage(ctx)
	x.proxies[i].heal()
	return fmt.Sprintf("to node %d", x.servers[i].NodeID)
}

func (x *incidents) killWhilePaused(ctx context.Context) string {
	paused := x.any()
	must(x.t, paused.PauseEngine())
	who := x.killEngine(ctx, x.other(paused))
	x.outage(ctx)
	must(x.t, paused.ResumeEngine())
	return fmt.Sprintf("%s, node %d", who, paused.NodeID)
}

func (x *incidents) changeSettings(ctx context.Context) string {
	s := x.any()
	conn := connect(ctx, x.t, s)
	for _, set := range []string{"trace_redact = on", "trace = off", "trace = ring", "trace_redact = off"} {
		if _, err := conn.Exec(ctx, "ALTER SYSTEM SET pgraft."+set); err != nil {
			x.t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
			x.t.Fatal(err)
		}
		x.ledger.waitFor(ctx, x.t, entriesAfter)
	}
	return fmt.Sprintf("node %d", s.NodeID)
}

func (x *incidents) killTwice(ctx context.Context) string {
	s := x.other(x.leading(ctx))
	x.killEngine(ctx, s)
	return x.killEngine(ctx, s)
}

// What is recorded on real servers through crashes, pauses and cut connections
// replays to the byte, and holds no violation of Raft's promises.
func TestIncidents(t *testing.T) {
	count, seed := fewIncidents, uint64(1)
	var err error
	if v := os.Getenv(incidentsEnv); v != "" {
		if count, err = strconv.Atoi(v); err != nil {
			t.Fatalf("%s: %v", incidentsEnv, err)
		}
	}
	if v := os.Getenv(incidentSeedEnv); v != "" {
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatalf("%s: %v", incidentSeedEnv, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(count+1)*incidentLimit)
	t.Cleanup(cancel)
	x := &incidents{suite: newSuite(t), t: t, r: rand.New(rand.NewPCG(seed, 1))}
	x.form(ctx)
	ld := startLoad(ctx, "incident", x.ledger, x.servers)
	total := 0
	for i := range count {
		kind := incidentKinds[i%len(incidentKinds)]
		x.ledger.waitFor(ctx, t, entriesAfter)
		whom := kind.do(x, ctx)
		x.ledger.waitFor(ctx, t, entriesAfter)
		n := x.replay(ctx, i)
		t.Logf("incident %d of %d: %s (%s): identical, %d inputs", i+1, count, kind.name, whom, n)
		total += n
	}
	ld.cancel()
	ld.done.Wait()
	t.Logf("%d incidents, %d inputs replayed to the byte; %d entries acknowledged", count, total, x.ledger.count())
	if t.Failed() {
		t.Logf("to run it again:\n\t%s=%d %s=%d %s", incidentsEnv, count, incidentSeedEnv, seed, command(x.install.PGConfig, t.Name(), false))
	}
}

// form makes three servers, two of them behind proxies.
func (x *incidents) form(ctx context.Context) {
	t := x.t
	c := x.extraCluster(ctx, t, nodes, map[string]string{"pgraft.trace_size": "32MB"})
	x.ledger, x.servers = newLedger(), c.Servers
	must(t, c.Start(ctx))
	for _, s := range c.Servers {
		initialise(ctx, t, s)
	}
	conn := connect(ctx, t, x.leading(ctx))
	for i, s := range c.Servers {
		if i == 0 {
			x.proxies = append(x.proxies, nil)
			continue
		}
		p := newProxy(t, s.RaftPort)
		x.proxies = append(x.proxies, p)
		added, err := sqlapi.AddNode(ctx, conn, s.NodeID, "127.0.0.1", p.port())
		if err != nil || !added {
			t.Fatalf("pgraft_add_node(%d) = %v, %v", s.NodeID, added, err)
		}
	}
}

// replay saves every node's trace, replays all of them, and removes them.
func (x *incidents) replay(ctx context.Context, incident int) (inputs int) {
	t := x.t
	t.Helper()
	var dirs []string
	for _, s := range x.servers {
		dir := filepath.Join(filepath.Dir(s.DataDir), fmt.Sprintf("saved-%d", incident))
		var size int64
		must(t, wait.For(ctx, settleLimit, "the trace to be saved", func(ctx context.Context) error {
			conn, err := s.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			return conn.QueryRow(ctx, "SELECT pgraft_trace_save($1)", dir).Scan(&size)
		}))
		if size == 0 {
			t.Errorf("node %d saved nothing", s.NodeID)
		}
		dirs = append(dirs, dir)
	}
	inc, err := replay.Open(dirs...)
	must(t, err)
	if len(inc.Nodes) != len(x.servers) {
		t.Errorf("%d nodes in the traces of %d", len(inc.Nodes), len(x.servers))
	}
	verdicts, _, violations, err := inc.Verify()
	must(t, err)
	for _, v := range verdicts {
		if !v.Identical || v.Damaged || v.Inputs == 0 {
			t.Errorf("incident %d: %v", incident+1, v)
		}
		inputs += v.Inputs
	}
	for _, v := range violations {
		t.Errorf("incident %d: %v", incident+1, v)
	}
	if t.Failed() {
		t.Fatalf("the traces are kept in %v", keepTraces(t, dirs))
	}
	for _, dir := range dirs {
		must(t, os.RemoveAll(dir))
	}
	return inputs
}

// keepTraces copies traces out of a cluster that is about to be removed.
func keepTraces(t *testing.T, dirs []string) (kept []string) {
	t.Helper()
	top, err := os.MkdirTemp("", "pgraft-incident-")
	must(t, err)
	for i, dir := range dirs {
		to := filepath.Join(top, fmt.Sprintf("node%d", i+1))
		must(t, os.CopyFS(to, os.DirFS(dir)))
		kept = append(kept, to)
	}
	return kept
}
