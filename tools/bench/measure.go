package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/tools/bench/internal/limits"
	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/bench"
	"github.com/pgraft/pgraft/tools/internal/proc"
)

// maxElections is how often a cell is measured again because another server began to
// lead meanwhile.
const maxElections = 3

// errElection says that a measurement is worth nothing.
var errElection = errors.New("another server became the leader")

// usage is what had been used of the processors at an instant, by part.
type usage map[string]time.Duration

// meter reads usages; processes are those of the measured system.
type meter struct {
	processes func() (map[string][]int, error)
	read      []usage // one for each edge of the window
	disk      bool    // read what the servers write
	written   []int64 // bytes, one for each edge
}

func (m *meter) edge() error {
	parts, err := m.processes()
	if err != nil {
		return err
	}
	u, read := usage{}, map[int]time.Duration{} // a process is read once, whatever parts it is of
	for part, pids := range parts {
		for _, pid := range pids {
			used, ok := read[pid]
			if !ok {
				if used, err = proc.CPUAll(pid); err != nil {
					return err
				}
				read[pid] = used
			}
			u[part] += used
		}
	}
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return fmt.Errorf("own processor time: %w", err)
	}
	u[record.Client] = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	all, stolen, err := proc.Machine()
	if err != nil {
		return err
	}
	u[record.Stolen], u[record.Others] = stolen, all-u[record.Servers]-u[record.Client]
	m.read = append(m.read, u)
	if !m.disk {
		return nil
	}
	var written int64
	for _, pid := range parts[record.Servers] {
		n, err := proc.Written(pid)
		if err != nil {
			return err
		}
		written += n
	}
	m.written = append(m.written, written)
	return nil
}

// cpu is what was used between the edges, in seconds, by part.
func (m *meter) cpu() map[string]float64 {
	used := map[string]float64{}
	for part, end := range m.read[1] {
		used[part] = max(0, (end - m.read[0][part]).Seconds()) // the machine's is read a moment after the others
	}
	return used
}

func memory(parts map[string][]int) (map[string]int64, error) {
	used := map[string]int64{}
	for part, pids := range parts {
		for _, pid := range pids {
			n, err := proc.PSS(pid)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
				continue // one that has ended uses none
			}
			if err != nil {
				return nil, err
			}
			used[part] += n
		}
	}
	return used, nil
}

// measure measures a cell of a system, again if it elected another leader meanwhile.
func (b *benchmark) measure(ctx context.Context, c record.Cell) (record.Sample, error) {
	switch {
	case c.System == record.Machine:
		return b.measureMachine(ctx, c)
	case record.Strikes(c.Operation):
		return b.strike(ctx, c)
	case c.Operation == record.Held:
		return b.hold(ctx, c)
	}
	measure := b.measureSystem
	if c.Operation == record.CatchUp {
		measure = b.catchUp
	}
	for try := 1; ; try++ {
		s, err := measure(ctx, c)
		if !errors.Is(err, errElection) || try == maxElections {
			return s, err
		}
		b.say("again, as %v ... ", err)
	}
}

func (b *benchmark) measureSystem(ctx context.Context, c record.Cell) (record.Sample, error) {
	sys, err := b.system(ctx, c)
	if err != nil {
		return record.Sample{}, err
	}
	epoch, err := sys.Epoch(ctx)
	if err != nil {
		return record.Sample{}, err
	}
	ledger, err := systems.NewLedger(c.Sessions, max(c.Bytes, systems.KeyBytes))
	if err != nil {
		return record.Sample{}, err
	}
	if err := sys.Mark(ctx); err != nil {
		return record.Sample{}, err
	}
	s, err := b.load(ctx, c, sys, ledger)
	if err != nil {
		return record.Sample{}, err
	}
	if c.Operation == record.Write {
		if err := sys.Check(ctx, ledger); err != nil {
			return record.Sample{}, err
		}
		s.Verified = ledger.Acknowledged()
		if err := sys.Clean(ctx, ledger); err != nil {
			return record.Sample{}, err
		}
	}
	if after, err := sys.Epoch(ctx); err != nil {
		return record.Sample{}, err
	} else if after != epoch {
		return record.Sample{}, fmt.Errorf("%w: %s, then %s", errElection, epoch, after)
	}
	return s, nil
}

// load opens the sessions, lets them run and closes them.
func (b *benchmark) load(ctx context.Context, c record.Cell, sys systems.System, ledger *systems.Ledger) (s record.Sample, err error) {
	open, err := openAll(ctx, c, sys, ledger, 0)
	defer func() { err = errors.Join(err, closeAll(ctx, open)) }()
	if err != nil {
		return s, err
	}
	sessions := make([]bench.Session, len(open))
	for i, s := range open {
		sessions[i] = s
	}
	if c.Operation == record.Write {
		sessions = noteAll(open, ledger, 0, nil)
	}
	s, err = b.drive(ctx, c, sessions, sys.Processes)
	if err != nil {
		return s, err
	}
	parts, err := sys.Processes()
	if err != nil {
		return s, err
	}
	s.Memory, err = memory(parts)
	return s, err
}

// drive measures sessions that are connected. What was written before is on the disk
// by then, so that each measurement begins alike.
func (b *benchmark) drive(ctx context.Context, c record.Cell, sessions []bench.Session, processes func() (map[string][]int, error)) (record.Sample, error) {
	if err := b.settle(); err != nil {
		return record.Sample{}, err
	}
	m := &meter{processes: processes, disk: b.written}
	taken, length, err := bench.Drive(ctx, bench.Window{Warmup: b.warmup, Length: b.window, Edge: m.edge, Kind: systems.Failure}, sessions)
	if err != nil {
		return record.Sample{}, err
	}
	all := bench.Sum(taken)
	s := record.Sample{Cell: c, At: now(), Seconds: length.Seconds(), Operations: len(all.Took),
		Failed: all.Failed, CPU: m.cpu()}
	if b.written {
		s.Written = m.written[1] - m.written[0]
	}
	if len(sessions) > 0 && s.Operations == 0 {
		if all.Last == nil {
			all.Last = fmt.Errorf("none ended within %s", length)
		}
		return s, fmt.Errorf("no operation succeeded; the last error: %w", all.Last)
	}
	s.PerSecond = float64(s.Operations) / s.Seconds
	s.Latency = bench.LatencyOf(all.Took)
	return s, nil
}

// now is when a sample was taken.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// syncFileSystem writes back what the file system of a directory still holds in memory.
func syncFileSystem(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync a file system: %w", err)
	}
	defer dir.Close() // it was only read
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", path, err)
	}
	return nil
}

// measureMachine measures one of the limits.
func (b *benchmark) measureMachine(ctx context.Context, c record.Cell) (s record.Sample, err error) {
	var session limits.Session
	switch c.Operation {
	case record.Sync:
		session, err = limits.Sync(b.work, c.Bytes)
	case record.RoundTrip:
		session, err = limits.RoundTrip(c.Bytes, b.self, echoCommand)
	default:
		err = fmt.Errorf("the machine has no operation %q", c.Operation)
	}
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, session.Close(context.WithoutCancel(ctx))) }()
	return b.drive(ctx, c, []bench.Session{session}, func() (map[string][]int, error) {
		return map[string][]int{record.Servers: session.Processes()}, nil
	})
}
