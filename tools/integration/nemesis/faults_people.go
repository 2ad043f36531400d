package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// changeLimit is how long a change that people make may take, before they leave it.
const changeLimit = 15 * time.Second

// asks has one server after the other run SQL, until one does.
func (w *world) asks(ctx context.Context, sql string) (err error) {
	for _, m := range append([]*member{w.primary()}, w.standbys()...) {
		var got string
		if got, err = w.ask(ctx, m, sql); err == nil && got == "t" {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it is %q", got)
		}
		err = fmt.Errorf("%s: %w", sql, err)
	}
	return err
}

// orders has a standby run SQL, which may end its session: that of the next primary's does.
func (w *world) orders(ctx context.Context, sql string) error {
	standbys := w.standbys()
	_, err := w.ask(ctx, standbys[len(standbys)-1], sql)
	return err
}

func switchOver(w *world, ctx context.Context, at *member, _ time.Duration) error {
	return w.orders(ctx, fmt.Sprintf("SELECT pgraft_switchover(%d)", at.NodeID))
}

func failOver(w *world, ctx context.Context, at *member, _ time.Duration) error {
	return w.orders(ctx, fmt.Sprintf("SELECT pgraft_failover(%d)", at.NodeID))
}

// prioritises gives a server a priority.
func (w *world) prioritises(ctx context.Context, at *member, priority string) error {
	at.busy.Lock()
	defer at.busy.Unlock()
	if err := at.Set(map[string]string{"pgraft.failover_priority": priority}); err != nil {
		return err
	}
	_, err := w.ask(ctx, at, "SELECT pg_reload_conf()")
	return err
}

func priorityZero(w *world, ctx context.Context, at *member, _ time.Duration) error {
	return w.prioritises(ctx, at, "0")
}

func priorityBack(w *world, ctx context.Context, at *member) error {
	return w.prioritises(ctx, at, pgcluster.Off)
}

// removeMember takes a standby out of the sync set, and then out of the cluster, unless somebody does so
// already.
func removeMember(w *world, ctx context.Context, at *member, lasts time.Duration) error {
	if !at.leaves.CompareAndSwap(false, true) {
		return errors.New("it is removed already")
	}
	err := w.remove(ctx, at, lasts)
	if err != nil && w.asks(ctx, fmt.Sprintf("SELECT count(*) = 0 FROM pgraft_get_nodes() WHERE node_id = %d", at.NodeID)) != nil {
		at.leaves.Store(false)
		return errors.Join(err, priorityBack(w, ctx, at))
	}
	return nil
}

func (w *world) remove(ctx context.Context, at *member, lasts time.Duration) error {
	if err := priorityZero(w, ctx, at, lasts); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	return wait.Until(ctx, fmt.Sprintf("node %d to be removed", at.NodeID), func(ctx context.Context) error {
		return w.asks(ctx, fmt.Sprintf("SELECT pgraft_remove_node(%d)", at.NodeID))
	})
}

// addMember has a server that was removed join anew: its data is made from the primary's.
func addMember(w *world, ctx context.Context, at *member) error {
	defer at.leaves.Store(false)
	ctx, cancel := context.WithTimeout(ctx, backLimit)
	defer cancel()
	at.busy.Lock()
	defer at.busy.Unlock()
	if err := at.Set(map[string]string{"pgraft.failover_priority": pgcluster.Off}); err != nil {
		return err
	}
	conf, err := os.ReadFile(at.File("postgresql.conf"))
	if err != nil {
		return err
	}
	if err := errors.Join(at.Stop(ctx), os.RemoveAll(at.DataDir)); err != nil {
		return err
	}
	return wait.Until(ctx, fmt.Sprintf("node %d to join", at.NodeID), func(ctx context.Context) error { return w.join(ctx, at, conf) })
}

// join runs the command, on the server's machine, to its end. The settings come with the data, and
// are those of the other server: so what starts it puts its own ones there.
func (w *world) join(ctx context.Context, at *member, conf []byte) error {
	own := filepath.Join(filepath.Dir(at.DataDir), "own.conf")
	if err := os.WriteFile(own, conf, 0o644); err != nil {
		return err
	}
	by := w.primary()
	start := fmt.Sprintf("cp '%s' '%s' && '%s' -D '%s' -l '%s' -w start", own, at.File("postgresql.conf"), filepath.Join(at.Install.BinDir, "pg_ctl"), at.DataDir, at.LogPath)
	cmd, err := at.Pgraft(ctx, "join", fmt.Sprintf("host=%s port=%d user=postgres", by.Address(), by.Port), "-D", at.DataDir, "--bindir", at.Install.BinDir,
		"--node-id", strconv.Itoa(at.NodeID), "--address", at.Address(), "--port", strconv.Itoa(at.RaftPort), "--server-port", strconv.Itoa(at.Port), "--start", start)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := w.enter(at.NodeID, cmd.Start); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("pgraft join: %w\n%s", err, said.String())
	}
	return nil
}
