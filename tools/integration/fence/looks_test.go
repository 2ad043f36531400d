//go:build integration

package fence

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A commit goes by what held at one instant, whenever its process is stopped: what changes
// before the last look has it look again. (0 is go and acknowledged, 1 is held, 2 refused;
// of F2, 1 is replicated.) Without the version it would be acknowledged by a set that counts
// no more.
func TestLooks(t *testing.T) {
	headers, err := exec.Command(installed(t).PGConfig, "--includedir-server").Output()
	must(t, err)
	program := filepath.Join(t.TempDir(), "looks")
	if out, err := exec.Command("cc", "-O1", "-Wall", "-D_GNU_SOURCE", "-I../../../pgext", "-isystem", strings.TrimSpace(string(headers)),
		"-o", program, "testdata/looks.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program).CombinedOutput()
	must(t, err)
	const want = `changes before look 0: F3 0, F1 0, F2 1
changes before look 1: F3 1, F1 2, F2 0
changes before look 2: F3 restarts, then 1, F1 2, F2 0
changes before look 3: F3 restarts, then 1, F1 2, F2 0
changes before look 4: F3 restarts, then 1, F1 0, F2 1
changes before look 5: F3 restarts, then 1, F1 0, F2 1
changes before look 6: F3 0, F1 0, F2 1
`
	if string(out) != want {
		t.Errorf("%swant\n%s", out, want)
	}
}
