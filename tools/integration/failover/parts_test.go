//go:build integration

package failover

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// Edits of the shim that leave a part of the fence out, or of what goes with it.
var (
	noF1         = pgcluster.Edit{File: "fence/fence_begin.c", Is: "if (verdict == PGRAFT_BEGIN_GO)", Becomes: "if (true)"}
	noF2         = pgcluster.Edit{File: "fence/fence_hold.c", Is: "if (holding || ", Becomes: "if (true || holding || "}
	noF3         = pgcluster.Edit{File: "fence/fence_rules.c", Is: "if (!look->failover)\n\t\treturn PGRAFT_ACK;", Becomes: "if (look->same <= 1)\n\t\treturn PGRAFT_ACK;"}
	noRaise      = pgcluster.Edit{File: "fence/fence_xact.c", Is: "if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)", Becomes: "if (false)"}
	noNames      = pgcluster.Edit{File: "fence/fence_settings.c", Is: "if (pgraft_fence_is_there() && !IsParallelWorker() &&", Becomes: "if (false && !IsParallelWorker() &&"}
	noReads      = pgcluster.Edit{File: "fence/fence_xact.c", Is: "if (!pgraft_look_readable())", Becomes: "if (false)"}
	noReadsAtEnd = pgcluster.Edit{File: "fence/fence_xact.c", Is: "(has_read || IsLogicalWorker()) && !pgraft_look_readable()", Becomes: "false"}
	noF4         = pgcluster.Edit{File: "fence/fence_settings.c", Is: "MyProcPort != NULL && pgraft_look_fenced()", Becomes: "MyProcPort == NULL && pgraft_look_fenced()"}
)

// What the tests say that fall: a commit is not refused, is shown, is acknowledged.
const (
	notRefused   = "want SQLSTATE [25006]"
	shown        = `shows "canceled" 1 times`
	acknowledged = "it has ended: <nil>"
)

// parts are tests that fall without a part of the fence, and what each says.
var parts = []struct {
	name  string
	edits []pgcluster.Edit
	falls map[string]string
}{
	{"F1, which lets a commit begin", []pgcluster.Edit{noF1}, map[string]string{
		"TestPrimaryCut": notRefused, "TestVotersCut": notRefused, "TestEngineStopped": notRefused, "TestQuorumLost": notRefused,
		"TestStandbysKilled": notRefused, "TestKinds": notRefused}},
	{"F2, which hides a commit whose wait ends early", []pgcluster.Edit{noF2}, map[string]string{"TestCanceled": shown}},
	{"F2, which raises synchronous_commit", []pgcluster.Edit{noRaise}, map[string]string{"TestWeakened": `shows "local" 1 times`}},
	{"F2, which keeps the names", []pgcluster.Edit{noNames}, map[string]string{"TestWeakened": "want SQLSTATE [22023]"}},
	{"F3, which acknowledges a commit", []pgcluster.Edit{noF3}, map[string]string{"TestLeaseEnds": acknowledged}},
	{"F4, which shows that no writes are taken", []pgcluster.Edit{noF4}, map[string]string{
		"TestVotersCut": "SHOW transaction_read_only = on", "TestFlappingLink": "SHOW transaction_read_only = on"}},
	{"what keeps readers from data that may go away", []pgcluster.Edit{noReads, noReadsAtEnd}, map[string]string{
		"TestRestartedWithWaiters": "it answers: <nil>", "TestBackAlone": "it shows data: <nil>", "TestSubscriber": "it was "}},
	{"F1 to F3", []pgcluster.Edit{noF1, noF2, noF3}, map[string]string{"TestPrimaryCut": notRefused, "TestVotersCut": notRefused,
		"TestEngineStopped": notRefused, "TestQuorumLost": notRefused, "TestCanceled": shown, "TestLeaseEnds": acknowledged}},
}

// TestPartsApply: what TestParts edits is still there, which nobody runs with each change.
func TestPartsApply(t *testing.T) {
	for _, part := range parts {
		must(t, pgcluster.CheckEdits("../../../pgext", part.edits...))
	}
}

// TestParts: a fence without one of its parts is found out, by what clients see.
func TestParts(t *testing.T) {
	installed, err := pgcluster.Find(os.Getenv("PGRAFT_PG_CONFIG"))
	must(t, err)
	dir, objects := t.TempDir(), t.TempDir()
	for d := dir; d != filepath.Dir(os.TempDir()); d = filepath.Dir(d) { // the servers' user comes by
		if d != os.TempDir() {
			must(t, os.Chmod(d, 0o755))
		}
	}
	install, err := installed.Copy(filepath.Join(dir, "postgresql"))
	must(t, err)
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			library, err := installed.BuildShim("../../../pgext", objects, part.edits...)
			must(t, err)
			t.Cleanup(func() { must(t, os.RemoveAll(filepath.Dir(library))) })
			text, err := os.ReadFile(library)
			must(t, err)
			used := filepath.Join(install.PkgLibDir, "pgraft.so")
			must(t, errors.Join(os.Remove(used), os.WriteFile(used, text, 0o755)))
			program, err := os.Executable()
			must(t, err)
			tests := slices.Sorted(maps.Keys(part.falls))
			cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run", "^("+strings.Join(tests, "|")+")$")
			cmd.Env = append(os.Environ(), "PGRAFT_PG_CONFIG="+install.PGConfig, partEnv+"="+part.name)
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
				t.Errorf("all pass without it: %v", err)
			}
			said := saidBy(string(out))
			for _, test := range tests {
				if !strings.Contains(string(out), "--- FAIL: "+test+" ") || !strings.Contains(said[test], part.falls[test]) {
					t.Errorf("without it %s does not say %q, but\n%s", test, part.falls[test], said[test])
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

// saidBy is what each test says itself, without its servers' logs.
func saidBy(out string) map[string]string {
	said, test := map[string]string{}, ""
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "===" {
			test = f[2]
		} else if says.MatchString(line) {
			said[test] += line
		}
	}
	return said
}

// says is a test's own line.
var says = regexp.MustCompile(`^    \w+_test\.go:\d+: `)
