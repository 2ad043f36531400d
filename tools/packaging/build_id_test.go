package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The build id is the same for the same sources, wherever they lie and whoever asks,
// and another one as soon as a source of either library changes.
func TestBuildID(t *testing.T) {
	id := func(dir string) string {
		t.Helper()
		out, err := exec.Command(filepath.Join(dir, "tools/build-id.sh")).Output()
		if err != nil {
			t.Fatal(err)
		}
		if len(strings.TrimSpace(string(out))) != 16 {
			t.Fatalf("%q is no build id", out)
		}
		return string(out)
	}
	copied := t.TempDir()
	for _, dir := range []string{"core", "node", "pgext", "go.mod", "go.sum"} {
		if out, err := exec.Command("cp", "-a", filepath.Join("../..", dir), copied).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if err := os.Mkdir(filepath.Join(copied, "tools"), 0o755); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../build-id.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "tools/build-id.sh"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	last := id("../..")
	if got := id(copied); got != last {
		t.Errorf("a copy of the sources is build %s, the original %s", got, last)
	}
	for file, counts := range map[string]bool{"pgext/shmem/shmem.c": true, "pgext/engine/engine.h": true, "core/core.go": true, "node/store/write.go": true,
		"go.sum": true, "core/core_new_test.go": false, "pgext/README.md": false} {
		f, err := os.OpenFile(filepath.Join(copied, file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		got := id(copied)
		if changed := got != last; changed != counts {
			t.Errorf("a change of %s gives another build id: %v, want %v", file, changed, counts)
		}
		last = got
	}
}
