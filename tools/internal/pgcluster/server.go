package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/freeport"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const loopback = freeport.Loopback

// How long a server may take, each far above what a healthy one needs.
const (
	startLimit = 60 * time.Second
	stopLimit  = 30 * time.Second
	// of an immediate shutdown: PostgreSQL itself kills its children after 5 s
	immediateLimit = 10 * time.Second
)

// Server is one PostgreSQL server. Its methods are for one goroutine at a time,
// but for Conn, URL and the Log methods.
type Server struct {
	NodeID   int
	Port     int    // PostgreSQL's
	RaftPort int    // pgraft.port
	DataDir  string // PostgreSQL's data directory
	LogPath  string
	Ulimit   string // options of the shell's ulimit, in force from the next Start on
	// Install has the programs and libraries that it runs; another one is in force from
	// the next Start on. PostgreSQL's version must be the same.
	Install Install

	cluster  *Cluster
	dir      string // of this server's files: DataDir, the log, the socket
	settings map[string]string
	ports    []*freeport.Reservation
	place    Place

	mu        sync.Mutex
	destroyed bool
	exited    chan struct{} // closed when the postmaster of the last Start has ended
}

func (c *Cluster) newServer(id int, settings map[string]string) (*Server, error) {
	sql, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	raft, err := freeport.Reserve()
	if err != nil {
		return nil, errors.Join(err, sql.Close())
	}
	place := Place{Address: loopback, Enter: func(start func() error) error { return start() }}
	if c.config.Place != nil {
		if place, err = c.config.Place(id); err != nil {
			return nil, errors.Join(err, sql.Close(), raft.Close())
		}
	}
	dir := filepath.Join(c.Dir, fmt.Sprintf("node%d", id))
	s := &Server{NodeID: id, Port: sql.Port, RaftPort: raft.Port, DataDir: filepath.Join(dir, "data"),
		LogPath: filepath.Join(dir, "server.log"), Install: c.config.Install, cluster: c, dir: dir, settings: maps.Clone(settings),
		ports: []*freeport.Reservation{sql, raft}, place: place}
	if s.settings == nil {
		s.settings = map[string]string{}
	}
	c.Servers = append(c.Servers, s)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pgcluster: node %d: %w", id, err)
	}
	return s, c.account.own(dir)
}

// makeDataDir makes the data directory as the cluster's Config says, with its settings.
func (s *Server) makeDataDir(ctx context.Context) error {
	if from := s.cluster.config.CopyOf; from != "" {
		if err := s.copyDataDir(ctx, from); err != nil {
			return err
		}
		return s.writeConf()
	}
	return s.initdb(ctx)
}

// Set changes settings of postgresql.conf; Off leaves one out. The server takes
// them over at its next start, or at Reload.
func (s *Server) Set(settings map[string]string) error {
	maps.Copy(s.settings, settings)
	return s.writeConf()
}

// Unset goes back to what the settings were without Set.
func (s *Server) Unset(names ...string) error {
	for _, name := range names {
		delete(s.settings, name)
		if v, ok := s.cluster.config.Settings[name]; ok {
			s.settings[name] = v
		}
	}
	return s.writeConf()
}

// Start starts the server and waits until it accepts connections. When it does
// not come up, the error ends with the tail of its log.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(s.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("pgcluster: log of node %d: %w", s.NodeID, err)
	}
	defer log.Close() // the server has its own descriptor by then
	if err := s.cluster.account.own(s.LogPath); err != nil {
		return err
	}
	cmd := exec.Command(s.Install.bin("postgres"), "-D", s.DataDir)
	if s.Ulimit != "" {
		cmd = exec.Command("bash", append([]string{"-c", "ulimit " + s.Ulimit + ` && exec "$@"`, "ulimit"}, cmd.Args...)...)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	// A session of its own: Ctrl-C at the terminal is this program's business.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !s.cluster.config.Outlive {
		// A fast shutdown when this process dies, however it dies. (The signal
		// really follows the thread, but Go ends no thread that is not locked.)
		cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	}
	s.cluster.account.prepare(cmd)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroyed {
		return fmt.Errorf("pgcluster: node %d is destroyed", s.NodeID)
	}
	if err := s.place.Enter(cmd.Start); err != nil {
		return fmt.Errorf("start the server of node %d as user %s: %w", s.NodeID, s.cluster.account.name, err)
	}
	exited := make(chan struct{})
	s.exited = exited
	go func() {
		cmd.Wait() // how it ended stands in its log
		close(exited)
	}()
	if err := s.waitReady(ctx, exited); err != nil {
		return fmt.Errorf("%w\n%s", err, s.LogTail(20))
	}
	return nil
}

// waitReady first reads postmaster.pid, as pg_ctl does: a connection that comes
// too early would leave a FATAL line in the server's log.
func (s *Server) waitReady(ctx context.Context, exited <-chan struct{}) error {
	what := fmt.Sprintf("the server of node %d to accept connections on port %d", s.NodeID, s.Port)
	return wait.For(ctx, startLimit, what, func(ctx context.Context) error {
		select {
		case <-exited:
			return fmt.Errorf("it ended instead: %w", wait.ErrHopeless)
		default:
		}
		if ready, err := postmasterReady(s.DataDir); err != nil || !ready {
			return errors.Join(errors.New("it is starting"), err)
		}
		conn, err := s.Conn(ctx)
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// Host is where PostgreSQL listens, "host:port".
func (s *Server) Host() string { return net.JoinHostPort(s.place.Address, strconv.Itoa(s.Port)) }

// Address is where the server listens for PostgreSQL's and for Raft's connections.
func (s *Server) Address() string { return s.place.Address }

// URL is how a client reaches the server.
func (s *Server) URL() string { return "postgres://postgres@" + s.Host() + "/postgres?sslmode=disable" }

// SocketURL is how a client beside the server reaches it, whatever becomes of its network.
func (s *Server) SocketURL() string {
	return fmt.Sprintf("postgres://postgres@/postgres?host=%s&port=%d", url.QueryEscape(s.dir), s.Port)
}

// PsqlLine is the shell command that connects with psql.
func (s *Server) PsqlLine() string {
	return fmt.Sprintf("psql -h %s -p %d -U postgres postgres", s.place.Address, s.Port)
}

// Conn opens a connection as the superuser. The caller closes it.
func (s *Server) Conn(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return nil, fmt.Errorf("connect to node %d: %w", s.NodeID, err)
	}
	return conn, nil
}

// Stop stops the server with a fast shutdown and waits until all of its
// processes are gone.
func (s *Server) Stop(ctx context.Context) error {
	pid, err := postmasterPID(s.DataDir)
	if err != nil || pid == 0 {
		return err
	}
	if err := signal(pid, syscall.SIGINT); err != nil {
		return fmt.Errorf("stop node %d: %w", s.NodeID, err)
	}
	return s.waitGone(ctx)
}

// StopImmediate stops the server with an immediate shutdown: to its data that is a
// crash, but it removes its shared memory. Processes that a test has stopped do nothing
// more than end: without the signal waiting for them they would go on for a moment, and
// a background writer can write WAL in it.
func (s *Server) StopImmediate(ctx context.Context) error {
	pid, err := postmasterPID(s.DataDir)
	if err != nil || pid == 0 {
		return err
	}
	if err := signal(pid, syscall.SIGQUIT); err != nil {
		return fmt.Errorf("stop node %d: %w", s.NodeID, err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGCONT} { // the first one is the postmaster's to send, a moment later
		if err := signalAll(s.DataDir, sig); err != nil {
			return err
		}
	}
	return s.waitGone(ctx)
}

// Kill9 kills the postmaster as a crash of the machine's memory would: with
// SIGKILL. It returns once its other processes have noticed and are gone too,
// with what would hinder the next start removed, and says when it killed.
func (s *Server) Kill9(ctx context.Context) (killed time.Time, err error) { return s.kill(ctx, 0) }

// kill is Kill9, with a signal to the server's other processes, unless it is 0.
func (s *Server) kill(ctx context.Context, others syscall.Signal) (killed time.Time, err error) {
	pid, err := postmasterPID(s.DataDir)
	if err != nil {
		return time.Time{}, err
	}
	if pid == 0 {
		return time.Time{}, fmt.Errorf("kill node %d: it does not run", s.NodeID)
	}
	killed = time.Now()
	if err := signal(pid, syscall.SIGKILL); err != nil {
		return killed, fmt.Errorf("kill node %d: %w", s.NodeID, err)
	}
	if others != 0 {
		if err := waitNone(ctx, stopLimit, s.DataDir, others); err != nil {
			return killed, err
		}
	}
	if err := s.waitGone(ctx); err != nil {
		return killed, err
	}
	return killed, s.removeStale()
}

// Restart is Stop and Start.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Running says whether any process of the server is alive.
func (s *Server) Running() (bool, error) {
	pids, err := serverProcesses(s.DataDir)
	return len(pids) > 0, err
}

func (s *Server) waitGone(ctx context.Context) error {
	if err := waitNone(ctx, stopLimit, s.DataDir, 0); err != nil {
		return fmt.Errorf("node %d: %w", s.NodeID, err)
	}
	s.mu.Lock()
	exited := s.exited
	s.mu.Unlock()
	if exited != nil {
		<-exited // reaped: the process is gone already
	}
	return nil
}

// removeStale removes what a killed postmaster leaves behind. PostgreSQL copes
// by itself, unless another process has got the old pid meanwhile.
func (s *Server) removeStale() error {
	for _, path := range []string{
		filepath.Join(s.DataDir, "postmaster.pid"),
		filepath.Join(s.dir, fmt.Sprintf(".s.PGSQL.%d", s.Port)),
		filepath.Join(s.dir, fmt.Sprintf(".s.PGSQL.%d.lock", s.Port)),
	} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("pgcluster: clean up after node %d: %w", s.NodeID, err)
		}
	}
	return nil
}

// destroy ends the server in any state, a paused worker included, for good.
func (s *Server) destroy() error {
	s.mu.Lock()
	s.destroyed = true
	s.mu.Unlock()
	err := destroyIn(context.Background(), s.DataDir)
	for _, p := range s.ports {
		err = errors.Join(err, p.Close())
	}
	return err
}
