package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/tools/internal/wait"
)

// nextLimit is how long is waited for another primary, where one may have to be mended first.
const nextLimit = 10 * time.Second

// goneLimit is how long the processes of a server that was killed may take to end.
const goneLimit = 30 * time.Second

// killAll kills all processes of a server, also of one that stands still or is being made anew.
func (m *member) killAll() error {
	return wait.For(context.Background(), goneLimit, fmt.Sprintf("node %d to be gone", m.NodeID), func(context.Context) error {
		pids, err := m.Processes()
		if err != nil {
			return err
		}
		if pid, err := m.pid(); err == nil && m.owns(pid) {
			pids = append(pids, pid)
		}
		if len(pids) == 0 {
			return nil
		}
		return errors.Join(signalAll(pids, syscall.SIGKILL), fmt.Errorf("alive: %v", pids))
	})
}

// pid is the process id in the server's lock file, which that of a server being made anew stays.
func (m *member) pid() (int, error) {
	text, err := os.ReadFile(m.File("postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// owns says whether a process is this server's, or makes its data anew.
func (m *member) owns(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return pid > 1 && err == nil && strings.Contains(string(line), m.DataDir)
}

func signalAll(pids []int, sig syscall.Signal) (err error) {
	for _, pid := range pids {
		if e := syscall.Kill(pid, sig); e != nil && !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("process %d: %w", pid, e))
		}
	}
	return err
}

// startServer starts a server that does not run: as who looks after it does, again and again.
func startServer(w *world, ctx context.Context, at *member) error {
	at.busy.Lock()
	defer at.busy.Unlock()
	if w.net != nil {
		if err := w.heal(at.NodeID); err != nil {
			return err
		}
	}
	if running, err := at.Running(); err != nil || running {
		return err
	}
	return at.Start(ctx)
}

func killServer(_ *world, _ context.Context, at *member, _ time.Duration) error { return at.killAll() }

// killAndStart is the end of a fault in which the server dies; it is back a moment later.
func killAndStart(w *world, ctx context.Context, at *member) error {
	if err := at.killAll(); err != nil {
		return err
	}
	pause(ctx, time.Second)
	return startServer(w, ctx, at)
}

func killPostmaster(_ *world, _ context.Context, at *member, _ time.Duration) error {
	pid, err := at.pid()
	if err != nil || !at.owns(pid) {
		return errors.Join(err, errors.New("it does not run"))
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

func killEngine(_ *world, _ context.Context, at *member, _ time.Duration) error {
	return at.KillEngine()
}

// killBackend has PostgreSQL restart all sessions.
func killBackend(w *world, ctx context.Context, at *member, _ time.Duration) error {
	got, err := w.ask(ctx, at, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(got)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// stopServer has all of its processes stand still, and those that were being forked meanwhile.
func stopServer(_ *world, _ context.Context, at *member, _ time.Duration) (err error) {
	for range 2 {
		pids, e := at.Processes()
		err = errors.Join(err, e, signalAll(pids, syscall.SIGSTOP))
	}
	return err
}

func goOn(_ *world, _ context.Context, at *member) error {
	pids, err := at.Processes()
	return errors.Join(err, signalAll(pids, syscall.SIGCONT))
}

func stopEngine(_ *world, _ context.Context, at *member, _ time.Duration) error {
	return at.PauseEngine()
}

func stopWalsender(_ *world, _ context.Context, at *member, _ time.Duration) error {
	return at.stopKind("walsender")
}

func stopWalreceiver(_ *world, _ context.Context, at *member, _ time.Duration) error {
	return at.stopKind("walreceiver")
}

// stopKind stops one process of a kind, by its title.
func (m *member) stopKind(kind string) error {
	pids, err := m.Processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(title), kind) {
			return syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
	return fmt.Errorf("it has no %s", kind)
}

func shutFast(_ *world, ctx context.Context, at *member, _ time.Duration) error {
	at.busy.Lock()
	defer at.busy.Unlock()
	return at.Stop(ctx)
}

func shutImmediate(_ *world, ctx context.Context, at *member, _ time.Duration) error {
	at.busy.Lock()
	defer at.busy.Unlock()
	return at.StopImmediate(ctx)
}

// divergeAndKillRejoin kills the primary with WAL that nobody else has, starts it, and kills it
// again once it makes its data anew, some time into that.
func divergeAndKillRejoin(w *world, ctx context.Context, at *member, lasts time.Duration) error {
	n, _ := w.history.acknowledged()
	if _, err := at.Diverge(ctx); err != nil {
		return err
	}
	if err := w.acknowledges(ctx, nextLimit, n+20); err != nil {
		return err // nobody else may be primary
	}
	started := make(chan error, 1)
	go func() { started <- startServer(w, ctx, at) }()
	seen := at.said("pgraft rejoin: ")
	err := wait.For(ctx, goneLimit, fmt.Sprintf("node %d to make its data anew", at.NodeID), func(context.Context) error {
		if at.said("pgraft rejoin: ") == seen {
			return errors.New("it does not")
		}
		return nil
	})
	pause(ctx, lasts/10)
	return errors.Join(err, at.killAll(), ignore(<-started))
}

// said is how often the server's log has a text.
func (m *member) said(text string) int {
	log, err := os.ReadFile(m.LogPath)
	if err != nil {
		return 0
	}
	return strings.Count(string(log), text)
}

// ignore is for the start of a server that was killed as it started.
func ignore(error) error { return nil }
