package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process takes from the machine.
type Usage struct {
	CPU      float64 // share of one core, 0.01 = one per cent
	PSSBytes int64   // proportional set size: shared pages count in part
}

// MeasureEngine watches the engine worker for the interval and says what it
// took. Nothing should be asked of the server meanwhile.
func (s *Server) MeasureEngine(ctx context.Context, interval time.Duration) (Usage, error) {
	pid, err := s.EngineWorker()
	if err != nil {
		return Usage{}, err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return Usage{}, err
	}
	began := time.Now()
	select { // the interval is what is measured, not a guess at when something is done
	case <-time.After(interval):
	case <-ctx.Done():
		return Usage{}, ctx.Err()
	}
	after, err := cpuTime(pid)
	if err != nil {
		return Usage{}, err
	}
	usage := Usage{CPU: float64(after-before) / float64(time.Since(began))}
	usage.PSSBytes, err = pss(pid)
	return usage, err
}

// cpuTime is the processor time that a process has used: from the scheduler, in
// nanoseconds per thread, or where the kernel does not say so, in hundredths of
// a second.
func cpuTime(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return cpuTicks(pid)
	}
	var sum time.Duration
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, fmt.Errorf("pgcluster: processor time of %d: %w", pid, err)
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanos, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("pgcluster: %s: %w", path, err)
		}
		sum += time.Duration(nanos)
	}
	if sum == 0 {
		return cpuTicks(pid)
	}
	return sum, nil
}

// cpuTicks is utime and stime of /proc/PID/stat, in USER_HZ, which is 100 on
// every architecture that PostgreSQL runs on with Linux.
func cpuTicks(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("pgcluster: processor time of %d: %w", pid, err)
	}
	// the second field, the name, may hold spaces: count from its end
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const utime, stime = 11, 12
	if len(fields) <= stime {
		return 0, fmt.Errorf("pgcluster: %s: %d fields", path, len(fields))
	}
	var ticks int64
	for _, f := range []int{utime, stime} {
		n, err := strconv.ParseInt(fields[f], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("pgcluster: %s: %w", path, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// pss is the proportional set size of a process, in bytes.
func pss(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("pgcluster: memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "Pss:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("pgcluster: %s: %w", path, err)
			}
			return kb * 1024, nil
		}
	}
	return 0, fmt.Errorf("pgcluster: %s says no Pss", path)
}
