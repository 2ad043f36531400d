package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/trace"
	"github.com/pgraft/pgraft/tools/internal/history/historytest"
)

// recordRun records a run and returns the directory with its traces.
func recordRun(t *testing.T, change func(*historytest.Options)) string {
	t.Helper()
	o := historytest.IncidentOptions()
	o.Dir = t.TempDir()
	if change != nil {
		change(&o)
	}
	if _, err := historytest.Run(o); err != nil {
		t.Fatal(err)
	}
	return o.Dir
}

func TestView(t *testing.T) {
	dir := recordRun(t, nil)
	page := filepath.Join(t.TempDir(), "x.html")
	out, errOut, err := pgraft(t, "view", dir, "-o", page, "--title", "Failover")
	if err != nil || errOut != "" {
		t.Fatalf("%v, standard error %q", err, errOut)
	}
	wantAll(t, out, page+": 3 nodes, ", "open it in a browser")
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, string(html), "<title>Failover - pgraft view</title>", "</html>")
	if left, err := filepath.Glob(page + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
	// One node's file alone, to standard output.
	out, _, err = pgraft(t, "view", filepath.Join(dir, "node2", "00000001.trace"), "-o", "-")
	if err != nil || !strings.HasSuffix(strings.TrimSpace(out), "</html>") {
		t.Errorf("%v, %d bytes", err, len(out))
	}
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"view", dir}, []string{`required flag(s) "output" not set`}},
		{[]string{"view", "-o", page}, []string{"requires at least 1 arg"}},
		{[]string{"view", dir, "-o", "/no/such/dir/x.html"}, []string{"write /no/such/dir/x.html"}},
		{[]string{"view", "/no/such/file", "-o", page}, []string{"/no/such/file"}},
	} {
		out, errOut, err := pgraft(t, c.args...)
		if err == nil || out != "" {
			t.Errorf("pgraft %q: error %v, printed %q", c.args, err, out)
		}
		wantAll(t, errOut, c.words...)
	}
}

func TestDiff(t *testing.T) {
	a, same, other := recordRun(t, nil), recordRun(t, nil), recordRun(t, func(o *historytest.Options) { o.Repeat = 40 })
	out, errOut, err := pgraft(t, "diff", a, same)
	if err != nil || errOut != "" {
		t.Errorf("%v, standard error %q", err, errOut)
	}
	wantAll(t, out, "A: "+a, "B: "+same, "node 3: ", "the runs are identical")

	out, errOut, err = pgraft(t, "diff", a, other)
	if !errors.Is(err, errParted) {
		t.Errorf("error %v", err)
	}
	wantAll(t, out, "the runs part at input", "before it, in both:")
	wantAll(t, errOut, "pgraft: the runs part")

	out, _, err = pgraft(t, "diff", a, other, "--json")
	if !errors.Is(err, errParted) {
		t.Errorf("error %v", err)
	}
	var r struct {
		Verdict string
		First   struct {
			What   string
			Fields []struct{ Path, A, B string }
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Verdict != "parted" || r.First.What != "input" || len(r.First.Fields) == 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// What another version recorded is said before anything else.
func TestViewOfAnotherVersion(t *testing.T) {
	dir := recordRun(t, nil)
	file := filepath.Join(dir, "node1", "00000001.trace")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := []byte(trace.Magic)
	r := trace.NewReader(b)
	for f, ok := r.Next(); ok; f, ok = r.Next() {
		if h, ok := f.(*trace.Header); ok {
			h.Protocol++
		}
		out = trace.Append(out, f)
	}
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"view", dir, "-o", filepath.Join(t.TempDir(), "x.html")}, {"diff", dir, dir}, {"replay", dir}} {
		_, errOut, _ := pgraft(t, args...)
		first, _, _ := strings.Cut(errOut, "\n")
		wantAll(t, first, "recorded by another version of the core", "protocol 3")
	}
}
