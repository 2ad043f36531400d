package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// Each round measures the same, and each line of a group once at each place.
func TestPlan(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range plan() {
		first := map[string]bool{}
		for round := 1; round <= len(group); round++ {
			turned := turn(group, round)
			first[turned[0].String()] = true
			for _, c := range group {
				if !slices.Contains(turned, c) {
					t.Errorf("round %d lacks %s", round, c)
				}
			}
		}
		if len(first) != len(group) {
			t.Errorf("of %v only %d begin a round", group, len(first))
		}
		for _, c := range group {
			if seen[c.String()] {
				t.Errorf("%s is there twice", c)
			}
			seen[c.String()] = true
		}
	}
	for _, want := range []string{"write/256B/1/pgraft/leader", "write/256B/256/PostgreSQL/leader", "write/256B/64/etcd/follower",
		"write/1048576B/8/pgraft/leader", "pgraft_is_leader/8/pgraft/leader", "read barrier/32/pgraft/follower", "idle/0/etcd"} {
		if !seen[want] {
			t.Errorf("%s is not measured", want)
		}
	}
}

func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCommandLine(t *testing.T) {
	for want, args := range map[string][]string{
		"--only nothing matches nothing": {"--only", "nothing"},
		"--only: error parsing regexp":   {"--only", "("},
		"--rounds 0":                     {"--rounds", "0"},
		"--window 0s":                    {"--window", "0s"},
		"--etcd: ":                       {"--etcd", "/no/such/program"},
		"no results in":                  {"report", t.TempDir()},
		"no results in ":                 {"compare", t.TempDir(), t.TempDir()},
	} {
		if _, err := command(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	out, err := command(t, "--list")
	if err != nil || !strings.Contains(out, "\nwrite/256B/8/etcd/leader\n") {
		t.Errorf("--list: %v\n%s", err, out)
	}
}

func TestMemoryIsNoDisk(t *testing.T) {
	if _, err := environment("/dev/shm"); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("%v, want the way out", err)
	}
	env, err := environment("/proc/self") // a file system that is neither
	if err != nil || env.Processors < 1 || env.MemoryBytes < 1<<20 || env.Kernel == "" || env.Processor == "" {
		t.Errorf("%+v, %v", env, err)
	}
}

// recorded copies the rounds of the reports' tests.
func recorded(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rounds")
	if err := os.CopyFS(dir, os.DirFS("internal/report/testdata/rounds")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReport(t *testing.T) {
	dir := recorded(t)
	out, err := command(t, "report", dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("internal/report/testdata/table.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, string(want)) {
		t.Errorf("printed\n%s", out)
	}
	for _, name := range []string{tableFile, summaryFile, pictureFile} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil || info.Size() == 0 || !strings.Contains(out, path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if out, err := command(t, "compare", dir, dir); err != nil || !strings.Contains(out, " | 1.00 | 1.00 | 1.00 | 1.00 |\n") {
		t.Errorf("compare: %v\n%s", err, out)
	}
}

// The page of the documents can be filled, again and again.
func TestDocs(t *testing.T) {
	docs := t.TempDir()
	page, err := os.ReadFile("../../docs/" + docsPage)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(docs, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(docs, docsPage)
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("internal/report/testdata/table.md")
	if err != nil {
		t.Fatal(err)
	}
	var filled string
	for range 2 {
		if _, err := command(t, "report", recorded(t), "--docs", docs); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filled != "" && filled != string(text) {
			t.Error("the second time it is another page")
		}
		filled = string(text)
	}
	if strings.Count(filled, string(table)) != 1 || strings.Count(filled, docsPicture) != 1 {
		t.Errorf("the page is\n%s", filled)
	}
	head, _, _ := strings.Cut(string(page), docsBegin)
	_, tail, _ := strings.Cut(string(page), docsEnd)
	if !strings.HasPrefix(filled, head) || !strings.HasSuffix(filled, tail) {
		t.Error("more than the marked part was changed")
	}
	if picture, err := os.ReadFile(filepath.Join(docs, docsPicture)); err != nil || !bytes.Contains(picture, []byte("</svg>")) {
		t.Errorf("the picture: %v", err)
	}
	if err := os.WriteFile(path, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := command(t, "report", recorded(t), "--docs", docs); err == nil || !strings.Contains(err.Error(), "it lacks the lines") {
		t.Errorf("a page without marks: %v", err)
	}
	if _, err := record.Read(docs); err == nil {
		t.Error("documents were taken for results")
	}
}
