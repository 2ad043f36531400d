package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/demo"
)

// pgraft runs the command line and returns what it printed.
func pgraft(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = run(t.Context(), args, &out, &errOut)
	return out.String(), errOut.String(), err
}

func wantAll(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"--help"}, []string{"Raft consensus inside PostgreSQL", "demo", "version", "Examples:"}},
		{nil, []string{"Usage:", "demo"}},
		{[]string{"demo", "--help"}, []string{"Examples:", "pgraft demo --nodes 5", "--keep", "--json", "--tls", "--dir directory",
			"--pg-config path", "servers to run, 3 to 9", "SIGKILL", "pgraft demo stop /tmp/try-pgraft"}},
		{[]string{"demo", "stop", "--help"}, []string{"pgraft demo stop DIR", "Examples:"}},
	} {
		out, errOut, err := pgraft(t, c.args...)
		if err != nil || errOut != "" {
			t.Errorf("pgraft %q: %v, standard error %q", c.args, err, errOut)
		}
		wantAll(t, out, c.words...)
	}
}

func TestVersion(t *testing.T) {
	out, _, err := pgraft(t, "version")
	if err != nil || !strings.HasPrefix(out, "pgraft 1.0.0 (go") {
		t.Errorf("pgraft version: %q, %v", out, err)
	}
}

// Every command that --help lists has a manual page with its options and examples.
func TestManual(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if out, errOut, err := pgraft(t, "manual", dir); err != nil || out+errOut != "" {
		t.Fatalf("pgraft manual: %q, %q, %v", out, errOut, err)
	}
	root := newRoot()
	for _, cmd := range root.Commands() {
		page, err := os.ReadFile(filepath.Join(dir, "pgraft-"+cmd.Name()+".1"))
		if cmd.Hidden {
			if err == nil {
				t.Errorf("a page of %s, which --help hides", cmd.Name())
			}
			continue
		}
		if err != nil {
			t.Error(err)
		}
		wantAll(t, string(page), ".SH SYNOPSIS", cmd.Short, released[:4])
	}
	whole, err := os.ReadFile(filepath.Join(dir, "pgraft.1"))
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, string(whole), "pgraft - Raft consensus inside PostgreSQL", "pgraft demo", "SEE ALSO")
}

// A mistake on the command line is named, with the way out, on standard error
// only.
func TestMistakes(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"demo", "--nodse", "3"}, []string{"unknown flag: --nodse", "pgraft demo --help"}},
		{[]string{"demo", "--nodes", "many"}, []string{"invalid argument", "--nodes", "pgraft demo --help"}},
		{[]string{"dmeo"}, []string{`unknown command "dmeo"`}},
		{[]string{"demo", "--nodes", "2"}, []string{"--nodes 2: want 3 to 9"}},
		{[]string{"demo", "--nodes", "10"}, []string{"--nodes 10: want 3 to 9"}},
		{[]string{"demo", "--pg-config", "/no/such/pg_config"}, []string{"/no/such/pg_config", "--pg-config PATH"}},
		{[]string{"demo", "extra"}, []string{"unknown command", "extra"}},
		{[]string{"demo", "stop"}, []string{"accepts 1 arg(s), received 0"}},
		{[]string{"demo", "stop", empty}, []string{empty, "no directory of a pgraft demo", "nothing was touched"}},
	} {
		out, errOut, err := pgraft(t, c.args...)
		if err == nil {
			t.Errorf("pgraft %q: no error", c.args)
		}
		if out != "" {
			t.Errorf("pgraft %q printed on standard output: %q", c.args, out)
		}
		wantAll(t, errOut, c.words...)
	}
	if _, err := os.Stat(empty); err != nil {
		t.Errorf("demo stop touched a directory that is not its own: %v", err)
	}
}

// fakeInstall writes a pg_config of an installation with no extension in it.
func fakeInstall(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "pg_config")
	script := "#!/bin/sh\ncase $1 in --version) echo 'PostgreSQL 16.4';; *) echo " + dir + ";; esac\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDemoWithoutTheExtension(t *testing.T) {
	path := fakeInstall(t)
	out, errOut, err := pgraft(t, "demo", "--json", "--pg-config", path)
	if err == nil {
		t.Fatal("no error")
	}
	wantAll(t, errOut, "PostgreSQL 16.4", "make install PG_CONFIG="+path)
	var result map[string]any
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("--json printed %q: %v", out, err)
	}
	if result["ok"] != false || result["cleaned_up"] != true || !strings.Contains(result["error"].(string), "make install") {
		t.Errorf("result %v", result)
	}
}

func TestDemoWithAPgConfigThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pg_config")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho broken >&2; exit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, errOut, err := pgraft(t, "demo", "--pg-config", path)
	if err == nil {
		t.Fatal("no error")
	}
	wantAll(t, errOut, path, "exit status 3", "broken")
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	err := run(ctx, []string{"demo", "--pg-config", fakeInstall(t)}, &out, &errOut)
	if !errors.Is(err, demo.ErrInterrupted) || errOut.String() != "pgraft: interrupted\n" {
		t.Errorf("error %v, printed %q", err, errOut.String())
	}
}
