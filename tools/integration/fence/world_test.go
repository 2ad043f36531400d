//go:build integration

package fence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// caseLimit is how long one case may take before its waits give up: without a part of
// the fence it mostly waits for what does not come.
var caseLimit = func() time.Duration {
	if otherLibrary() != "" {
		return 15 * time.Second
	}
	return 60 * time.Second
}()

// otherLibrary is another shim than the installed one: TestParts sets it.
func otherLibrary() string { return os.Getenv("PGRAFT_FENCE_LIBRARY") }

const (
	setupLimit = 60 * time.Second
	// The standbys: node and incarnation of each, as their token and their slot name them.
	tokenB, slotB = "pgraft-1-1-1z141z6-7", "pgraft_2_1"
	tokenC, slotC = "pgraft-1-1-1z141z7-7", "pgraft_3_1"
)

// bothNames are synchronous_standby_names: one of the two standbys.
const bothNames = `ANY 1 ("` + tokenB + `", "` + tokenC + `")`

// world is a primary with two standbys, and what is published on the primary.
type world struct {
	t       *testing.T
	ctx     context.Context
	cluster *pgcluster.Cluster
	primary *pgcluster.Server
	b, c    *pgcluster.Server
	watch   *session // looks on
	frozen  []int
}

// open is what an open primary publishes whose commits need one of two standbys.
const open = "publish epoch=1 boot=1 failover=1 joined=1 quarantined=0 founding=0 primary=1 open=1 reads=1 lease_counts=1 " +
	"switchover=0 limited=0 limit=0 pending=0 w=1 next_w=0 primary_node=0 primary_address= lease=3600000 counted=" + tokenB + ":1," + tokenC + ":1"

// newWorld makes the servers.
func newWorld(t *testing.T, install pgcluster.Install) *world {
	ctx, cancel := context.WithTimeout(t.Context(), setupLimit)
	defer cancel()
	library := "pgraft"
	if other := otherLibrary(); other != "" {
		library = other
	}
	c := newCluster(ctx, t, pgcluster.Config{Install: install, Nodes: 1, Settings: map[string]string{
		"pgraft.node_id": pgcluster.Off, "max_prepared_transactions": "10", "wal_level": "logical", "wal_sender_timeout": "5s",
		"autovacuum": "off", "wal_retrieve_retry_interval": "100ms", "pgraft.failover": "on", "pgraft.fence_wait": "30s"}})
	publisher := filepath.Join(c.Dir, "publisher")
	must(t, install.Compile("../../../pgext", publisher+".so", "-DLIBRARY=\""+publisher+"\"", "testdata/publisher.c"))
	w := &world{t: t, ctx: ctx, cluster: c, primary: c.Servers[0]}
	must(t, w.primary.Set(map[string]string{"shared_preload_libraries": library + "," + publisher}))
	standby := func(token, slot string) *pgcluster.Server {
		s, err := c.AddStandby(ctx, w.primary, map[string]string{"shared_preload_libraries": library, "pgraft.failover": "off", "primary_slot_name": slot,
			"primary_conninfo": fmt.Sprintf("host=127.0.0.1 port=%d user=postgres application_name=%s", w.primary.Port, token)})
		must(t, err)
		return s
	}
	must(t, w.primary.Start(ctx))
	must(t, w.primary.Stop(ctx)) // it has a checkpoint, and its standbys the same
	w.b, w.c = standby(tokenB, slotB), standby(tokenC, slotC)
	must(t, w.primary.Start(ctx))
	w.watch = w.session()
	w.watch.run("CREATE TABLE rows (v text); SELECT pg_create_physical_replication_slot('" + slotB + "'), pg_create_physical_replication_slot('" + slotC + "')")
	w.tell(open)
	must(t, w.b.Start(ctx))
	must(t, w.c.Start(ctx))
	w.names(bothNames)
	w.connected(2)
	return w
}

// run runs a case on the servers as they are, and makes them whole again.
func (w *world) run(name string, run func(*world)) bool {
	return w.t.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
		t.Cleanup(cancel)
		one := *w
		one.t, one.ctx = t, ctx
		one.watch = one.session()
		t.Cleanup(func() {
			one.ctx = context.WithoutCancel(ctx)
			one.thaw()
			one.tell(open)
		})
		one.connected(2)
		run(&one)
	})
}

// tell sends the publisher a line, and returns its answer.
func (w *world) tell(line string) string {
	w.t.Helper()
	var answer string
	must(w.t, wait.Until(w.ctx, "the publisher", func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(w.primary.DataDir, "publisher.sock"))
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, line+"\n"); err != nil {
			return err
		}
		text, err := io.ReadAll(conn)
		answer = string(text)
		return err
	}))
	if !strings.HasPrefix(line, "look") && answer != "done" {
		w.t.Fatalf("%q: the publisher says %q", line, answer)
	}
	return answer
}

// logs waits until the primary's log has a text.
func (w *world) logs(text string) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, "the log to say "+text, func(context.Context) error {
		log, err := os.ReadFile(w.primary.LogPath)
		if err == nil && !strings.Contains(string(log), text) {
			err = errors.New("it does not")
		}
		return err
	}))
}

// underWay waits until so many commits are under way.
func (w *world) underWay(n int) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("%d commits to be under way", n), func(context.Context) error {
		if got := w.tell("look"); !strings.HasPrefix(got, strconv.Itoa(n)+" commits") {
			return errors.New(got)
		}
		return nil
	}))
}

// connected waits until so many standbys are counted.
func (w *world) connected(n int) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("%d standbys", n), func(context.Context) error {
		if got := w.tell("look"); strings.Count(got, ",") != n {
			return errors.New(got)
		}
		return nil
	}))
}

// names sets synchronous_standby_names, and waits until they are in force: empty ones in a session,
// others in the checkpointer and the walsenders.
func (w *world) names(names string) {
	w.t.Helper()
	must(w.t, w.primary.Set(map[string]string{"synchronous_standby_names": names}))
	w.watch.run("SELECT pg_reload_conf()")
	w.watch.until("SHOW synchronous_standby_names", names)
	if names != "" {
		w.watch.until("SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'quorum'", "t")
	}
}

// freeze stops the walreceivers of standbys: what they have flushed stays as it is. thaw
// lets them go on.
func (w *world) freeze(standbys ...*pgcluster.Server) {
	w.t.Helper()
	for _, s := range standbys {
		pid := w.process(s, "walreceiver")
		must(w.t, syscall.Kill(pid, syscall.SIGSTOP))
		w.frozen = append(w.frozen, pid)
	}
}

func (w *world) thaw() {
	w.t.Helper()
	for _, pid := range w.frozen {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Fatal(err)
		}
	}
	w.frozen = nil
}

// process is the pid of a server's process of this kind, by its title.
func (w *world) process(s *pgcluster.Server, kind string) (pid int) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, "the "+kind, func(context.Context) error {
		pids, err := s.Processes()
		if err != nil {
			return err
		}
		for _, pid = range pids {
			if title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(title), kind) {
				return nil
			}
		}
		return errors.New("there is none")
	}))
	return pid
}

// session is a connection to a server.
type session struct {
	w    *world
	conn *pgx.Conn
	said []*pgconn.Notice
}

func (w *world) session() *session {
	w.t.Helper()
	s, err := w.dial(w.primary.URL())
	must(w.t, err)
	return s
}

func (w *world) dial(url string) (*session, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	s := &session{w: w}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { s.said = append(s.said, n) }
	if s.conn, err = pgx.ConnectConfig(w.ctx, config); err != nil {
		return nil, err
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.conn.Close(ctx) // the server may have ended it
	})
	return s, nil
}

// try runs SQL in the simple protocol, and returns the first column of the last row.
func (s *session) try(sql string) (string, error) {
	results, err := s.conn.PgConn().Exec(s.w.ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	for i := len(results) - 1; i >= 0; i-- {
		if n := len(results[i].Rows); n > 0 {
			return string(results[i].Rows[n-1][0]), nil
		}
	}
	return "", nil
}

func (s *session) run(sql string) string {
	s.w.t.Helper()
	got, err := s.try(sql)
	if err != nil {
		s.w.t.Fatalf("%s: %v", sql, err)
	}
	return got
}

func (s *session) want(sql, want string) {
	s.w.t.Helper()
	if got := s.run(sql); got != want {
		s.w.t.Fatalf("%s: %q, want %q", sql, got, want)
	}
}

func (s *session) until(sql, want string) {
	s.w.t.Helper()
	must(s.w.t, wait.Until(s.w.ctx, sql+" = "+want, func(context.Context) error {
		got, err := s.try(sql)
		if err == nil && got != want {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	}))
}

// refused runs SQL that has to fail so.
func (s *session) refused(sql, state string) *pgconn.PgError {
	s.w.t.Helper()
	_, err := s.try(sql)
	return s.w.failed(sql, err, state)
}

func (w *world) failed(what string, err error, state string) *pgconn.PgError {
	w.t.Helper()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != state {
		w.t.Fatalf("%s: %v, want SQLSTATE %s", what, err, state)
	}
	return pgErr
}

// pending is a statement that is under way.
type pending struct {
	s    *session
	sql  string
	done chan error
}

// start begins a statement, and returns at once.
func (s *session) start(sql string) *pending {
	return s.startWith(sql, func() error { _, err := s.try(sql); return err })
}

func (s *session) startWith(what string, run func() error) *pending {
	p := &pending{s: s, sql: what, done: make(chan error, 1)}
	go func() { p.done <- run() }()
	return p
}

// waits waits until the statement waits for standbys, as PostgreSQL has it, or in the fence.
func (p *pending) waits(event string) *pending {
	p.s.w.t.Helper()
	sql := fmt.Sprintf("SELECT coalesce(wait_event, '') FROM pg_stat_activity WHERE pid = %d", p.s.conn.PgConn().PID())
	must(p.s.w.t, wait.Until(p.s.w.ctx, p.sql+" to wait in "+event, func(context.Context) error {
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("it has ended: %w: %w", err, wait.ErrHopeless)
		default:
		}
		got, err := p.s.w.watch.try(sql)
		if err == nil && got != event && (got != "Extension" || !strings.HasPrefix(event, "Pgraft")) {
			err = fmt.Errorf("it is in %q", got)
		}
		return err
	}))
	return p
}

const (
	inBegin = "PgraftFenceBegin"
	inHold  = "PgraftFenceReplication"
	inAck   = "PgraftFenceAcknowledge"
	inSync  = "SyncRep"
)

// end waits for what came of it.
func (p *pending) end() error {
	p.s.w.t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-p.s.w.ctx.Done():
		p.s.w.t.Fatalf("%s does not end", p.sql)
		return nil
	}
}

func (p *pending) succeeds() {
	p.s.w.t.Helper()
	if err := p.end(); err != nil {
		p.s.w.t.Fatalf("%s: %v", p.sql, err)
	}
}

func (p *pending) refused(state string) *pgconn.PgError {
	p.s.w.t.Helper()
	return p.s.w.failed(p.sql, p.end(), state)
}

// sees says how often other sessions see a row.
func (w *world) sees(v string, want int) {
	w.t.Helper()
	w.watch.want("SELECT count(*) FROM rows WHERE v = '"+v+"'", strconv.Itoa(want))
}

func insert(v string) string { return "INSERT INTO rows VALUES ('" + v + "')" }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
