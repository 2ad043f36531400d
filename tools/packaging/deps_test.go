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

// Who is not root and has no sudo is told what should have been done.
func TestNoSudo(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "id"), []byte("#!/bin/sh\necho 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bash", "env"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("tools/deps/as-root.sh", "make", "install")
	cmd.Dir, cmd.Env = top, []string{"PATH=" + bin}
	out, err := cmd.CombinedOutput()
	if want := "deps: cannot run as root (no sudo here): make install\n"; err == nil || string(out) != want {
		t.Errorf("%v, prints %q, want %q", err, out, want)
	}
}

// make says at once that it cannot work with a space in a path.
func TestSpaceInAPath(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(top, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a b")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), makefile, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, arg, want string }{
		{dir, "PREFIX=/usr", "CURDIR is \""}, {top, "PG_CONFIG=/c d/pg_config", "PG_CONFIG is \"/c d/pg_config\""},
		{top, "PGRAFT_CACHE=/e f", "PGRAFT_CACHE is \"/e f\""}, {top, "PREFIX=/usr", ""},
	} {
		cmd := exec.Command("make", "-n", "clean", c.arg)
		cmd.Dir = c.dir
		out, err := cmd.CombinedOutput()
		if (err != nil) != (c.want != "") || !strings.Contains(string(out), c.want) ||
			c.want != "" && !strings.Contains(string(out), "cannot work with a space in it") {
			t.Errorf("in %q with %s: %v\n%s", c.dir, c.arg, err, out)
		}
	}
}
