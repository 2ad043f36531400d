package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pages"
)

var rewrite = flag.Bool("rewrite", false, "write what the commands of docs/incident.md print into it")

// The walk through an incident: every command of the page is run, and prints what the page
// says. It is typed as the page has it, but that it all happens in a directory of its own.
func TestWalk(t *testing.T) {
	src, err := findSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(src.root, "docs/incident.md")
	page, err := pages.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{t: t, root: src.root, dir: t.TempDir()}
	w.run("go", "build", "-o", filepath.Join(w.dir, "bin/pgraft"), "./tools/pgraft")
	commands, rest := 0, string(text)
	var now strings.Builder
	for i, item := range page.Items {
		if item.Lang != "sh" {
			continue
		}
		commands++
		got := w.types(item.Text)
		if i+1 == len(page.Items) || page.Items[i+1].Lang != "text" || !page.Items[i+1].After {
			continue
		}
		says := page.Items[i+1]
		switch same := pages.Matches(says.Text, got); {
		case same:
			got = says.Text // which may leave numbers out
		case !*rewrite:
			t.Errorf("docs/incident.md:%d: it says\n%s\nand it prints\n%s", says.Line, says.Text, got)
		}
		before, after, _ := strings.Cut(rest, "```text\n"+says.Text+"```")
		now.WriteString(before + "```text\n" + got + "```")
		rest = after
	}
	if commands < 7 {
		t.Errorf("%d blocks of commands", commands)
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(now.String()+rest), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// walk is a shell that keeps what a block sets.
type walk struct {
	t         *testing.T
	root, dir string
	set       []string
}

var assigns = regexp.MustCompile(`^[a-z]+=`)

// types types a block of commands, and returns what they print. What is run with go is of the
// source tree, and builds into the directory.
func (w *walk) types(block string) string {
	w.t.Helper()
	var lines []string
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		switch build, ok := strings.CutPrefix(line, "go run ./tools/mutants -build "); {
		case ok:
			to, options, _ := strings.Cut(build, " ")
			w.run("go", append([]string{"run", "./tools/mutants", "-build", filepath.Join(w.dir, to)}, strings.Fields(options)...)...)
		case assigns.MatchString(line):
			w.set = append(w.set, line)
		default:
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	cmd := exec.CommandContext(w.t.Context(), "bash", "-c", strings.Join(append(w.set[:len(w.set):len(w.set)], lines...), "\n"))
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(w.dir, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s\n%v\n%s", block, err, out)
	}
	return string(out)
}

func (w *walk) run(name string, args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), name, args...)
	cmd.Dir = w.root
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
