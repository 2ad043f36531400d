package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// receivewal is PostgreSQL's program that keeps WAL of a server's. It is not in every installation.
const receivewal = "pg_receivewal"

// impostor cuts the primary off from its standbys, and has pg_receivewal call itself as one of them
// did: its disk is nobody's who could be primary. A commit is not acknowledged for it; but
// PostgreSQL's own wait, which goes by names alone, ends, and the row is shown. So an anomaly that
// says so is right, and the kind is for the trials.
func impostor(w *world, ctx context.Context, at *member, lasts time.Duration) error {
	name, err := w.ask(ctx, at, "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'quorum' LIMIT 1")
	if err != nil || name == "" {
		return errors.Join(err, errors.New("nobody streams from it"))
	}
	if err := cutStreams(w, ctx, at, lasts); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(w.cluster.Dir), "pgraft-nemesis-")
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(at.Install.BinDir, receivewal), "--synchronous", "-D", dir,
		"-d", fmt.Sprintf("host=%s port=%d user=postgres application_name=%s", filepath.Dir(at.DataDir), at.Port, name))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.impostors = append(w.impostors, func() error {
		err := cmd.Process.Kill()
		cmd.Wait() // that it was killed is known
		return errors.Join(err, os.RemoveAll(dir))
	})
	return nil
}

// endImpostor ends all of them behind the primary.
func endImpostor(w *world, ctx context.Context, at *member) error {
	return errors.Join(at.killAll(), w.endImpostors(), killAndStart(w, ctx, at))
}

func (w *world) endImpostors() (err error) {
	w.mu.Lock()
	all := w.impostors
	w.impostors = nil
	w.mu.Unlock()
	for _, end := range all {
		err = errors.Join(err, end())
	}
	return err
}
