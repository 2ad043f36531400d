package main

import (
	"strings"
	"testing"
)

// What it finds is in sim's tests, and in `make planted` with real bugs.
func TestRewindRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"--seed 4 --duration 20s":             "seed 4 does not fail",
		"--seed 4 --futures 0":                "1 to 10000 are possible",
		"--seed 4 --within 1ns":               "1µs is the finest",
		"--faults gravity":                    "no fault is called",
		"--nodes 77":                          "1 to 9",
		"no-such-file.json":                   "no such file",
		"a.json b.json":                       "at most 1 arg",
		"--without doubt --seed 4":            "no checker is called",
		"--seed 4 --duration 20s --futures x": "invalid argument",
	} {
		out, _, err := pgraft(t, append([]string{"rewind"}, strings.Fields(args)...)...)
		if err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("rewind %s: printed %q, error %v, want %q", args, out, err, want)
		}
	}
}
