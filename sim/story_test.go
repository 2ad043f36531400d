package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

const stories = "../testdata/simfaults"

// TestStories runs a story for each kind of fault: a quiet cluster, the
// decisions that the script names, and what comes of them.
//
//	run seed=1 [nodes=3] [lines=40]
//	10s crash node=0 for=2s
//
// prints what happened from the first decision on, to the tenth of a second,
// without messages and without what clients do. Rewrite with: go test ./sim
// -run TestStories -rewrite
func TestStories(t *testing.T) {
	datadriven.Walk(t, stories, func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "run" {
				d.Fatalf(t, "no command is called %q", d.Cmd)
			}
			o := Options{Duration: 30 * time.Second, Faults: []string{}}
			lines := 40
			d.ScanArgs(t, "seed", &o.Seed)
			d.MaybeScanArgs(t, "nodes", &o.Nodes)
			d.MaybeScanArgs(t, "lines", &lines)
			return story(t, o, d.Input, lines)
		})
	})
}

func story(t *testing.T, o Options, decisions string, lines int) string {
	t.Helper()
	var plan []Decision
	for l := range strings.Lines(decisions) {
		d, err := ParseDecision(strings.TrimSpace(l))
		if err != nil {
			t.Fatal(err)
		}
		plan = append(plan, d)
	}
	if len(plan) == 0 {
		t.Fatal("a story without a decision")
	}
	var out strings.Builder
	told := 0
	o.Trace = func(line string) {
		stamp, what, _ := strings.Cut(line, " ")
		at, err := time.ParseDuration(stamp)
		if err != nil || at < plan[0].At || !worthTelling(what) {
			return
		}
		if told++; told <= lines {
			fmt.Fprintf(&out, "%.1fs %s\n", at.Seconds(), what)
		}
	}
	r := RunWith(o, plan)
	if told > lines {
		fmt.Fprintf(&out, "... and %d lines more\n", told-lines)
	}
	for _, d := range plan {
		if r.Marks.faults[d.Kind] == 0 {
			t.Errorf("%s did not strike", d.Kind)
		}
	}
	if r.Failure != nil {
		return out.String() + r.Failure.Error() + "\n"
	}
	return out.String() + "no violation\n"
}

// worthTelling leaves out messages and clients.
func worthTelling(what string) bool {
	return !strings.Contains(what, "<-") && !strings.Contains(what, "is asked for op") && !strings.Contains(what, "answers") &&
		!strings.Contains(what, "MsgPreVote") && !strings.Contains(what, "MsgVote")
}

// Every kind of fault has its story.
func TestEveryFaultHasItsStory(t *testing.T) {
	files, err := os.ReadDir(stories)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Kinds() {
		name := strings.ReplaceAll(k.Name, "-", "_") + ".txt"
		if !slices.ContainsFunc(files, func(f os.DirEntry) bool { return f.Name() == name }) {
			t.Errorf("%s has no story %s", k.Name, filepath.Join(stories, name))
			continue
		}
		text, err := os.ReadFile(filepath.Join(stories, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") || !strings.Contains(string(text), " "+k.Name+" ") {
			t.Errorf("%s: want a comment and a decision %s", name, k.Name)
		}
	}
}
