//go:build integration

package scripts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// marker tells an emptied data_dir from a new node.
const marker = "pgraft.initialized"

// target is a server and what the script calls it: its number, or its role.
type target struct {
	*pgcluster.Server
	name string
}

// node is the server that an argument names: a number, leader, or follower (the
// first one). It is node 1 if there is no such argument.
func (s *script) node(arg string) (target, error) {
	all, err := s.nodes(arg)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%s names %d nodes", arg, len(all))
	}
	if err != nil {
		return target{}, err
	}
	return all[0], nil
}

// nodes is node where several may be named: all, or (1, 2).
func (s *script) nodes(arg string) (found []target, err error) {
	if s.cluster == nil {
		return nil, errors.New("there are no servers yet")
	}
	names := []string{"1"}
	if a, ok := s.d.Arg(arg); ok {
		names = a.Vals
	}
	for _, name := range names {
		switch name {
		case "all":
			for _, server := range s.cluster.Servers {
				found = append(found, target{server, strconv.Itoa(server.NodeID)})
			}
		case "leader", "follower":
			server, err := s.withRole(name == "leader")
			if err != nil {
				return nil, err
			}
			found = append(found, target{server, name})
		default:
			id, err := strconv.Atoi(name)
			if err != nil || id < 1 || id > len(s.cluster.Servers) {
				return nil, fmt.Errorf("there is no node %s", name)
			}
			found = append(found, target{s.cluster.Servers[id-1], name})
		}
	}
	return found, nil
}

// withRole waits until there is a leader, and returns it or the first other
// member that is up.
func (s *script) withRole(leads bool) (found *pgcluster.Server, err error) {
	err = wait.For(s.ctx, settleLimit, "a leader", func(ctx context.Context) error {
		found = nil
		any := false
		for _, server := range s.cluster.Servers {
			up, err := server.Running()
			if err != nil {
				return err
			}
			if !up {
				continue
			}
			is, member := false, true
			err = with(ctx, server, func(conn *pgx.Conn) (err error) {
				if is, err = sqlapi.IsLeader(ctx, conn); err == nil {
					leader, err2 := sqlapi.Leader(ctx, conn)
					member, err = leader > 0, err2
				}
				return err
			})
			if err != nil {
				return err
			}
			any = any || is
			if found == nil && is == leads && member {
				found = server
			}
		}
		if !any || found == nil {
			return errors.New("pgraft_is_leader() is false on all")
		}
		return nil
	})
	return found, err
}

// with runs do on a connection of its own.
func with(ctx context.Context, server *pgcluster.Server, do func(*pgx.Conn) error) error {
	conn, err := server.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}

// servers n=3: PostgreSQL runs, pgraft is preloaded, nothing else was done. Input:
// settings, one a line.
func (s *script) servers() error {
	n := 3
	s.d.MaybeScanArgs(s.t, "n", &n)
	settings, err := settingsOf(s.d.Input)
	if err != nil {
		return err
	}
	if s.cluster != nil {
		return errors.New("there are servers already")
	}
	if s.cluster, err = pgcluster.New(s.ctx, pgcluster.Config{Install: s.install, Nodes: n, ClusterID: clusterID, Settings: settings}); err != nil {
		return err
	}
	return s.cluster.Start(s.ctx)
}

// settingsOf reads lines like name = value; default as the value leaves it out,
// and quotes keep its spaces.
func settingsOf(input string) (map[string]string, error) {
	settings := map[string]string{}
	for line := range strings.Lines(input) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if !ok {
			return nil, fmt.Errorf("%q is not like name = value", line)
		}
		if value == "default" {
			value = pgcluster.Off
		}
		if n := len(value); n > 1 && value[0] == '\'' && value[n-1] == '\'' {
			value = value[1 : n-1]
		}
		settings[name] = value
	}
	return settings, nil
}

// cluster n=3: formed quietly, and node 1 leads.
func (s *script) formed() error {
	if err := s.servers(); err != nil {
		return err
	}
	for _, server := range s.cluster.Servers {
		if err := with(s.ctx, server, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().Exec(s.ctx, "CREATE EXTENSION pgraft; SELECT pgraft_init();").ReadAll()
			return err
		}); err != nil {
			return err
		}
	}
	first := s.cluster.Servers[0]
	for _, server := range s.cluster.Servers[1:] {
		if err := with(s.ctx, first, func(conn *pgx.Conn) error {
			_, err := sqlapi.AddNode(s.ctx, conn, server.NodeID, "127.0.0.1", server.RaftPort)
			return err
		}); err != nil {
			return err
		}
	}
	if err := s.whole(); err != nil {
		return err
	}
	return with(s.ctx, first, func(conn *pgx.Conn) error {
		leads, err := sqlapi.IsLeader(s.ctx, conn)
		if err == nil && !leads {
			_, err = s.move(1)
		}
		return err
	})
}

// add-server: one more, with the next number, whose engine answers other nodes.
// Input: settings.
func (s *script) addServer() error {
	settings, err := settingsOf(s.d.Input)
	if err != nil {
		return err
	}
	server, err := s.cluster.AddServer(s.ctx, settings)
	if err != nil {
		return err
	}
	if err := server.Start(s.ctx); err != nil {
		return err
	}
	return wait.For(s.ctx, settleLimit, "the engine to listen", func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(server.RaftPort)))
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// standby of=1: one more server, a hot standby. That of the copied node is taken
// away, so that it can be a node of its own.
func (s *script) standby() error {
	primary, err := s.node("of")
	if err != nil {
		return err
	}
	if err := primary.Stop(s.ctx); err != nil {
		return err
	}
	server, err := s.cluster.AddStandby(s.ctx, primary.Server, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(empty(server), os.Remove(filepath.Join(server.DataDir, marker))); err != nil {
		return err
	}
	if err := primary.Start(s.ctx); err != nil {
		return err
	}
	return server.Start(s.ctx)
}

func empty(server *pgcluster.Server) error {
	return pgcluster.EmptyDir(filepath.Join(server.DataDir, "pgraft"))
}

// each carries something out for every server that node= names.
func (s *script) each(do func(target) error) error {
	nodes, err := s.nodes("node")
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := do(n); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) crash() error {
	return s.each(func(n target) error { _, err := n.Kill9(s.ctx); return err })
}

func (s *script) stop() error { return s.each(func(n target) error { return n.Stop(s.ctx) }) }

// restart: from its disk, after a fast stop if it still runs.
func (s *script) restart() error { return s.each(func(n target) error { return n.Restart(s.ctx) }) }

func (s *script) start() error {
	for _, server := range s.cluster.Servers {
		up, err := server.Running()
		if err == nil && !up {
			err = server.Start(s.ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *script) pause() error  { return s.each(func(n target) error { return n.PauseEngine() }) }
func (s *script) resume() error { return s.each(func(n target) error { return n.ResumeEngine() }) }

// wipe node=2 [marker]: its data_dir is empty, as after a disk was lost; with
// marker all that was the node's is gone, and it is a new one.
func (s *script) wipe() error {
	return s.each(func(n target) error {
		if up, err := n.Running(); err != nil || up {
			return fmt.Errorf("node %s has to be stopped for that: %w", n.name, err)
		}
		if err := empty(n.Server); err != nil || !s.has("marker") {
			return err
		}
		return os.Remove(filepath.Join(n.DataDir, marker))
	})
}

// set node=2: settings for postgresql.conf, one a line; default leaves one out, and
// original goes back to what the story began with.
func (s *script) set() error {
	settings, err := settingsOf(s.d.Input)
	if err != nil {
		return err
	}
	var back []string
	for name, value := range settings {
		if value == "original" {
			back = append(back, name)
			delete(settings, name)
		}
	}
	return s.each(func(n target) error {
		if err := n.Unset(back...); err != nil {
			return err
		}
		return n.Set(settings)
	})
}

// reload node=2: what postgresql.conf says is in force once a new session says so.
func (s *script) reload() error {
	return s.each(func(n target) error {
		before := ""
		loaded := func(ctx context.Context) (at string, err error) {
			err = with(ctx, n.Server, func(conn *pgx.Conn) error {
				return conn.QueryRow(ctx, "SELECT pg_conf_load_time()::text").Scan(&at)
			})
			return at, err
		}
		before, err := loaded(s.ctx)
		if err != nil {
			return err
		}
		lines, err := os.ReadFile(filepath.Join(n.DataDir, "postmaster.pid"))
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.SplitN(string(lines), "\n", 2)[0])
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			return err
		}
		return wait.For(s.ctx, settleLimit, "the reload", func(ctx context.Context) error {
			at, err := loaded(ctx)
			if err == nil && at == before {
				err = errors.New("not yet")
			}
			return err
		})
	})
}
