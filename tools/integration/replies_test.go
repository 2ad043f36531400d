//go:build integration

package integration

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// A slot goes on to its next request while a thread of the engine writes the reply to
// the one before. The next request gets its own reply: a mutex of engine_replies.c sees
// to that, and without it the late thread's would take its place.
func TestReplies(t *testing.T) {
	install, err := pgcluster.Find(os.Getenv("PGRAFT_PG_CONFIG"))
	must(t, err)
	headers, err := osexec.Command(install.PGConfig, "--includedir-server").Output()
	must(t, err)
	for says, flags := range map[string][]string{
		"the reply is n\n": nil,
		"the reply is g\n": {"-DWITHOUT_MUTEX"},
	} {
		program := filepath.Join(t.TempDir(), "replies")
		args := append(flags, "-O2", "-Wall", "-pthread", "-I../../pgext", "-I"+string(headers[:len(headers)-1]), "-o", program, "testdata/replies.c")
		if out, err := osexec.Command("cc", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out, err := osexec.Command(program).CombinedOutput(); err != nil || string(out) != says {
			t.Errorf("%v: it says %q, %v; want %q", flags, out, err, says)
		}
	}
}
