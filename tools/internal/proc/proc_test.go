package proc

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMeasuresOfAProcess(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	allBefore := cpuAll(t, os.Getpid())
	busy, _, err := Machine()
	if err != nil {
		t.Fatal(err)
	}
	for began := rusage(t); rusage(t)-began < 100*time.Millisecond; {
		_ = strings.Repeat("x", 1000)
	}
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used < 50*time.Millisecond || used > 200*time.Millisecond {
		t.Errorf("100 ms of CPU count as %s", used)
	}
	if used := cpuAll(t, os.Getpid()) - allBefore; used < 50*time.Millisecond || used > 200*time.Millisecond {
		t.Errorf("100 ms of CPU count as %s in ticks", used)
	}
	if now, stolen, err := Machine(); err != nil || now-busy < 50*time.Millisecond || stolen < 0 {
		t.Errorf("of the machine %s were used, %s stolen, %v", now-busy, stolen, err)
	}
	if n, err := PSS(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("PSS = %d bytes, %v", n, err)
	}
}

// Each sleep of a process counts.
func TestSleeps(t *testing.T) {
	before, err := Sleeps(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const naps = 20
	for range naps {
		if _, err := syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1000}); err != nil && err != syscall.EINTR {
			t.Fatal(err)
		}
	}
	if after, err := Sleeps(os.Getpid()); err != nil || after-before < naps {
		t.Errorf("%d naps count as %d, %v", naps, after-before, err)
	}
	if n, err := Sleeps(1 << 30); err == nil {
		t.Errorf("a process that is not there slept %d times", n)
	}
}

// What a child used counts while it runs as its own, and then as its parent's.
func TestChildrenThatHaveEndedCount(t *testing.T) {
	before := cpuAll(t, os.Getpid())
	child := exec.Command("sh", "-c", "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	used := child.ProcessState.UserTime() + child.ProcessState.SystemTime()
	if used < 5*tick {
		t.Fatalf("the child used only %s: nothing to measure", used)
	}
	if got := cpuAll(t, os.Getpid()) - before; got < used-2*tick {
		t.Errorf("a child used %s, its parent shows %s", used, got)
	}
	if got := cpuAll(t, child.Process.Pid); got != 0 {
		t.Errorf("a process that has ended shows %s", got)
	}
}

// A server has hundreds of processes that use less than a tick each.
func TestLittleAdds(t *testing.T) {
	var children []*exec.Cmd
	var shown time.Duration
	for range 20 {
		child := exec.Command("sh", "-c", "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; echo; read end")
		in, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close() // which ends the child if nothing did before
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // its work is done
			t.Fatal(err)
		}
		shown += cpuAll(t, child.Process.Pid)
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	var used time.Duration
	for _, child := range children {
		if err := child.Wait(); err == nil { // `read` fails at the end of its input
			t.Error("a child read something")
		}
		used += child.ProcessState.UserTime() + child.ProcessState.SystemTime()
	}
	if shown < used*3/4 || shown > used*5/4 {
		t.Errorf("20 processes used %s, shown are %s", used, shown)
	}
}

func cpuAll(t *testing.T, pid int) time.Duration {
	t.Helper()
	used, err := CPUAll(pid)
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// rusage is the CPU time of this process, as the system counts it: on a busy
// machine a loop of 100 ms by the clock can have much less.
func rusage(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestWritten(t *testing.T) {
	before, err := Written(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp("/var/tmp", "written-") // which is on a disk
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name()) // nothing is lost
	const size = 1 << 20
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if after, err := Written(os.Getpid()); err != nil || after-before < size || after-before > 2*size {
		t.Errorf("%d bytes count as %d, %v", size, after-before, err)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if n, err := Written(cmd.Process.Pid); n != 0 || err != nil {
		t.Errorf("of a process that is gone: %d, %v", n, err)
	}
}
