package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// witness is the command pgraft node, as a process.
type witness struct {
	w   *world
	at  *pgcluster.Server // its place; there is no server
	cmd *exec.Cmd         // nil: it does not run
}

// addWitness makes a member without a server.
func (w *world) addWitness(ctx context.Context, by *member) error {
	s, err := w.cluster.AddEmpty()
	if err != nil {
		return err
	}
	w.witness = &witness{w: w, at: s}
	if err := w.witness.start(); err != nil {
		return err
	}
	if err := w.until(ctx, by, fmt.Sprintf("SELECT pgraft_add_node(%d, '%s', %d)", s.NodeID, s.Address(), s.RaftPort), "t"); err != nil {
		return err // it does not listen at once
	}
	return w.until(ctx, by, fmt.Sprintf("SELECT role FROM pgraft_stat_failover WHERE node_id = %d", s.NodeID), "witness")
}

func (x *witness) start() error {
	if x.cmd != nil {
		return nil
	}
	cmd, err := x.at.Pgraft(context.Background(), "node", "--cluster-id", pgcluster.DefaultClusterID, "--node-id", strconv.Itoa(x.at.NodeID), "--address", x.at.Address(),
		"--port", strconv.Itoa(x.at.RaftPort), "--data-dir", filepath.Join(filepath.Dir(x.at.DataDir), "witness"), "--http", "", "--log-level", "debug")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(x.at.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the witness has its own descriptor by then
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := x.w.enter(x.at.NodeID, cmd.Start); err != nil {
		return err
	}
	x.cmd = cmd
	return nil
}

func (x *witness) signal(sig syscall.Signal) error {
	if x.cmd == nil {
		return errors.New("it does not run")
	}
	return x.cmd.Process.Signal(sig)
}

func (x *witness) kill() error {
	if x.cmd == nil {
		return nil
	}
	err := x.signal(syscall.SIGKILL)
	x.cmd.Wait() // that it was killed is known
	x.cmd = nil
	return err
}

func killWitness(w *world, _ context.Context, _ *member, _ time.Duration) error {
	return w.witness.kill()
}

func startWitness(w *world, _ context.Context, _ *member) error { return w.witness.start() }

func stopWitness(w *world, _ context.Context, _ *member, _ time.Duration) error {
	return w.witness.signal(syscall.SIGSTOP)
}

func goOnWitness(w *world, _ context.Context, _ *member) error {
	return w.witness.signal(syscall.SIGCONT)
}
