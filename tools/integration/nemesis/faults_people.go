package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// removeMember takes a standby out of the sync set, and then out of the cluster.
func removeMember(w *world, ctx context.Context, at *member, lasts time.Duration) error {
	if err := priorityZero(w, ctx, at, lasts); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	return wait.Until(ctx, fmt.Sprintf("node %d to be removed", at.NodeID), func(ctx context.Context) error {
		return w.asks(ctx, fmt.Sprintf("SELECT pgraft_remove_node(%d)", at.NodeID))
	})
}

// addMember makes a new member of a server that was removed, with the data that it has.
func addMember(w *world, ctx context.Context, at *member) error {
	if err := priorityBack(w, ctx, at); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, backLimit)
	defer cancel()
	count := fmt.Sprintf("SELECT count(*) = 0 FROM pgraft_get_nodes() WHERE node_id = %d", at.NodeID)
	if err := w.asks(ctx, count); err != nil {
		return nil // it was not removed
	}
	if err := w.until(ctx, at, "SELECT pgraft_get_worker_state()", "stopped"); err != nil {
		return err
	}
	at.busy.Lock()
	defer at.busy.Unlock()
	err := errors.Join(at.Stop(ctx), os.RemoveAll(at.File("pgraft")), os.RemoveAll(at.File("pgraft.initialized")), at.Start(ctx))
	if err != nil {
		return err
	}
	if err := w.until(ctx, at, "SELECT pgraft_init(false)", "t"); err != nil {
		return err
	}
	return wait.Until(ctx, fmt.Sprintf("node %d to be added", at.NodeID), func(ctx context.Context) error {
		return w.asks(ctx, fmt.Sprintf("SELECT pgraft_add_node(%d, '%s', %d)", at.NodeID, at.Address(), at.RaftPort))
	})
}
