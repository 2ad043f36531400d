package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// filler takes the room on a server's disk.
func (m *member) filler() string { return filepath.Join(filepath.Dir(m.DataDir), "filler") }

// fillDisk leaves no room on the server's disk, where its data, its WAL, the Raft store and its log
// are.
func fillDisk(_ *world, _ context.Context, at *member, _ time.Duration) error {
	f, err := os.OpenFile(at.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		n, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC) && n == 0:
			size /= 2
		case err != nil && !errors.Is(err, syscall.ENOSPC):
			return err
		}
	}
	return nil
}

func emptyDisk(w *world, ctx context.Context, at *member) error {
	if err := os.Remove(at.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return startServer(w, ctx, at) // PostgreSQL ends if it cannot write WAL
}

// slowDisk has each fsync of the server's processes take longer, by strace, which also slows these
// system calls themselves.
func slowDisk(w *world, _ context.Context, at *member, lasts time.Duration) error {
	pids, err := at.Processes()
	if err != nil {
		return err
	}
	longer := 20*time.Millisecond + lasts/30
	args := []string{"-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", fmt.Sprintf("inject=fsync,fdatasync:delay_exit=%d", longer.Microseconds())}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	w.say("each fsync of node %d takes %v longer", at.NodeID, longer)
	cmd := exec.Command("strace", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.straces = append(w.straces, cmd)
	return nil
}

// endSlowDisk ends all slow disks.
func endSlowDisk(w *world, _ context.Context, _ *member) error {
	w.mu.Lock()
	all := w.straces
	w.straces = nil
	w.mu.Unlock()
	var errs []error
	for _, cmd := range all {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
		cmd.Wait() // that it was ended by a signal says nothing
	}
	return errors.Join(errs...)
}

// tidies removes what clones left, as who looks after the servers does: their disks are small.
func (w *world) tidies() error {
	for _, m := range w.members {
		old, err := filepath.Glob(m.DataDir + ".pgraft_old_*")
		if err != nil {
			return err
		}
		for _, dir := range old {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
		if err := m.cutLog(); err != nil {
			return err
		}
	}
	return nil
}

// maxLog is how long a server's log may be on its small disk, in bytes.
const maxLog = 100 << 20

// cutLog keeps the last half of a log that is too long.
func (m *member) cutLog() error {
	info, err := os.Stat(m.LogPath)
	if err != nil || info.Size() < maxLog {
		return err
	}
	text, err := os.ReadFile(m.LogPath)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text[len(text)/2:]), "\n")
	return os.WriteFile(m.LogPath, []byte(rest), 0o600) // those that write append
}
