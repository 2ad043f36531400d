//go:build integration

package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// caseLimit is how long one case may take before its waits give up: without a part of the boot
// it mostly waits for what does not come.
var caseLimit = func() time.Duration {
	if os.Getenv(preloadEnv) != "" {
		return 20 * time.Second
	}
	return 90 * time.Second
}()

// TestParts sets these: what is preloaded in the place of the sources as they are, and what it
// has made already.
const preloadEnv, templateEnv = "PGRAFT_BOOT_PRELOAD", "PGRAFT_BOOT_TEMPLATE"

const pgext = "../../../pgext"

// postgres is what all cases begin with.
type postgres struct {
	install    pgcluster.Install
	objects    string // what was compiled of the shim
	remembered string // the library of testdata/remembered.c
	preload    string
	template   string // data directory of a server that was stopped: all others are copies
}

func newPostgres(t *testing.T) *postgres {
	t.Helper()
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config; run make test-boot")
	}
	install, err := pgcluster.Find(pgConfig)
	must(t, err)
	pg := &postgres{install: install, objects: t.TempDir(), preload: os.Getenv(preloadEnv), template: os.Getenv(templateEnv)}
	if pg.preload != "" {
		return pg
	}
	shim, err := install.BuildShim(pgext, pg.objects)
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(filepath.Dir(shim))) })
	pg.remembered = filepath.Join(filepath.Dir(shim), "remembered")
	must(t, install.Compile(pgext, pg.remembered+".so", `-DLIBRARY="`+pg.remembered+`"`, "testdata/remembered.c"))
	pg.preload = shim + "," + pg.remembered
	c := newCluster(t, pgcluster.Config{Install: install, Nodes: 1, Plain: true, Initdb: []string{"--wal-segsize=1"}})
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	defer cancel()
	must(t, c.Start(ctx))
	conn, err := c.Servers[0].Conn(ctx)
	must(t, err)
	_, err = conn.Exec(ctx, "CREATE TABLE t (i int)")
	must(t, err)
	must(t, conn.Close(ctx))
	must(t, c.Stop(ctx))
	pg.template = c.Servers[0].DataDir
	return pg
}

// server is one that takes part, once it has notes.
type server struct {
	*pgcluster.Server
	t   *testing.T
	ctx context.Context
}

func (pg *postgres) server(t *testing.T, failover string) *server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	t.Cleanup(cancel)
	preload := pg.preload
	if failover == "off" {
		preload, _, _ = strings.Cut(preload, ",") // nothing is remembered
	}
	c := newCluster(t, pgcluster.Config{Install: pg.install, Nodes: 1, Plain: true, CopyOf: pg.template, Settings: map[string]string{
		"shared_preload_libraries": preload, "pgraft.failover": failover,
		"primary_conninfo": "host=127.0.0.1 port=1", "wal_retrieve_retry_interval": "1s", "autovacuum": "off", "wal_keep_size": "64MB"}})
	return &server{Server: c.Servers[0], t: t, ctx: ctx}
}

// notes are those of a server that joined as the primary.
func notes() host.Notes {
	return host.Notes{Data: host.Data{Joined: true, JoinedOn: 1, Nonce: 7, Wrote: []uint32{1}}, Store: host.Store{Joined: true, Boot: 3, Nonce: 7}}
}

const storePath = "pgraft/" + host.StoreFile

// joins writes the notes of a server that does not run.
func (s *server) joins(n host.Notes) {
	s.t.Helper()
	s.put(host.DataFile, n.Data.Marshal())
	s.put(storePath, n.Store.Marshal())
}

// data is the data directory's note.
func (s *server) data() host.Data {
	s.t.Helper()
	d, err := host.UnmarshalData(s.get(host.DataFile))
	must(s.t, err)
	return d
}

func (s *server) get(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(s.File(name))
	must(s.t, err)
	return b
}

func (s *server) has(name string) bool {
	s.t.Helper()
	_, err := os.Lstat(s.File(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return err == nil
}

// put writes a file of the data directory, as the server would.
func (s *server) put(name string, b []byte) {
	s.t.Helper()
	info, err := os.Stat(s.DataDir)
	must(s.t, err)
	owner := info.Sys().(*syscall.Stat_t)
	path := s.File(name)
	if dir := filepath.Dir(path); dir != s.DataDir {
		must(s.t, os.MkdirAll(dir, 0o700))
		must(s.t, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	}
	must(s.t, os.WriteFile(path+".new", b, 0o600))
	must(s.t, os.Chown(path+".new", int(owner.Uid), int(owner.Gid)))
	must(s.t, os.Rename(path+".new", path))
}

func (s *server) remove(name string) { s.t.Helper(); must(s.t, os.Remove(s.File(name))) }

func (s *server) set(name, value string) {
	s.t.Helper()
	must(s.t, s.Set(map[string]string{name: value}))
}

// starts starts the server, and says from where on the log is of this start.
func (s *server) starts() (from int64) {
	s.t.Helper()
	from = s.logSize()
	must(s.t, s.Start(s.ctx))
	return from
}

// boots starts a server that need not come to take connections: what follows looks at its log.
func (s *server) boots() (from int64) {
	s.t.Helper()
	from = s.logSize()
	ctx, cancel := context.WithCancel(s.ctx)
	started := make(chan error, 1)
	go func() { started <- s.Start(ctx) }()
	s.waitLog(from, "starting PostgreSQL")
	cancel()
	<-started // it has given up waiting, or did not have to
	return from
}

// refuses starts the server, which must not start, and say why.
func (s *server) refuses(words ...string) {
	s.t.Helper()
	from := s.logSize()
	if err := s.Start(s.ctx); err == nil {
		s.t.Fatalf("it starts, and should say %q", words)
	}
	for _, w := range words {
		if log := s.log(from); !strings.Contains(log, w) {
			s.t.Errorf("the log does not say %q:\n%s", w, log)
		}
	}
}

// killed ends the server with SIGKILL.
func (s *server) killed() {
	s.t.Helper()
	_, err := s.Kill9(s.ctx)
	must(s.t, err)
}

func (s *server) stop() { s.t.Helper(); must(s.t, s.Stop(s.ctx)) }

func (s *server) logSize() int64 {
	s.t.Helper()
	if _, err := os.Stat(s.LogPath); errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	n, err := s.LogSize()
	must(s.t, err)
	return n
}

func (s *server) log(from int64) string {
	s.t.Helper()
	b, err := os.ReadFile(s.LogPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(b[min(from, int64(len(b))):])
}

func (s *server) waitLog(from int64, words string) {
	s.t.Helper()
	must(s.t, wait.Until(s.ctx, fmt.Sprintf("the log to say %q", words), func(context.Context) error {
		if !strings.Contains(s.log(from), words) {
			return errors.New("it does not")
		}
		return nil
	}))
}

func (s *server) saysNot(from int64, words string) {
	s.t.Helper()
	if strings.Contains(s.log(from), words) {
		s.t.Errorf("the log says %q", words)
	}
}

func (s *server) postmaster() (pid int) {
	s.t.Helper()
	_, err := fmt.Sscan(string(s.get("postmaster.pid")), &pid)
	must(s.t, err)
	return pid
}

// sql runs SQL in a connection of its own.
func (s *server) sql(sql string) (string, error) {
	return s.exec(s.URL(), sql)
}

// replication runs a command of a walsender, which is let in while nobody reads.
func (s *server) replication(command string, column int) string {
	s.t.Helper()
	row, err := s.exec(s.URL()+"&replication=true", command)
	must(s.t, err)
	return strings.Split(row, "|")[column]
}

// exec returns the last row, its columns joined by |.
func (s *server) exec(url, sql string) (string, error) {
	conn, err := pgconn.Connect(s.ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(s.ctx))
	results, err := conn.Exec(s.ctx, sql).ReadAll()
	if err != nil || len(results) == 0 || len(results[len(results)-1].Rows) == 0 {
		return "", err
	}
	rows := results[len(results)-1].Rows
	var columns []string
	for _, c := range rows[len(rows)-1] {
		columns = append(columns, string(c))
	}
	return strings.Join(columns, "|"), nil
}

func (s *server) want(sql, want string) {
	s.t.Helper()
	if got, err := s.sql(sql); err != nil || got != want {
		s.t.Fatalf("%s: %q, %v, want %q", sql, got, err, want)
	}
}

// isStandby says that the server has come up as a standby with no source of WAL, which shows
// and takes nothing, on a timeline. from is where the log begins that says so.
func (s *server) isStandby(from int64, timeline string) {
	s.t.Helper()
	s.waitLog(from, "pgraft: the server starts as a standby")
	s.waitLog(from, "database system is ready to accept read-only connections")
	if !s.has("standby.signal") || s.has("promote") {
		s.t.Errorf("standby.signal: %v, promote: %v", s.has("standby.signal"), s.has("promote"))
	}
	if got := s.replication("SHOW primary_conninfo", 0); got != "" {
		s.t.Errorf("it has a source of WAL: %s", got)
	}
	if got := s.replication("IDENTIFY_SYSTEM", 1); got != timeline {
		s.t.Errorf("it is on timeline %s, want %s", got, timeline)
	}
	s.isFenced("")
}

// isFenced says that a client is shown nothing, and may change nothing.
func (s *server) isFenced(hint string) {
	s.t.Helper()
	for _, sql := range []string{"SELECT count(*) FROM t", "INSERT INTO t VALUES (9)", "CREATE TABLE u ()"} {
		var pgErr *pgconn.PgError
		if _, err := s.sql(sql); !errors.As(err, &pgErr) || pgErr.Code != "57P03" || pgErr.Message != "this server shows no data now" || hint != "" && pgErr.Hint != hint {
			s.t.Errorf("%s: %v, want it to be refused with the hint %q", sql, err, hint)
		}
	}
}

// remembers says what the boot has left in shared memory: the damage, and where WAL ends, which
// is where the standby comes to once it has replayed all that it has.
func (s *server) remembers(from int64, damage int, timeline string) {
	s.t.Helper()
	must(s.t, wait.Until(s.ctx, "what the boot has found", func(context.Context) error {
		at := s.replication("IDENTIFY_SYSTEM", 2)
		want := fmt.Sprintf("remembered: damage %d, WAL of timeline %s ends at %s; promoting 5, lacks 1, ended 0", damage, timeline, at)
		if log := s.log(from); !strings.Contains(log, want) {
			return fmt.Errorf("the log does not say %q:\n%s", want, log)
		}
		return nil
	}))
}

// crashes kills a session, whose server restarts in place, and waits until it says so.
func (s *server) crashes() (from int64) {
	s.t.Helper()
	from = s.logSize()
	postmaster := s.postmaster()
	conn, err := pgconn.Connect(s.ctx, s.URL())
	must(s.t, err)
	must(s.t, syscall.Kill(int(conn.PID()), syscall.SIGKILL))
	s.waitLog(from, "all server processes terminated; reinitializing")
	s.waitLog(from, "database system is ready to accept")
	conn.Close(s.ctx)
	if got := s.postmaster(); got != postmaster {
		s.t.Errorf("the postmaster is %d, and was %d", got, postmaster)
	}
	return from
}

// clusters are all that were made, for the signal handler.
var clusters struct {
	sync.Mutex
	all []*pgcluster.Cluster
}

func newCluster(t *testing.T, config pgcluster.Config) *pgcluster.Cluster {
	t.Helper()
	c, err := pgcluster.New(t.Context(), config)
	must(t, err)
	clusters.Lock()
	clusters.all = append(clusters.all, c)
	clusters.Unlock()
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range c.Servers {
				t.Log(s.LogTail(60))
			}
			t.Logf("to run this alone:\n\tPGRAFT_PG_CONFIG=%s go test -tags integration -count=1 -v -run '^%s$' ./tools/integration/boot",
				config.Install.PGConfig, strings.ReplaceAll(t.Name(), "/", "$/^"))
		}
		must(t, c.Destroy())
	})
	return c
}

// TestMain removes what the tests made also when a signal ends them.
func TestMain(m *testing.M) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		sig := <-signals
		clusters.Lock()
		defer clusters.Unlock()
		for _, c := range clusters.all {
			if err := c.Destroy(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		fmt.Fprintf(os.Stderr, "ended by %v\n", sig)
		os.Exit(1)
	}()
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
