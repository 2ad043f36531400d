package recorder

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childEnv names the directory that a child of TestKilled records into.
const childEnv = "PGRAFT_TEST_RECORDER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		recordForEver(dir)
	}
	os.Exit(m.Run())
}

// recordForEver says after each tick how many inputs there were.
func recordForEver(dir string) {
	h := open(&testing.B{}, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	h.boot()
	for {
		h.propose(7, strings.Repeat("x", 100))
		h.tick()
		fmt.Println(h.rec.tr.Seq())
	}
}

// A process that is killed by a signal that it cannot catch loses nothing that
// it recorded up to its last tick: the operating system has that.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines, seq := bufio.NewScanner(out), uint64(0)
	for range 200 {
		if !lines.Scan() {
			t.Fatalf("the child ended: %v", lines.Err())
		}
		if _, err := fmt.Sscan(lines.Text(), &seq); err != nil {
			t.Fatalf("the child says %q: %v", lines.Text(), err)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the child ended with %v", err)
	}
	if p := play(t, files(t, dir)...); p.Seq() < seq || len(p.Gaps) > 0 {
		t.Errorf("%d inputs are left of at least %d, gaps %v", p.Seq(), seq, p.Gaps)
	}
}

// What happens is written with the next tick; that nothing did, within a second.
func TestQuiet(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	h.boot()
	for range 10 {
		h.tick() // up to now the node has become the leader
	}
	written := func() (bytes int64) {
		for _, name := range files(t, dir) {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return bytes
	}
	h.propose(1, "x")
	for range 2 {
		h.tick() // the second one writes the commit index
	}
	before := written()
	for range 9 {
		h.tick() // of 100 ms
		if now := written(); now != before {
			t.Fatalf("%d bytes after %d, though nothing happened", now, before)
		}
	}
	h.tick()
	if now := written(); now == before {
		t.Errorf("%d bytes, as a second before", now)
	}
	before = written()
	h.propose(1, "x")
	h.tick()
	if now := written(); now == before {
		t.Errorf("%d bytes, as before an entry", now)
	}
}
