//go:build integration

package facts

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// world is what one fact is shown with: a primary and its standbys.
type world struct {
	t       *testing.T
	ctx     context.Context
	pg      *postgres
	cluster *pgcluster.Cluster
	a       *server // the primary
}

// server is one of the world's servers, and a connection that is there when asked for.
// It is for one goroutine at a time, but for background.
type server struct {
	*pgcluster.Server
	w    *world
	name string // its application_name as a standby
	conn *pgx.Conn
	cold []int // the pids of processes that freeze has stopped
}

// world makes a primary, which does not run yet.
func (pg *postgres) world(t *testing.T) *world {
	ctx, cancel := context.WithTimeout(t.Context(), factLimit)
	t.Cleanup(cancel)
	c := newCluster(t, pgcluster.Config{Install: pg.install, Nodes: 1, Plain: true, Settings: settings, CopyOf: pg.template})
	w := &world{t: t, ctx: ctx, pg: pg, cluster: c}
	w.a = &server{Server: c.Servers[0], w: w, name: "A"}
	return w
}

// standby makes a standby of the primary, which must not have run yet. It does not run yet.
func (w *world) standby(name string, settings map[string]string) *server {
	w.t.Helper()
	s, err := w.cluster.AddStandby(w.ctx, w.a.Server, settings)
	must(w.t, err)
	x := &server{Server: s, w: w, name: name}
	x.set("primary_conninfo", x.conninfo(w.a.Port))
	return x
}

// start starts servers, all at once, and stops their background writers: these write a
// record of their own every 15 s.
func (w *world) start(servers ...*server) {
	w.t.Helper()
	var group errgroup.Group
	for _, s := range servers {
		s.conn = nil
		group.Go(func() error { return s.Start(w.ctx) })
	}
	must(w.t, group.Wait())
	for _, s := range servers {
		s.freeze("background writer")
	}
}

func (s *server) conninfo(port int) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres application_name=%s", port, s.name)
}

// set changes a setting of postgresql.conf, for the next start or reload.
func (s *server) set(name, value string) {
	s.w.t.Helper()
	must(s.w.t, s.Set(map[string]string{name: value}))
}

// stop is a fast shutdown, and die an immediate one.
func (s *server) stop() {
	s.w.t.Helper()
	s.thaw()
	must(s.w.t, s.Stop(s.w.ctx))
}

func (s *server) die() {
	s.w.t.Helper()
	s.cold = nil
	must(s.w.t, s.StopImmediate(s.w.ctx))
}

// try runs SQL as one message and returns the rows of its last statement: columns
// joined by |, rows by a space.
func (s *server) try(ctx context.Context, sql string) (string, error) {
	if s.conn == nil || s.conn.IsClosed() {
		conn, err := s.Conn(ctx)
		if err != nil {
			return "", err
		}
		s.conn = conn
		s.w.t.Cleanup(func() { closeConn(conn) })
	}
	return rows(ctx, s.conn, sql)
}

func rows(ctx context.Context, conn *pgx.Conn, sql string) (string, error) {
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return "", err
	}
	var all []string
	for _, row := range results[len(results)-1].Rows {
		var columns []string
		for _, value := range row {
			columns = append(columns, string(value))
		}
		all = append(all, strings.Join(columns, "|"))
	}
	return strings.Join(all, " "), nil
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn.Close(ctx) // its server may be gone by now, and that is fine
}

// sql runs SQL that has to succeed.
func (s *server) sql(sql string) string {
	s.w.t.Helper()
	got, err := s.try(s.w.ctx, sql)
	if err != nil {
		s.w.t.Fatalf("%s: %s: %v", s.name, sql, err)
	}
	return got
}

// want runs SQL and compares what it returns.
func (s *server) want(sql, want string) {
	s.w.t.Helper()
	if got := s.sql(sql); got != want {
		s.w.t.Fatalf("%s: %s: %q, want %q", s.name, sql, got, want)
	}
}

// until waits until SQL returns what is wanted; errors count as not yet.
func (s *server) until(sql, want string) {
	s.w.t.Helper()
	must(s.w.t, wait.Until(s.w.ctx, s.name+": "+sql+" = "+want, func(ctx context.Context) error {
		got, err := s.try(ctx, sql)
		if err == nil && got != want {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	}))
}

func (s *server) lsn(function string) lsn {
	s.w.t.Helper()
	l, err := parseLSN(s.sql("SELECT " + function + "()"))
	must(s.w.t, err)
	return l
}

// flushed and inserted are the ends of a primary's WAL; replayed is a standby's.
func (s *server) flushed() lsn  { s.w.t.Helper(); return s.lsn("pg_current_wal_flush_lsn") }
func (s *server) inserted() lsn { s.w.t.Helper(); return s.lsn("pg_current_wal_insert_lsn") }
func (s *server) replayed() lsn { s.w.t.Helper(); return s.lsn("pg_last_wal_replay_lsn") }
func (s *server) received() lsn { s.w.t.Helper(); return s.lsn("pg_last_wal_receive_lsn") }

// catchUp waits until the standby has replayed all that the primary has flushed by now.
func (s *server) catchUp(primary *server) {
	s.w.t.Helper()
	s.until(fmt.Sprintf("SELECT pg_last_wal_replay_lsn() >= '%s'", primary.flushed()), "t")
}

// idle is SQL for what the startup process waits for: RecoveryRetrieveRetryInterval once
// it has read all WAL that is there, and has no walreceiver.
const idle = "SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'"

// reload has the server read its settings, and waits until a session sees the value: its
// other processes have been told to by then, unless they are stopped.
func (s *server) reload(name, value string) {
	s.w.t.Helper()
	s.set(name, value)
	s.sql("SELECT pg_reload_conf()")
	s.until("SHOW "+name, value)
}

// seal takes the standby's only source of WAL away, and waits until it has replayed
// what it has.
func (s *server) seal() {
	s.w.t.Helper()
	s.reload("primary_conninfo", "")
	s.until("SELECT count(*) FROM pg_stat_wal_receiver", "0")
	s.until(idle, "RecoveryRetrieveRetryInterval")
}

// follow makes the standby, which runs, one of another primary.
func (s *server) follow(primary *server) {
	s.w.t.Helper()
	s.reload("primary_conninfo", s.conninfo(primary.Port))
}

// bootAs starts the server as a standby of primary, or of nobody if that is nil.
func (s *server) bootAs(primary *server) {
	s.w.t.Helper()
	conninfo := ""
	if primary != nil {
		conninfo = s.conninfo(primary.Port)
	}
	s.set("primary_conninfo", conninfo)
	s.put("standby.signal", nil)
	s.w.start(s)
}

// promote waits until the server is a primary, and says where its timeline begins. It
// also waits until the postmaster has seen the startup process end: that lets it forget a
// crash of a moment before.
func (s *server) promote() lsn {
	s.w.t.Helper()
	startup := s.process("startup")
	s.want("SELECT pg_promote()", "t")
	s.w.waitReaped(startup)
	return s.switched(s.timeline())
}

// timeline is the one that a primary writes on.
func (s *server) timeline() int {
	s.w.t.Helper()
	return int(fileTimeline(s.w.t, s.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")))
}

// switched is where a timeline left its parent, by the last line of its history file.
func (s *server) switched(timeline int) lsn {
	s.w.t.Helper()
	lines := strings.Split(strings.TrimSpace(string(s.get(historyFile(timeline)))), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	if len(fields) < 2 {
		s.w.t.Fatalf("%s: %s ends with %q", s.name, historyFile(timeline), lines[len(lines)-1])
	}
	l, err := parseLSN(fields[1])
	must(s.w.t, err)
	return l
}

// checkpointed waits until pg_control names a checkpoint on the timeline.
func (s *server) checkpointed(timeline int) {
	s.w.t.Helper()
	s.until("SELECT timeline_id FROM pg_control_checkpoint()", fmt.Sprint(timeline))
}

// background runs SQL over a connection of its own. What comes of it arrives once.
func (s *server) background(sql string) <-chan error {
	s.w.t.Helper()
	conn, err := s.Conn(s.w.ctx)
	must(s.w.t, err)
	ctx, cancel := context.WithCancel(s.w.ctx)
	answer, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		_, err := rows(ctx, conn, sql)
		answer <- err
	}()
	s.w.t.Cleanup(func() {
		cancel()
		<-done
		closeConn(conn)
	})
	return answer
}
