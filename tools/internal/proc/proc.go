// Package proc says what processes take from the machine, from Linux's /proc: CPU,
// CPUAll and Machine for processor time, Sleeps for changes of threads, PSS for memory,
// Written for what goes to disks.
package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is USER_HZ, 100 on every architecture that PostgreSQL runs on with Linux.
const tick = 10 * time.Millisecond

// CPU is the processor time that a process has used: from the scheduler, in
// nanoseconds per thread, or where the kernel does not say so, in hundredths of
// a second. What a thread used that has ended is not in it.
func CPU(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return ticks(pid, utime, stime)
	}
	var sum time.Duration
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanos, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		sum += time.Duration(nanos)
	}
	if sum == 0 {
		return ticks(pid, utime, stime)
	}
	return sum, nil
}

// CPUAll is the processor time of a process, of its threads that have ended and of
// its children that have. One that is gone took 0: its parent has its time. So the sum
// over a server's processes misses none. What runs is counted in nanoseconds, as
// hundreds of processes that use less than a tick each would not count otherwise; what
// has ended in hundredths of a second.
func CPUAll(pid int) (time.Duration, error) {
	running, err := CPU(pid)
	if err == nil {
		var coarse, ended time.Duration
		coarse, err = ticks(pid, utime, stime)
		if err == nil {
			ended, err = ticks(pid, cutime, cstime)
		}
		running = max(running, coarse) + ended // coarse has the threads that have ended
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, nil
	}
	return running, err
}

// Fields of /proc/PID/stat, counted from 0 behind the name: see proc(5).
const (
	utime  = 11
	stime  = 12
	cutime = 13
	cstime = 14
)

func ticks(pid int, fields ...int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	// the second field, the name, may hold spaces and parentheses: count from its end
	behind := text[strings.LastIndex(string(text), ") ")+len(") "):]
	used, err := sum(strings.Fields(string(behind)), fields...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return used, nil
}

func sum(all []string, fields ...int) (time.Duration, error) {
	var n int64
	for _, f := range fields {
		if f >= len(all) {
			return 0, fmt.Errorf("%d fields, want more than %d", len(all), f)
		}
		v, err := strconv.ParseInt(all[f], 10, 64)
		if err != nil {
			return 0, err
		}
		n += v
	}
	return time.Duration(n) * tick, nil
}

// Machine is the processor time that all processes and the kernel have used since
// the machine started, and what a hypervisor took away, over all processors.
func Machine() (used, stolen time.Duration, err error) {
	const path = "/proc/stat"
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, fmt.Errorf("processor time of the machine: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	all := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal ...
	if used, err = sum(all, 1, 2, 3, 6, 7); err == nil {
		stolen, err = sum(all, 8)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	return used, stolen, nil
}

// Sleeps is how often the threads of a process have waited for something: each time
// another thread got the processor, and it was woken later. Threads that have ended do
// not count.
func Sleeps(pid int) (int64, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("process %d has no threads: %w", pid, errors.Join(err, os.ErrNotExist))
	}
	var all int64
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, fmt.Errorf("sleeps of process %d: %w", pid, err)
		}
		_, after, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		line, _, _ := strings.Cut(after, "\n")
		n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		all += n
	}
	return all, nil
}

// PSS is the proportional set size of a process, in bytes: pages that several
// processes share count in part.
func PSS(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "Pss:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			return kb * 1024, nil
		}
	}
	return 0, fmt.Errorf("%s says no Pss", path)
}

// Written is how many bytes a process, and its children that have ended, had the kernel
// write to disks: whole pages, as a page is what is written. One that is gone wrote 0: its
// parent has what it wrote.
func Written(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/io", pid)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("what process %d has written: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == "write_bytes" {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s says no write_bytes", path)
}
