package packaging

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Elsewhere than on Debian nothing is installed: all that is missing is listed at
// once, and nothing that is there.
func TestNoDebian(t *testing.T) {
	dir := t.TempDir()
	release := filepath.Join(dir, "os-release")
	if err := os.WriteFile(release, []byte("ID=fedora\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(names ...string) {
		t.Helper()
		for _, name := range names {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	run := func(script string, args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(top, "tools/deps", script), args...)
		cmd.Env = []string{"PATH=" + bin, "PGRAFT_OS_RELEASE=" + release, "PGRAFT_CACHE=" + filepath.Join(dir, "cache"), "HOME=" + dir}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	link("bash", "env", "sed", "dirname", "id", "git", "make")
	out, err := run("debian.sh", "--postgres", "99")
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("with nothing there: %v\n%s", err, out)
	}
	for _, want := range []string{"this is no Debian; please install (Debian's names):\n", "\n  gcc\n", "\n  patch\n", "\n  libc6-dev\n",
		"\n  Go 1.", "\n  PostgreSQL with its headers for extensions (postgresql-99, postgresql-server-dev-99); then name it: make PG_CONFIG="} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, there := range []string{"\n  git\n", "\n  make\n", "not found"} {
		if strings.Contains(out, there) {
			t.Errorf("%q in\n%s", there, out)
		}
	}
	if out, err := run("debian.sh"); err == nil || strings.Contains(out, "PostgreSQL") {
		t.Errorf("PostgreSQL was not asked for: %v\n%s", err, out)
	}
}
