package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// The killed primary comes back, takes over again, and what all have is compared.

// rewound is what the log of a server says whose data is made the primary's.
const rewound = "pgraft rejoin: rewinds its data onto the primary"

// comeBack starts the killed server, and waits until it follows and commits wait for it.
func (d *demo) comeBack(ctx context.Context) (string, error) {
	f := d.result.Failover
	began := time.Now()
	if err := d.killed.Start(ctx); err != nil {
		return "", err
	}
	if err := d.waitCounted(ctx, f.NewPrimary, f.Killed); err != nil {
		return "", err
	}
	f.BackSeconds = time.Since(began).Seconds()
	log, err := os.ReadFile(d.killed.LogPath)
	if err == nil && !strings.Contains(string(log), rewound) {
		err = fmt.Errorf("node %d follows, and its log does not say that its data was rewound\n%s", f.Killed, d.killed.LogTail(15))
	}
	return fmt.Sprintf("node %d is rewound, follows, and commits wait for it after %.2f s", f.Killed, f.BackSeconds), err
}

// switchOver makes the server that came back the primary again, and waits until the other one
// follows it.
func (d *demo) switchOver(ctx context.Context) (string, error) {
	f := d.result.Failover
	d.ledger.Pause() // from here on
	i := slices.IndexFunc(d.cluster.Servers, func(s *pgcluster.Server) bool { return s.NodeID != f.Killed && s.NodeID != f.NewPrimary })
	conn, err := d.cluster.Servers[i].Conn(ctx) // the primary's server stops
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SELECT pgraft_switchover($1::int)", f.Killed); err != nil {
		return "", fmt.Errorf("%w%s", err, d.logs())
	}
	target := d.server(f.Killed).Host()
	err = wait.For(ctx, electionLimit, fmt.Sprintf("node %d to acknowledge commits", f.Killed), func(context.Context) error {
		if ack, _ := d.ledger.Last(); ack.Server != target {
			return fmt.Errorf("node %d does; the sessions met %v", d.nodeAt(ack.Server), d.ledger.Errors())
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("%w%s", err, d.logs())
	}
	f.SwitchedTo, f.GapSeconds = f.Killed, d.ledger.Pause().Seconds()
	if err := d.waitCounted(ctx, f.SwitchedTo, f.NewPrimary); err != nil {
		return "", err
	}
	return fmt.Sprintf("node %d is the primary after %.2f s without a commit, and node %d follows", f.SwitchedTo, f.GapSeconds, f.NewPrimary), nil
}

// waitCounted waits until a primary counts a standby: commits wait for it.
func (d *demo) waitCounted(ctx context.Context, primary, standby int) error {
	err := wait.For(ctx, catchUpLimit, fmt.Sprintf("node %d to be counted", standby), func(ctx context.Context) error {
		rows, err := d.members(ctx, primary)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if int(r.NodeID) == standby && r.State == "streaming" && r.InSyncSet {
				return nil
			}
		}
		return fmt.Errorf("it is not:\n%s", failoverTable(rows))
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, d.server(standby).LogTail(15))
	}
	return nil
}

// members asks over a connection of its own: a promotion, and a restart, end others.
func (d *demo) members(ctx context.Context, node int) ([]sqlapi.Failover, error) {
	conn, err := d.server(node).Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	return sqlapi.StatFailover(ctx, conn)
}

// compareCommits compares what each server has with what the sessions know, once they have ended.
func (d *demo) compareCommits(ctx context.Context) (string, error) {
	d.stopWriters()
	f := d.result.Failover
	f.Errors = d.ledger.Errors()
	if err := d.connect(ctx, d.server(f.SwitchedTo)); err != nil {
		return "", err
	}
	var end string
	if err := d.conns[f.SwitchedTo].QueryRow(ctx, "SELECT pg_current_wal_flush_lsn()::text").Scan(&end); err != nil {
		return "", err
	}
	var err error
	if f.Commits, err = d.ledger.Check(ctx, d.conns[f.SwitchedTo]); err != nil {
		return "", err
	}
	err = f.Commits.Err()
	for _, s := range d.cluster.Servers {
		if s.NodeID != f.SwitchedTo {
			err = errors.Join(err, d.compareStandby(ctx, s.NodeID, end))
		}
	}
	return fmt.Sprintf("%d acknowledged commits, each there once, on %d servers", f.Commits.Acknowledged, len(d.cluster.Servers)), err
}

func (d *demo) compareStandby(ctx context.Context, node int, end string) error {
	if err := d.connect(ctx, d.server(node)); err != nil {
		return err
	}
	conn := d.conns[node]
	err := wait.For(ctx, catchUpLimit, fmt.Sprintf("node %d to have replayed %s", node, end), func(ctx context.Context) error {
		return replayed(ctx, conn, end)
	})
	if err != nil {
		return err
	}
	found, err := d.ledger.Check(ctx, conn)
	if err == nil && found != d.result.Failover.Commits {
		err = fmt.Errorf("it has %+v, and the primary %+v", found, d.result.Failover.Commits)
	}
	if err != nil {
		return fmt.Errorf("node %d: %w", node, err)
	}
	return nil
}

// replayed is nil once a standby has replayed WAL up to an LSN.
func replayed(ctx context.Context, conn *pgx.Conn, end string) error {
	var at string
	var done bool
	err := conn.QueryRow(ctx, "SELECT pg_last_wal_replay_lsn()::text, pg_last_wal_replay_lsn() >= $1::pg_lsn", end).Scan(&at, &done)
	if err == nil && !done {
		err = fmt.Errorf("it is at %s", at)
	}
	return err
}

func (d *demo) showFailover(ctx context.Context) (_ string, err error) {
	f := d.result.Failover
	if f.Members, err = d.members(ctx, f.SwitchedTo); err != nil {
		return "", err
	}
	d.ui.after(failoverTable(f.Members))
	return "", nil
}
