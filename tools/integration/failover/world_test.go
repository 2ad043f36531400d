//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/commits"
	"github.com/pgraft/pgraft/tools/internal/netns"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// setupLimit is how long a cluster may take to be made.
const setupLimit = 5 * time.Minute

// caseLimit is how long one case may take from then on, before its waits give up: without a part
// of the fence it mostly waits for what does not come.
var caseLimit = func() time.Duration {
	if os.Getenv(partEnv) != "" {
		return 20 * time.Second
	}
	return 3 * time.Minute
}()

// patience is how long a session waits for its commit, and so for a server that is cut off, or
// stands still.
const patience = 5 * time.Second

// partEnv says that a part of the fence is away: TestParts sets it.
const partEnv = "PGRAFT_FAILOVER_PART"

func TestMain(m *testing.M) {
	pgcluster.DestroyOnSignal(netns.CloseAll)
	os.Exit(m.Run())
}

// world is a cluster of servers, of which node 1 is primary at first.
type world struct {
	t       testing.TB
	servers int
	ctx     context.Context
	cluster *pgcluster.Cluster
	ledger  *commits.Ledger
	stop    func()         // ends the ledger's sessions
	net     *netns.Network // nil: the servers are on the loopback interface
	began   time.Time
}

// newWorld makes a cluster that fails over, for the whole of a test.
func newWorld(t *testing.T, settings map[string]string) *world {
	t.Helper()
	return newWorldOf(t, 3, settings)
}

// newWorldOf is newWorld, with so many servers.
func newWorldOf(t *testing.T, servers int, settings map[string]string) *world {
	t.Helper()
	t.Parallel() // the servers mostly wait
	return foundWorld(t, servers, nil, settings)
}

// newWorldIn is newWorld, with the servers in namespaces of a network unless it is nil.
func newWorldIn(t *testing.T, network *netns.Network, settings map[string]string) *world {
	t.Helper()
	return foundWorld(t, 3, network, settings)
}

func foundWorld(t *testing.T, servers int, network *netns.Network, settings map[string]string) *world {
	t.Helper()
	w := makeWorld(t, network, settings)
	w.servers = servers
	t.Cleanup(w.ends)
	w.found()
	w.until(w.cluster.Servers[0], "SELECT pgraft_get_primary()", "1")
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	t.Cleanup(cancel)
	w.ctx = ctx
	return w
}

// makeWorld makes the first server of one.
func makeWorld(t testing.TB, network *netns.Network, settings map[string]string) *world {
	t.Helper()
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config of a PostgreSQL with the extension; run make test-failover")
	}
	install, err := pgcluster.Find(pgConfig)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), setupLimit)
	t.Cleanup(cancel)
	all := map[string]string{"pgraft.failover": "on", "pgraft.log_level": "debug"}
	maps.Copy(all, settings)
	config := pgcluster.Config{Install: install, Nodes: 1, Settings: all}
	if network != nil {
		config.Place = func(node int) (pgcluster.Place, error) { return place(network, node) }
	}
	c, err := pgcluster.New(ctx, config)
	must(t, err)
	return &world{t: t, servers: 3, ctx: ctx, cluster: c, net: network, began: time.Now()}
}

// ends removes the cluster.
func (w *world) ends() {
	if w.stop != nil {
		w.stop()
	}
	if w.t.Failed() {
		for _, s := range w.cluster.Servers {
			w.t.Logf("node %d:\n%s", s.NodeID, s.LogTail(150))
		}
	}
	must(w.t, w.cluster.Destroy())
}

// found makes the cluster, and enables failover.
func (w *world) found() {
	w.t.Helper()
	a := w.cluster.Servers[0]
	must(w.t, a.Start(w.ctx))
	w.do(a, "CREATE EXTENSION pgraft")
	conn := w.conn(a)
	_, err := sqlapi.Init(w.ctx, conn)
	must(w.t, err)
	must(w.t, commits.Create(w.ctx, conn))
	w.do(a, "CREATE TABLE rows (v text)")
	for id := 2; id <= w.servers; id++ {
		s, err := w.cluster.AddBackup(w.ctx, a, nil)
		must(w.t, err)
		must(w.t, s.Start(w.ctx))
		w.do(s, "SELECT pgraft_init(false)")
		_, err = sqlapi.AddNode(w.ctx, conn, id, s.Address(), s.RaftPort)
		must(w.t, err)
	}
	w.until(a, "SELECT count(*) FROM pgraft_get_nodes()", fmt.Sprint(w.servers))
	must(w.t, conn.Close(w.ctx))
	w.ages(a, w.servers-1)
	w.until(a, "SELECT pgraft_enable_failover()", "t")
}

// ages has a server write a few segments of WAL, and let go of those before: WAL from a standby's last
// restartpoint on is gone then. Those that stream have all of it, and slots of others keep none.
func (w *world) ages(s *pgcluster.Server, standbys int) {
	w.t.Helper()
	first := w.do(s, "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")
	for range 4 {
		w.do(s, "SELECT pg_logical_emit_message(false, 'pgraft', 'x')")
		w.do(s, "SELECT pg_switch_wal()")
		w.until(s, "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= pg_current_wal_flush_lsn()", fmt.Sprint(standbys))
		w.do(s, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active AND slot_name LIKE 'pgraft\\_%'")
		w.do(s, "CHECKPOINT")
	}
	if now := w.do(s, "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"); now == first {
		w.t.Fatalf("node %d keeps segment %s", s.NodeID, now)
	}
}

// module compiles a file of testdata, and returns SQL that makes its function.
func (w *world) module(name, function string) string {
	w.t.Helper()
	library := filepath.Join(w.cluster.Dir, name+".so")
	must(w.t, w.cluster.Servers[0].Install.Compile("../../../pgext", library, "testdata/"+name+".c"))
	symbol, _, _ := strings.Cut(function, "(")
	return fmt.Sprintf("CREATE FUNCTION %s LANGUAGE C AS '%s', '%s'", function, library, symbol)
}

// writes has sessions commit on whichever server takes writes, until the case ends, and others
// beside some servers, whatever these are.
func (w *world) writes(sessions int, beside ...*pgcluster.Server) {
	var hosts []string
	for _, s := range w.cluster.Servers {
		hosts = append(hosts, s.Host())
	}
	w.ledger = commits.New(patience, hosts...)
	stops := []func(){w.ledger.Start(w.ctx, sessions)}
	for _, s := range beside {
		stops = append(stops, w.ledger.StartOn(w.ctx, sessions, s.SocketURL()))
	}
	w.stop = func() {
		for _, stop := range stops {
			stop()
		}
	}
	w.t.Cleanup(w.stop)
}

// acknowledged waits until another n commits were acknowledged by one of these servers.
func (w *world) acknowledged(n int, by ...*pgcluster.Server) *pgcluster.Server {
	w.t.Helper()
	_, was := w.ledger.Last()
	var at *pgcluster.Server
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("%d commits more than %d to be acknowledged", n, was), func(context.Context) error {
		last, now := w.ledger.Last()
		for _, s := range by {
			if (last.Server == s.Host() || last.Server == socket(s)) && now >= was+n {
				at = s
				return nil
			}
		}
		return fmt.Errorf("there are %d, the last by %q; errors: %v", now, last.Server, w.ledger.Errors())
	}))
	return at
}

// checks compares what a server has with what was acknowledged.
func (w *world) checks(s *pgcluster.Server) {
	w.t.Helper()
	w.stop()
	conn := w.conn(s)
	found, err := w.ledger.Check(w.ctx, conn)
	must(w.t, errors.Join(err, conn.Close(w.ctx)))
	w.t.Logf("node %d: %+v", s.NodeID, found)
	if err := found.Err(); err != nil {
		w.t.Errorf("node %d: %v", s.NodeID, err)
	}
}

// conn connects beside the server, whatever becomes of its network.
func (w *world) conn(s *pgcluster.Server) *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(w.ctx, s.SocketURL())
	must(w.t, err)
	return conn
}

// ask runs SQL over a connection of its own, and returns the one value.
func (w *world) ask(s *pgcluster.Server, sql string) (string, error) {
	conn, err := pgx.Connect(w.ctx, s.SocketURL())
	if err != nil {
		return "", err
	}
	defer conn.Close(w.ctx)
	results, err := conn.PgConn().Exec(w.ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	if n := len(results); n > 0 && len(results[n-1].Rows) > 0 {
		return string(results[n-1].Rows[0][0]), nil
	}
	return "", nil
}

func (w *world) do(s *pgcluster.Server, sql string) string {
	w.t.Helper()
	got, err := w.ask(s, sql)
	if err != nil {
		w.t.Fatalf("node %d: %s: %v", s.NodeID, sql, err)
	}
	return got
}

// until waits until SQL returns what is wanted; errors count as not yet.
func (w *world) until(s *pgcluster.Server, sql, want string) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("node %d: %s = %s", s.NodeID, sql, want), func(context.Context) error {
		got, err := w.ask(s, sql)
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) && strings.HasPrefix(pgErr.Code, "42") { // there is no such thing
			err = fmt.Errorf("%w: %w", err, wait.ErrHopeless)
		}
		if err == nil && got != want {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	}))
}

// standsBack waits until a former primary follows, or refuses to show its data, with a HINT.
func (w *world) standsBack(s *pgcluster.Server, hint string) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("node %d to follow, or to refuse", s.NodeID), func(context.Context) error {
		got, err := w.ask(s, "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE current_setting('transaction_read_only') END")
		var pgErr *pgconn.PgError
		switch {
		case err == nil && got == "standby":
			return nil
		case err == nil && got == "on":
			return errors.New("it has not heard yet that it is no primary any more")
		case err == nil:
			return fmt.Errorf("it takes writes: %w", wait.ErrHopeless)
		case errors.As(err, &pgErr) && pgErr.Code == "57P03" && pgErr.Hint == hint:
			return nil
		}
		return err
	}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
