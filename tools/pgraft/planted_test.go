package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/history"
)

// The traces of the planted bugs can be looked at with any core, and each has
// the alarm that the simulator raised. (What their own cores make of them is
// `make planted`.)
func TestPlantedBugs(t *testing.T) {
	for name, alarm := range map[string]string{
		"lease_kept_in_transfer":      "one-lease: ",
		"request_ids_not_in_snapshot": "request-once: ",
		"vote_before_durable":         "went-back: ",
	} {
		dir := filepath.Join("../../testdata/trace", name)
		h, _, err := history.Load(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := 0
		for _, m := range h.Moments {
			if m.Kind == history.Alarm && strings.HasPrefix(m.Text, alarm) {
				found++
			}
		}
		if found != 1 || len(h.Nodes) != 3 {
			t.Errorf("%s: %d alarms %q in %d nodes", name, found, alarm, len(h.Nodes))
		}
		page := filepath.Join(t.TempDir(), "x.html")
		if out, errOut, err := pgraft(t, "view", dir, "-o", page); err != nil {
			t.Errorf("%s: %v, printed %q, %q", name, err, out, errOut)
		}
		if info, err := os.Stat(page); err != nil || info.Size() < 50_000 {
			t.Errorf("%s: page %v, %v", name, info, err)
		}
	}
}

// A run of the simulator, recorded: replay, diff and view read it.
func TestSimRecord(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for _, dir := range []string{a, b} {
		if _, errOut, err := pgraft(t, "sim", "--seed", "3", "--duration", "20s", "--record", dir); err != nil {
			t.Fatalf("%v: %s", err, errOut)
		}
	}
	out, errOut, err := pgraft(t, "replay", a)
	if err != nil {
		t.Errorf("%v: %s", err, errOut)
	}
	wantAll(t, out, "\nidentical, ", "checked over all nodes")
	out, errOut, err = pgraft(t, "diff", a, b)
	if err != nil {
		t.Errorf("%v: %s", err, errOut)
	}
	wantAll(t, out, "the runs are identical")
	if _, _, err := pgraft(t, "sim", "--seeds", "3", "--record", a); err == nil {
		t.Error("three seeds were recorded into one directory")
	}
}
