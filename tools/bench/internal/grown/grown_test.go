package grown

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/freeport"
)

// served is set in the processes that Restart starts.
const served = "PGRAFT_BENCH_GROWN"

func TestMain(m *testing.M) {
	if os.Getenv(served) == "" {
		os.Exit(m.Run())
	}
	if err := Main(context.Background(), os.Args[len(os.Args)-1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func place(t *testing.T) Place {
	t.Helper()
	port, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	return Place{ClusterID: "grown", NodeID: 1, Port: uint32(port.Port), DataDir: filepath.Join(dir, "pgraft"), MarkerPath: filepath.Join(dir, "pgraft.initialized")}
}

// A log grows step by step; what is in it is what was put there, at every index, and
// another process that opens it reads the same.
func TestGrown(t *testing.T) {
	p := place(t)
	last := uint64(0)
	for _, step := range []struct{ entries, least int }{{1, 0}, {2500, 2490}, {12_000, 9000}, {10, 0}} {
		written, _, at, err := Fill(t.Context(), p, step.entries, 64)
		if err != nil {
			t.Fatal(err)
		}
		// A start has an entry of its own, which is one of those that the log is to hold.
		if written < step.least || written > step.entries || at < last || at < uint64(step.entries) {
			t.Errorf("%d entries: %d were written, the last is %d", step.entries, written, at)
		}
		last = max(last, at)
	}
	l, err := Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	user := 0
	for i := uint64(First); i <= last; i++ {
		ok, err := l.entry(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			user++
		}
	}
	if user < 11_990 || l.Last < last {
		t.Errorf("%d entries of %d are a user's; the log ends at %d", user, last, l.Last)
	}
	if _, err := l.Read(t.Context(), 100, 1); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv(served, "1")
	o, err := Restart(t.Context(), []string{os.Args[0], "-test.run=^$"}, p, 50)
	if err != nil || o.Answers <= 0 || o.Reads != 50 || o.Get.P50 <= 0 || o.Memory < 1<<20 || o.After < 1<<20 {
		t.Errorf("%+v, %v", o, err)
	}
	if n, err := Disk(p); err != nil || n < 12_000*64 {
		t.Errorf("%d bytes on the disk, %v", n, err)
	}
}

// What is no log, or not what was written, is said.
func TestGrownFails(t *testing.T) {
	p := place(t)
	if _, _, _, err := Fill(t.Context(), p, 1, MinBytes-1); err == nil {
		t.Error("an entry without room for its number was taken")
	}
	l, err := Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(t.Context(), 1, 1); err == nil || !strings.Contains(err.Error(), "holds no entry") {
		t.Errorf("reads of an empty log: %v", err)
	}
	t.Setenv(served, "1")
	if _, err := Restart(t.Context(), []string{os.Args[0], "-test.run=^$"}, p, 1); err == nil || !strings.Contains(err.Error(), `the process said ""`) {
		t.Errorf("a process that cannot open the log, which is open here: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Main(t.Context(), "nowhere", strings.NewReader(""), nil); err == nil {
		t.Error("a place that is none was taken")
	}
}

func TestCheck(t *testing.T) {
	good := Value(41, 64)
	if len(good) != 64 || Check(42, good) != nil || Check(41, good) != nil {
		t.Errorf("%q: %v", good, Check(42, good))
	}
	other := append([]byte(nil), good...)
	other[63]++
	for name, err := range map[string]error{"another byte": Check(42, other), "too late": Check(40, good), "too short": Check(42, good[:8]),
		"no number": Check(42, []byte(strings.Repeat("x", 64)))} {
		if err == nil {
			t.Errorf("%s was taken for what was written", name)
		}
	}
	for i, index := range Draw(5, 7, 300, 1) {
		if index < 5 || index > 7 {
			t.Fatalf("draw %d is %d", i, index)
		}
	}
}
