package join

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// How long the server may take to start, its node to listen, and a leader to be found.
const (
	startLimit  = 10 * time.Minute
	listenLimit = time.Minute
	leaderLimit = 10 * time.Second
)

// starts the server, unless it runs already.
func (j *joiner) starts(ctx context.Context) error {
	if j.exec(ctx, filepath.Join(j.BinDir, "pg_ctl"), "status", "-D", j.DataDir) == nil {
		return j.at(stageStarted)
	}
	j.say("starts the server")
	var err error
	if j.Start != "" {
		err = j.exec(ctx, "/bin/sh", "-c", j.Start)
	} else {
		args := []string{"start", "-w", "-t", strconv.Itoa(int(startLimit.Seconds())), "-D", j.DataDir, "-l", j.LogFile}
		if j.ConfigFile != "" {
			args = append(args, "-o", "-c config_file="+j.ConfigFile)
		}
		err = j.exec(ctx, filepath.Join(j.BinDir, "pg_ctl"), args...)
	}
	if err != nil {
		return fmt.Errorf("the server does not start: %w%s", err, j.logTail())
	}
	return j.at(stageStarted)
}

// exec runs a program that prints nothing of interest, unless it fails. What it leaves running
// does not hold on to its output.
func (j *joiner) exec(ctx context.Context, name string, args ...string) error {
	out, err := os.CreateTemp("", "pgraft-join-")
	if err != nil {
		return err
	}
	defer out.Close()
	if err := os.Remove(out.Name()); err != nil { // nothing is left of it, whatever happens
		return err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		_, seek := out.Seek(0, io.SeekStart)
		text, read := io.ReadAll(out)
		return errors.Join(fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(string(text))), seek, read)
	}
	return nil
}

// logTail is the end of the server's log, for an error.
func (j *joiner) logTail() string {
	text, err := os.ReadFile(j.LogFile)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return "\n" + err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return "\n" + strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// adds the node, on the leader, which looks at it first.
func (j *joiner) adds(ctx context.Context) error {
	s := &j.state
	listens := s.Address
	err := wait.For(ctx, listenLimit, fmt.Sprintf("the node to listen at %s", address(listens, s.Port)), func(context.Context) error {
		conn, err := net.DialTimeout("tcp", address(listens, s.Port), dialLimit)
		if err == nil {
			conn.Close() // it said nothing
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, j.logTail())
	}
	j.say("adds node %d at %s to the cluster", s.NodeID, address(s.Address, s.Port))
	err = wait.For(ctx, leaderLimit, "the leader to add the node", func(ctx context.Context) error {
		leader, err := j.leader(ctx)
		if err != nil {
			return err
		}
		defer func() {
			if leader != j.conn {
				leader.Close(ctx)
			}
		}()
		_, err = sqlapi.AddNode(ctx, leader, int(s.NodeID), s.Address, s.Port)
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) && (pgErr.Code == "42501" || strings.HasPrefix(pgErr.Code, "427") || strings.HasPrefix(pgErr.Code, "22")) {
			return fmt.Errorf("%w: %w", explained(err, leader), wait.ErrHopeless)
		}
		if err != nil {
			return explained(err, leader)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return j.at(stageAdded)
}

// leader is a session on the server whose node leads: mostly the primary. Elsewhere it is one of
// the targets, or a server at the leader's address with the primary's port.
func (j *joiner) leader(ctx context.Context) (*pgx.Conn, error) {
	id, err := sqlapi.Leader(ctx, j.conn)
	if err != nil {
		return nil, j.again(ctx, explained(err, j.conn))
	}
	if uint32(id) == j.cluster.node {
		return j.conn, nil
	}
	var tries []conninfo
	for _, target := range j.Targets {
		if via, err := parseConninfo(target); err == nil {
			tries = append(tries, via.at(via.values["host"], via.values["port"], "dbname", j.cluster.via.values["dbname"]))
		}
	}
	for _, m := range j.cluster.members {
		if m.NodeID == id {
			tries = append(tries, j.cluster.via.at(m.Address, strconv.Itoa(j.cluster.reached), "dbname", j.cluster.via.values["dbname"]))
		}
	}
	for _, via := range tries {
		conn, err := via.connect(ctx, false)
		if err != nil {
			continue
		}
		if leads, err := sqlapi.IsLeader(ctx, conn); err == nil && leads {
			return conn, nil
		}
		conn.Close(ctx)
	}
	return nil, fmt.Errorf("node %d leads, and its server was not found: name it, too, or hand leadership over to node %d there, with SELECT pgraft_transfer_leadership(%d)", id, j.cluster.node, j.cluster.node)
}

// waits until the server streams, and with failover until commits wait for it.
func (j *joiner) waits(ctx context.Context) error {
	if !j.cluster.failsOver() {
		j.say("waits until the server streams")
		return wait.For(ctx, j.Timeout, "the server to stream", func(ctx context.Context) error {
			var there bool
			err := j.conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'", j.standbyName()).Scan(&there)
			if err == nil && !there {
				err = errors.New("the primary does not show it" + j.logTail())
			}
			return err
		})
	}
	j.say("waits until the server streams and commits wait for it")
	err := wait.For(ctx, j.Timeout, "commits to wait for the server", func(ctx context.Context) error {
		var state, durability string
		var counted bool
		var why *string
		err := j.conn.QueryRow(ctx, `SELECT state, in_sync_set, why_not, (SELECT durability FROM pgraft_failover_settings()) FROM pgraft_stat_failover WHERE node_id = $1`, j.state.NodeID).
			Scan(&state, &counted, &why, &durability)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errors.New("the primary does not know it yet")
		case err != nil:
			return j.again(ctx, err)
		case state == "streaming" && (counted || durability == "async"):
			j.state.Counted = counted
			return nil
		case why != nil:
			return fmt.Errorf("its state is %s: %s", state, *why)
		}
		return fmt.Errorf("its state is %s", state)
	})
	return err
}

// again looks for the primary anew where its session has ended: there may be another one.
func (j *joiner) again(ctx context.Context, err error) error {
	if !j.conn.IsClosed() {
		return err
	}
	return errors.Join(err, j.finds(ctx))
}
