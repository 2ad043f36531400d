package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

const scripts = "../testdata/sim"

// defaultTell is how many lines `tell` prints when it names no number.
const defaultTell = 40

// TestScripts runs every script of testdata/sim: a seed with decisions of the
// script's own in place of those it draws. faults has a story for each kind of
// fault, found what the simulator found, made small by `pgraft shrink`, failover how
// PostgreSQL servers come through what clusters of them are known for.
//
//	run seed=1 [nodes=3] [duration=60s] [rate=30] [databases=on] [failover=on] [clocks=alike] [struck] [tell[=40]] [brief]
//	10s crash node=0 for=2s
//
// prints the verdict. struck: how often each fault struck. tell: what happened
// from the first decision on, to the tenth of a second, without messages, without
// what clients do, and of batches only those with proposals; every decision has to strike then.
// brief: without what servers are ordered, and what they report.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, scripts, func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "run" {
				d.Fatalf(t, "no command is called %q", d.Cmd)
			}
			return runScript(d)
		})
	})
}

func runScript(d *datadriven.TestData) string {
	o := Options{Databases: DatabasesOff}
	struck, brief, tell := false, false, 0
	for _, a := range d.CmdArgs {
		var err error
		switch {
		case a.Key == "struck":
			struck = true
		case a.Key == "brief":
			brief = true
		case a.Key == "tell" && len(a.Vals) == 0:
			tell = defaultTell
		case len(a.Vals) != 1:
			err = fmt.Errorf("%s: want one value", a.Key)
		case a.Key == "tell":
			tell, err = strconv.Atoi(a.Vals[0])
		default:
			err = o.setOption(a.Key, a.Vals[0])
		}
		if err != nil {
			return err.Error() + "\n"
		}
	}
	plan, err := ParsePlan(d.Input)
	if err == nil {
		err = o.Validate()
	}
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	lines := 0
	if tell > 0 && len(plan) > 0 {
		o.Trace = func(line string) {
			if l := retold(line, plan[0].At); l != "" && !(brief && ofServers(l)) {
				if lines++; lines <= tell {
					out.WriteString(l)
				}
			}
		}
	}
	r := RunWith(o, plan)
	if tell > 0 && lines > tell {
		fmt.Fprintf(&out, "... and %d lines more\n", lines-tell)
	}
	for _, k := range Kinds() {
		n := r.Marks.faults[k.Name]
		if struck && n > 0 {
			fmt.Fprintf(&out, "%s struck %d times\n", k.Name, n)
		}
		if tell > 0 && n == 0 && slices.ContainsFunc(plan, func(x Decision) bool { return x.Kind == k.Name }) {
			fmt.Fprintf(&out, "%s did not strike\n", k.Name)
		}
	}
	if r.Failure != nil {
		return out.String() + r.Failure.Error() + "\n"
	}
	return out.String() + "no violation\n"
}

// retold is a line of a trace as a story has it; "" if it does not belong there:
// what is before the first decision, messages, clients, and batches of nothing else.
func retold(line string, from time.Duration) string {
	stamp, what, _ := strings.Cut(line, " ")
	at, err := time.ParseDuration(stamp)
	if err != nil || at < from {
		return ""
	}
	for _, w := range []string{"<-", "is asked for op", "answers", "MsgPreVote", "MsgVote"} {
		if strings.Contains(what, w) {
			return ""
		}
	}
	if strings.Contains(what, "takes as one") && !strings.Contains(what, "Propose") {
		return ""
	}
	return fmt.Sprintf("%.1fs %s\n", at.Seconds(), what)
}

// ofServers are the lines that a brief story leaves out.
func ofServers(line string) bool {
	return strings.Contains(line, " is ordered") || strings.Contains(line, " its server: ")
}

// Every kind of fault has its story.
func TestEveryFaultHasItsStory(t *testing.T) {
	dir := filepath.Join(scripts, "faults")
	for _, k := range Kinds() {
		path := filepath.Join(dir, strings.ReplaceAll(k.Name, "-", "_")+".txt")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s has no story: %v", k.Name, err)
			continue
		}
		if !strings.HasPrefix(string(text), "# ") || !strings.Contains(string(text), " "+k.Name+" ") || !strings.Contains(string(text), " tell") {
			t.Errorf("%s: want a comment, tell, and a decision %s", path, k.Name)
		}
	}
}
