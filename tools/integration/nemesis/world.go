package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/tools/internal/netns"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// Limits, each far above what a healthy cluster needs.
const (
	setupLimit = 5 * time.Minute
	askLimit   = 5 * time.Second
)

// settings are those of the servers: what a cluster of people who want it to come back by itself has,
// and less patience with networks.
var settings = map[string]string{
	"pgraft.failover": "on", "pgraft.rejoin": "clone", "pgraft.fence_wait": "500ms", "pgraft.log_level": "debug", "wal_log_hints": "on",
	"wal_retrieve_retry_interval": "100ms", "wal_receiver_timeout": "5s", "wal_sender_timeout": "5s",
	"max_wal_size": "96MB", "max_slot_wal_keep_size": "96MB", "checkpoint_timeout": "30s",
	"dynamic_shared_memory_type": "mmap", // what a server leaves that is killed goes with its directory
}

// world is a cluster, and what happens to it.
type world struct {
	ctx     context.Context
	cluster *pgcluster.Cluster
	members []*member
	witness *witness       // nil: there is none
	net     *netns.Network // nil: all are on the loopback interface, and nothing is cut
	mounts  []string       // small disks
	history *history
	errs    counts
	out     io.Writer // of what is going on

	mu        sync.Mutex
	cuts      map[int]map[string][]netns.Match // by node, by who cut
	windows   []window
	straces   []*exec.Cmd    // that slow a disk
	impostors []func() error // end one
}

// member is a server. Its lock is for one who starts or ends it.
type member struct {
	*pgcluster.Server
	busy   sync.Mutex
	leaves atomic.Bool // it is removed from the cluster, and not back yet
}

// window is a fault's time on one node.
type window struct {
	Kind     string
	Node     int
	Still    bool // the server's processes may be away, or stand still, or be slow
	From, To time.Duration
}

// makeWorld makes a cluster of so many servers, and a witness if these are two, in which failover
// is enabled.
func makeWorld(ctx context.Context, install pgcluster.Install, servers int, asRoot bool, out io.Writer) (w *world, err error) {
	w = &world{ctx: ctx, out: out, cuts: map[int]map[string][]netns.Match{}, history: newHistory()}
	running.Store(w)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.destroy())
		}
	}()
	config := pgcluster.Config{Install: install, Nodes: 1, Settings: maps.Clone(settings)}
	if asRoot {
		if w.net, err = netns.New(); err != nil {
			return w, err
		}
		config.Place = func(node int) (pgcluster.Place, error) {
			enter := func(start func() error) error { return w.enter(node, start) }
			return pgcluster.Place{Address: w.net.Address(node), Enter: enter}, w.net.Add(node)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, setupLimit)
	defer cancel()
	if w.cluster, err = pgcluster.New(ctx, config); err != nil {
		return w, err
	}
	return w, w.found(ctx, servers)
}

// enter calls start where a node's programs are to be.
func (w *world) enter(node int, start func() error) error {
	if w.net == nil {
		return start()
	}
	return w.net.Enter(node, start)
}

// found makes the cluster, and enables failover.
func (w *world) found(ctx context.Context, servers int) error {
	a, err := w.takes(w.cluster.Servers[0])
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	if _, err := w.ask(ctx, a, "CREATE EXTENSION pgraft"); err != nil {
		return err
	}
	if err := w.until(ctx, a, "SELECT pgraft_init()", "t"); err != nil { // the engine may still start
		return err
	}
	if _, err := w.ask(ctx, a, tables); err != nil {
		return err
	}
	for range servers - 1 {
		s, err := w.cluster.AddBackup(ctx, a.Server, nil)
		if err != nil {
			return err
		}
		m, err := w.takes(s)
		if err != nil {
			return err
		}
		if err := m.Start(ctx); err != nil {
			return err
		}
		if err := w.joins(ctx, a, m); err != nil {
			return err
		}
	}
	all := servers
	if servers == 2 {
		all++
		if err := w.addWitness(ctx, a); err != nil {
			return err
		}
	}
	for _, x := range []struct{ sql, want string }{
		{"SELECT count(*) FROM pgraft_get_nodes()", fmt.Sprint(all)},
		{"SELECT pgraft_enable_failover()", "t"},
		{"SELECT pgraft_get_primary()", "1"},
		{streaming, fmt.Sprint(servers - 1)},
	} {
		if err := w.until(ctx, a, x.sql, x.want); err != nil {
			return err
		}
	}
	if servers == 2 { // commits go on with one of them
		_, err = w.ask(ctx, a, "SELECT pgraft_failover_settings(durability => 'preferred')")
	}
	return err
}

// streaming is how many members follow the primary, in the sync set.
const streaming = "SELECT count(*) FROM pgraft_stat_failover WHERE state = 'streaming' AND in_sync_set"

// takes has a server that is made, and does not run, be a member; as root on a disk that is small.
func (w *world) takes(s *pgcluster.Server) (*member, error) {
	m := &member{Server: s}
	w.members = append(w.members, m)
	if w.net == nil {
		return m, nil
	}
	return m, w.mountSmall(filepath.Dir(s.DataDir))
}

// joins makes a server, which runs, a member of the Raft cluster.
func (w *world) joins(ctx context.Context, by, m *member) error {
	if err := w.until(ctx, m, "SELECT pgraft_init(false)", "t"); err != nil {
		return err
	}
	return w.until(ctx, by, fmt.Sprintf("SELECT pgraft_add_node(%d, '%s', %d)", m.NodeID, m.Address(), m.RaftPort), "t")
}

// until waits until SQL returns what is wanted; errors count as not yet.
func (w *world) until(ctx context.Context, m *member, sql, want string) error {
	return wait.Until(ctx, fmt.Sprintf("node %d: %s = %s", m.NodeID, sql, want), func(ctx context.Context) error {
		got, err := w.ask(ctx, m, sql)
		if err == nil && got != want {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	})
}

// primary is the server that acknowledged last; the first one, if none has.
func (w *world) primary() *member {
	_, last := w.history.acknowledged()
	for _, m := range w.members {
		if m.NodeID == last.Server {
			return m
		}
	}
	return w.members[0]
}

// standbys are the others.
func (w *world) standbys() (l []*member) {
	primary := w.primary()
	for _, m := range w.members {
		if m != primary {
			l = append(l, m)
		}
	}
	return l
}

func (w *world) say(format string, args ...any) {
	fmt.Fprintf(w.out, "%8.3f  "+format+"\n", append([]any{w.history.now().Seconds()}, args...)...)
}

// running is the world that there is, for a signal.
var running atomic.Pointer[world]

// endAll removes it, and the copy of PostgreSQL that it runs.
func endAll() (err error) {
	if w := running.Load(); w != nil {
		err = w.destroy()
	}
	if dir := copies.Load(); dir != nil {
		err = errors.Join(err, os.RemoveAll(*dir))
	}
	return err
}

// destroy removes everything.
func (w *world) destroy() (err error) {
	err = errors.Join(endSlowDisk(w, w.ctx, nil), w.endImpostors())
	if w.witness != nil {
		err = errors.Join(err, w.witness.kill())
	}
	if w.cluster != nil {
		for _, m := range w.cluster.Servers {
			m := member{Server: m}
			err = errors.Join(err, m.killAll())
		}
	}
	for _, dir := range w.mounts {
		if out, e := exec.Command("umount", "-l", dir).CombinedOutput(); e != nil {
			err = errors.Join(err, fmt.Errorf("umount %s: %w\n%s", dir, e, out))
		}
	}
	w.mounts = nil
	if w.cluster != nil {
		err = errors.Join(err, w.cluster.Destroy())
	}
	if w.net != nil {
		err = errors.Join(err, w.net.Close())
	}
	return err
}

// diskSize is that of each server's disk, in memory: several times what its data takes.
const diskSize = "1200M"

// mountSmall moves what is in a directory to a small disk, which is there then.
func (w *world) mountSmall(dir string) error {
	aside := dir + ".aside"
	script := `set -e; mv "$0" "$1"; mkdir "$0"; mount -t tmpfs -o size=` + diskSize + `,mode=700 pgraft-nemesis "$0"; chown --reference="$1" "$0"; cp -a "$1/." "$0"; rm -r "$1"`
	if out, err := exec.Command("sh", "-c", script, dir, aside).CombinedOutput(); err != nil {
		return fmt.Errorf("a small disk at %s: %w\n%s", dir, err, out)
	}
	w.mounts = append(w.mounts, dir)
	return nil
}

// keep copies logs and traces to a directory, as an anomaly was found.
func (w *world) keep(dir string) error {
	for _, s := range w.cluster.Servers {
		to := filepath.Join(dir, fmt.Sprintf("node%d", s.NodeID))
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		for _, from := range []string{s.LogPath, filepath.Join(s.DataDir, "pgraft", "trace"), filepath.Join(s.DataDir, "pgraft.failover"), filepath.Join(filepath.Dir(s.DataDir), "witness")} {
			if _, err := os.Stat(from); err != nil {
				continue // a witness has no server, and a server no witness
			}
			if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
				return fmt.Errorf("cp: %w\n%s", err, out)
			}
		}
	}
	return nil
}

// counts is how often what was seen.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[errorName(err)]++
}
