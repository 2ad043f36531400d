//go:build integration

package facts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/pgraft/pgraft/tools/internal/wait"
)

// process is the pid of the server's process of this kind. It waits until there is one: a
// server takes connections before its background writer has begun.
func (s *server) process(kind string) int {
	s.w.t.Helper()
	var pid int
	must(s.w.t, wait.Until(s.w.ctx, s.name+": the pid of its "+kind, func(ctx context.Context) error {
		text, err := s.try(ctx, "SELECT pid FROM pg_stat_activity WHERE backend_type = '"+kind+"'")
		if err == nil {
			_, err = fmt.Sscan(text, &pid)
		}
		return err
	}))
	return pid
}

// freeze stops one of the server's processes, as a debugger would, and returns its pid.
// It waits until the process has stopped: until then it takes other signals.
func (s *server) freeze(kind string) int {
	s.w.t.Helper()
	pid := s.process(kind)
	s.freezePID(pid)
	return pid
}

func (s *server) freezePID(pid int) {
	s.w.t.Helper()
	must(s.w.t, syscall.Kill(pid, syscall.SIGSTOP))
	s.cold = append(s.cold, pid)
	must(s.w.t, wait.Until(s.w.ctx, fmt.Sprintf("process %d to stop", pid), func(context.Context) error {
		state, err := status(pid, "State")
		if err == nil && !strings.HasPrefix(state, "T") {
			err = fmt.Errorf("it is %s", state)
		}
		return err
	}))
}

// status is a line of what Linux says of a process, without its name.
func status(pid int, name string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut("\n"+string(text), "\n"+name+":\t")
	if !ok {
		return "", fmt.Errorf("process %d has no %s", pid, name)
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line, nil
}

// waitReaped waits until a process has ended and its parent knows.
func (w *world) waitReaped(pid int) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("process %d to be reaped", pid), func(context.Context) error {
		state, err := status(pid, "State")
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err == nil {
			err = fmt.Errorf("it is %s", state)
		}
		return err
	}))
}

// thaw lets all go on that freeze has stopped, but for those that are gone.
func (s *server) thaw() {
	s.w.t.Helper()
	for _, pid := range s.cold {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.w.t.Fatal(err)
		}
	}
	s.cold = nil
}

// crash kills one of the server's processes, and waits until the server has ended for
// it: restart_after_crash is off there.
func (s *server) crash(pid int) {
	s.w.t.Helper()
	must(s.w.t, syscall.Kill(pid, syscall.SIGKILL))
	s.ended()
}

// ended waits until the server has ended by itself.
func (s *server) ended() {
	s.w.t.Helper()
	s.thaw() // it waits for all of its processes
	must(s.w.t, wait.Until(s.w.ctx, s.name+" to end", func(context.Context) error {
		running, err := s.Running()
		if err == nil && running {
			err = errors.New("it runs")
		}
		return err
	}))
}

// log is the server's log from an offset on.
func (s *server) log(from int64) string {
	s.w.t.Helper()
	text, err := os.ReadFile(s.LogPath)
	must(s.w.t, err)
	return string(text[min(from, int64(len(text))):])
}

func (s *server) logSize() int64 {
	s.w.t.Helper()
	n, err := s.LogSize()
	must(s.w.t, err)
	return n
}

// waitLog waits until words stand in the log, from an offset on, n times.
func (s *server) waitLog(from int64, words string, n int) {
	s.w.t.Helper()
	must(s.w.t, wait.Until(s.w.ctx, fmt.Sprintf("%s to log %q %d times", s.name, words, n), func(context.Context) error {
		if found := strings.Count(s.log(from), words); found < n {
			return fmt.Errorf("%d times", found)
		}
		return nil
	}))
}

// startStuck starts a server as a standby of nobody that will never take connections, and
// waits until its log says some words.
func (s *server) startStuck(words string) {
	s.w.t.Helper()
	s.set("primary_conninfo", "")
	s.put("standby.signal", nil)
	var size int64
	if _, err := os.Stat(s.LogPath); err == nil {
		size = s.logSize()
	}
	ctx, cancel := context.WithCancel(s.w.ctx)
	started := make(chan error, 1)
	go func() { started <- s.Start(ctx) }() // which waits for a connection
	err := wait.Until(ctx, fmt.Sprintf("%s to log %q", s.name, words), func(context.Context) error {
		select {
		case err := <-started:
			return fmt.Errorf("it takes connections, or has ended: %w: %w", err, wait.ErrHopeless)
		default:
		}
		text, err := os.ReadFile(s.LogPath)
		if err == nil && !strings.Contains(string(text[min(size, int64(len(text))):]), words) {
			err = errors.New("not yet")
		}
		return err
	})
	cancel()
	must(s.w.t, err)
	if err := <-started; !errors.Is(err, context.Canceled) {
		s.w.t.Fatalf("%s: %v", s.name, err)
	}
}

// freezeIdle stops the startup process while it waits for WAL, and returns its pid. When
// it goes on, it looks for a promotion before it looks for history files.
func (s *server) freezeIdle() int {
	s.w.t.Helper()
	for {
		s.until(idle, "RecoveryRetrieveRetryInterval")
		pid := s.freeze("startup")
		if s.sql(idle) == "RecoveryRetrieveRetryInterval" {
			return pid
		}
		s.thaw()
	}
}

// signalPostmaster is how the engine promotes: with the file promote, and SIGUSR1.
func (s *server) signalPostmaster(sig syscall.Signal) {
	s.w.t.Helper()
	must(s.w.t, syscall.Kill(s.postmaster(), sig))
}

// postmaster is the pid of the server itself. Frozen, the server takes no connections, and
// those that are there go on.
func (s *server) postmaster() int {
	s.w.t.Helper()
	var pid int
	if _, err := fmt.Sscan(string(s.get("postmaster.pid")), &pid); err != nil {
		s.w.t.Fatalf("%s: postmaster.pid: %v", s.name, err)
	}
	return pid
}

// waitPending waits until a signal has reached a process that is stopped.
func (w *world) waitPending(pid int, sig syscall.Signal) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("process %d to get %v", pid, sig), func(context.Context) error {
		text, err := status(pid, "ShdPnd")
		if err != nil {
			return err
		}
		pending, err := strconv.ParseUint(text, 16, 64)
		if err == nil && pending&(1<<(sig-1)) == 0 {
			err = fmt.Errorf("pending are %x", pending)
		}
		return err
	}))
}
