package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the builds of the trials edit is there, once.
func TestParts(t *testing.T) {
	for _, name := range partNames() {
		edited := map[string]string{}
		for _, e := range parts[name] {
			text, ok := edited[e.File]
			if !ok {
				original, err := os.ReadFile(filepath.Join("../../../pgext", e.File))
				if err != nil {
					t.Fatal(err)
				}
				text = string(original)
			}
			if n := strings.Count(text, e.Is); n != 1 {
				t.Errorf("%s: %s has %q %d times", name, e.File, e.Is, n)
			}
			edited[e.File] = strings.Replace(text, e.Is, e.Becomes, 1)
		}
	}
	for _, trial := range trials {
		for _, name := range split(trial.without, ",") {
			if parts[name] == nil {
				t.Errorf("the trial %q: there is no part %q", trial.without, name)
			}
		}
		if _, left, err := chosen(split(trial.faults, ";"), root|three|client|named); err != nil || len(left) > 0 {
			t.Errorf("the trial %q: left out %q, %v", trial.without, left, err)
		}
	}
}
