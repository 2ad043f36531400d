package pgcluster

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMeasuresOfAProcess(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := rusage(t); rusage(t)-began < 100*time.Millisecond; {
		_ = strings.Repeat("x", 1000)
	}
	after, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used < 50*time.Millisecond || used > 200*time.Millisecond {
		t.Errorf("100 ms of CPU count as %s", used)
	}
	if ticks, err := cpuTicks(os.Getpid()); err != nil || ticks <= 0 {
		t.Errorf("cpuTicks = %s, %v", ticks, err)
	}
	if n, err := pss(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("pss = %d bytes, %v", n, err)
	}
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

func TestFindSaysWhatToDo(t *testing.T) {
	_, err := Find("/no/such/pg_config")
	if err == nil || !strings.Contains(err.Error(), "--pg-config") {
		t.Errorf("error %v, want one that names the option", err)
	}
	empty := Install{PGConfig: "pgc", ShareDir: t.TempDir(), PkgLibDir: t.TempDir()}
	if err := empty.CheckExtension(); err == nil || !strings.Contains(err.Error(), "make install PG_CONFIG=pgc") {
		t.Errorf("error %v, want the command to run", err)
	}
}
