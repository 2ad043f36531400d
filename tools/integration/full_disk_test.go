//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// mounts are those that are there, in a directory of theirs, for the signal handler.
var mounts struct {
	sync.Mutex
	in  string
	all []string
}

// unmountAll also removes what they were mounted in.
func unmountAll() (errs []error) {
	mounts.Lock()
	defer mounts.Unlock()
	for _, dir := range mounts.all {
		if err := asRoot("umount", dir); err != nil {
			errs = append(errs, err)
		}
	}
	if mounts.all = nil; errs == nil && mounts.in != "" {
		errs = append(errs, os.RemoveAll(mounts.in))
		mounts.in = ""
	}
	return errs
}

// asRoot runs a command, by sudo if need be, which must not ask for a password.
func asRoot(args ...string) error {
	if os.Getuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	if out, err := osexec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// mountSmall mounts a file system of 64 MB for the owner of like: ext4 in a file, or one
// in memory. It returns where.
func mountSmall(t *testing.T, kind, name, like string) (dir string) {
	t.Helper()
	mounts.Lock()
	defer mounts.Unlock()
	if mounts.in == "" {
		in, err := os.MkdirTemp("", "pgraft-mounts-")
		must(t, err)
		must(t, os.Chmod(in, 0o755))
		mounts.in = in
	}
	dir = filepath.Join(mounts.in, name)
	info, err := os.Stat(like)
	must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	must(t, os.Mkdir(dir, 0o755))
	if kind == "ext4" {
		file := dir + ".ext4"
		must(t, os.WriteFile(file, nil, 0o600))
		must(t, os.Truncate(file, 64<<20))
		must(t, asRoot("mkfs.ext4", "-q", "-m", "0", file))
		must(t, asRoot("mount", "-o", "loop", file, dir))
	} else {
		must(t, asRoot("mount", "-t", "tmpfs", "-o", "size=64M", "pgraft-test", dir))
	}
	mounts.all = append(mounts.all, dir)
	must(t, asRoot("chown", fmt.Sprintf("%d:%d", owner.Uid, owner.Gid), dir))
	return dir
}

// fill takes all the room that there is.
func fill(t *testing.T, filler string) {
	t.Helper()
	f, err := os.OpenFile(filler, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	for size := 1 << 20; size > 0; {
		n, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			if n == 0 {
				size /= 2
			}
		case err != nil:
			t.Fatal(err)
		}
	}
	must(t, f.Close())
}

// goesOnWhenThereIsRoom fills the disk of a follower, then that of the leader, while
// sessions write: the cluster goes on without the node, which says what is the matter,
// and catches up by itself once there is room; also when its server was restarted
// meanwhile, for which there was no room.
func goesOnWhenThereIsRoom(ctx context.Context, t *testing.T, s *suite) {
	t.Cleanup(func() { // after the servers are gone
		if err := errors.Join(unmountAll()...); err != nil {
			t.Error(err)
		}
	})
	c := s.extraCluster(ctx, t, nodes, map[string]string{"pgraft.trace": "off"})
	at := map[*pgcluster.Server]string{}
	for i, server := range c.Servers {
		at[server] = mountSmall(t, []string{"tmpfs", "ext4", "ext4"}[i], fmt.Sprintf("disk%d", server.NodeID), server.DataDir)
		must(t, server.Set(map[string]string{"pgraft.data_dir": filepath.Join(at[server], "pgraft")}))
	}
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	leader := s.leader(ctx, t, c.Servers...)
	for _, server := range c.Servers[1:] {
		addNode(ctx, t, connect(ctx, t, leader), server)
	}
	l := newLedger()
	for _, round := range []string{"follower", "leader", "follower, restarted"} {
		leader = s.leader(ctx, t, c.Servers...)
		full := leader
		if round != "leader" {
			full = c.Servers[2-leader.NodeID/3] // an ext4 one, unless it leads
		}
		t.Logf("%s: node %d", round, full.NodeID)
		fullDisk(ctx, t, s, c, l, full, filepath.Join(at[full], "filler"), round == "follower, restarted")
	}
	l.check(ctx, t, c.Servers...)
}

func fullDisk(ctx context.Context, t *testing.T, s *suite, c *pgcluster.Cluster, l *ledger, full *pgcluster.Server, filler string, restart bool) {
	t.Helper()
	var rest []*pgcluster.Server
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var writers sync.WaitGroup
	for _, server := range c.Servers {
		if server == full {
			continue
		}
		rest = append(rest, server)
		conn := connect(ctx, t, server)
		writers.Go(func() {
			for i := 0; writing.Err() == nil; i++ {
				data := fmt.Sprintf("node %d is full, by node %d, %d %s", full.NodeID, server.NodeID, i, strings.Repeat("x", 3000))
				l.record(data, sqlapi.Replicate(ctx, conn, data))
			}
		})
	}
	l.waitFor(ctx, t, 20)
	conn := connect(ctx, t, full)
	fill(t, filler)
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to say that its disk is full", full.NodeID), func(ctx context.Context) error {
		found, err := sqlapi.HealthCheck(ctx, conn)
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.Metric == "disk_free" && f.Status == "critical" && strings.Contains(*f.Value, "full: no entries are taken") {
				return nil
			}
		}
		return fmt.Errorf("it says %+v", found)
	}))
	fill(t, filler) // the ballast too
	s.leader(ctx, t, rest...)
	l.waitFor(ctx, t, 200)
	err := wantState(t, "53100", sqlapi.Replicate(ctx, conn, "never"), "a proposal on a full disk")
	if err != nil {
		wantWords(t, err, fmt.Sprintf("the disk of node %d is full", full.NodeID), "Make room on the file system of pgraft.data_dir")
	}
	var state string
	must(t, conn.QueryRow(ctx, "SELECT pgraft_get_worker_state()").Scan(&state))
	if state != "running" {
		t.Errorf("node %d: the worker's state is %q", full.NodeID, state)
	}
	if restart {
		must(t, full.Stop(ctx))
		// Somebody else takes what was kept back.
		if err := os.Remove(filepath.Join(filepath.Dir(filler), "pgraft", "BALLAST")); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		fill(t, filler)
		must(t, full.Start(ctx))
		conn = connect(ctx, t, full)
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to find no room to start", full.NodeID), func(ctx context.Context) error {
			var pgErr *pgconn.PgError
			err := sqlapi.Replicate(ctx, conn, "never")
			if !errors.As(err, &pgErr) || pgErr.Code != "53100" || !strings.Contains(pgErr.Message, "was not started: ") {
				return fmt.Errorf("it answers %w", err)
			}
			return nil
		}))
	}
	must(t, os.Remove(filler))
	l.waitFor(ctx, t, 20)
	stop()
	writers.Wait()
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to catch up", full.NodeID), func(ctx context.Context) error {
		var applied []int64
		for _, server := range c.Servers {
			_, stats, err := look(ctx, server)
			if err != nil {
				return err
			}
			applied = append(applied, stats.LastApplied, stats.LastIndex)
		}
		for _, a := range applied {
			if a != applied[0] {
				return fmt.Errorf("applied and last indexes are %v", applied)
			}
		}
		return nil
	}))
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to take entries", full.NodeID), func(ctx context.Context) error {
		const data = "there is room"
		err := sqlapi.Replicate(ctx, conn, data)
		if err == nil {
			l.record(data, nil)
		}
		return err
	}))
	if restart {
		return
	}
	if log := full.LogTail(1000); strings.Count(log, "takes no entries") != 1 || strings.Count(log, "has room again") != 1 {
		t.Errorf("node %d does not say once that its disk is full, and once that it has room again:\n%s", full.NodeID, log)
	}
}
