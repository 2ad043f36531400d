package pgcluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/tools/internal/wait"
)

// signal sends sig to one process; one that is gone already is no error.
func signal(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %v to process %d: %w", sig, pid, err)
	}
	return nil
}

// postmasterPID is the pid of the server that owns dataDir, 0 if none runs. A
// pid file of a dead server, whose pid may be anyone's by now, counts as none.
func postmasterPID(dataDir string) (int, error) {
	lines, err := pidFile(dataDir)
	if err != nil || len(lines) == 0 {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return 0, fmt.Errorf("pgcluster: %s: %w", filepath.Join(dataDir, "postmaster.pid"), err)
	}
	if !worksIn(pid, dataDir) {
		return 0, nil
	}
	return pid, nil
}

// postmasterReady says whether the server has come so far as to let clients in.
func postmasterReady(dataDir string) (bool, error) {
	const statusLine = 7 // LOCK_FILE_LINE_PM_STATUS of miscadmin.h, from 0
	lines, err := pidFile(dataDir)
	return len(lines) > statusLine && strings.TrimSpace(lines[statusLine]) == "ready", err
}

func pidFile(dataDir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(text) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pgcluster: %w", err)
	}
	return strings.Split(string(text), "\n"), nil
}

// worksIn says whether a live process has dir as its working directory, as all
// processes of a PostgreSQL server have their data directory.
func worksIn(pid int, dir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && cwd == dir // an error: not there, a zombie, or not ours
}

// Processes lists the server's processes that are alive.
func (s *Server) Processes() ([]int, error) { return serverProcesses(s.DataDir) }

// serverProcesses lists the live processes of the server that owns dataDir,
// also when its postmaster is gone.
func serverProcesses(dataDir string) ([]int, error) {
	dir, err := filepath.EvalSymlinks(dataDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pgcluster: %w", err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("pgcluster: list processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && worksIn(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// destroyIn ends every process of the server that owns dataDir: by an immediate
// shutdown, with which the postmaster removes its shared memory, then by SIGKILL.
func destroyIn(ctx context.Context, dataDir string) error {
	pid, err := postmasterPID(dataDir)
	if err != nil {
		return err
	}
	if pid != 0 {
		if err := signalAll(dataDir, syscall.SIGCONT); err != nil { // a paused worker notices nothing
			return err
		}
		if err := signal(pid, syscall.SIGQUIT); err != nil {
			return err
		}
		if err := waitNone(ctx, immediateLimit, dataDir, 0); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return waitNone(ctx, stopLimit, dataDir, syscall.SIGKILL)
}

// waitNone waits until no process of the server is alive, and sends each that
// is sig over and over, unless sig is 0: one may just be being forked.
func waitNone(ctx context.Context, limit time.Duration, dataDir string, sig syscall.Signal) error {
	return wait.For(ctx, limit, "the processes in "+dataDir+" to end", func(context.Context) error {
		pids, err := serverProcesses(dataDir)
		if err != nil || len(pids) == 0 {
			return err
		}
		if sig != 0 {
			if err := signalAll(dataDir, sig); err != nil {
				return fmt.Errorf("%w: %w", err, wait.ErrHopeless)
			}
		}
		return fmt.Errorf("alive: %v", pids)
	})
}

func signalAll(dataDir string, sig syscall.Signal) error {
	pids, err := serverProcesses(dataDir)
	for _, pid := range pids {
		err = errors.Join(err, signal(pid, sig))
	}
	return err
}

// engineLibrary is loaded by the engine worker and by no other process.
const engineLibrary = "pgraft_engine.so"

// errNoEngine says that no process of the server has the engine loaded.
var errNoEngine = errors.New("no engine worker runs")

// EngineWorker is the pid of the server's engine worker: the process that has
// the engine's library mapped.
func (s *Server) EngineWorker() (int, error) {
	pids, err := serverProcesses(s.DataDir)
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		mapped, err := mapsEngine(pid)
		if err != nil {
			return 0, err
		}
		if mapped {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("node %d: %w", s.NodeID, errNoEngine)
}

// mapsEngine says whether a process has the engine's library in its address space.
func mapsEngine(pid int) (bool, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil // it has ended meanwhile
	}
	if err != nil {
		return false, fmt.Errorf("pgcluster: look into process %d: %w", pid, err)
	}
	scan := bufio.NewScanner(bytes.NewReader(text))
	for scan.Scan() {
		if strings.HasSuffix(scan.Text(), "/"+engineLibrary) {
			return true, nil
		}
	}
	return false, scan.Err()
}

// WaitEngineWorker waits until the server has an engine worker other than pid
// before (0: any), and returns its pid.
func (s *Server) WaitEngineWorker(ctx context.Context, before int) (pid int, err error) {
	what := fmt.Sprintf("an engine worker of node %d", s.NodeID)
	err = wait.For(ctx, startLimit, what, func(context.Context) error {
		if pid, err = s.EngineWorker(); err != nil {
			return err
		}
		if pid == before {
			return fmt.Errorf("process %d is still the old one", pid)
		}
		return nil
	})
	return pid, err
}

// PauseEngine stops the engine worker as a debugger would, and ResumeEngine lets
// it go on. KillEngine kills it, EndEngine asks it to end as the server does.
func (s *Server) PauseEngine() error  { return s.signalEngine(syscall.SIGSTOP) }
func (s *Server) ResumeEngine() error { return s.signalEngine(syscall.SIGCONT) }
func (s *Server) KillEngine() error   { return s.signalEngine(syscall.SIGKILL) }
func (s *Server) EndEngine() error    { return s.signalEngine(syscall.SIGTERM) }

func (s *Server) signalEngine(sig syscall.Signal) error {
	pid, err := s.EngineWorker()
	if err != nil {
		return err
	}
	return signal(pid, sig)
}
