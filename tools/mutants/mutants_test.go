package main

import "testing"

// Every mutant's place is still where it was: the text it replaces is there,
// once. Names are used once, classes are known, and each has two variants.
func TestMutantsApply(t *testing.T) {
	src, err := findSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, variants := map[string]bool{}, map[string]int{}
	for _, m := range mutants() {
		if _, err := src.changed(m); err != nil {
			t.Error(err)
		}
		if names[m.name] {
			t.Errorf("two mutants are called %s", m.name)
		}
		if classes[m.class] == "" {
			t.Errorf("mutant %s is of class %q", m.name, m.class)
		}
		names[m.name] = true
		if !m.control {
			variants[m.class]++
		}
	}
	for c := range classes {
		if variants[c] < 2 {
			t.Errorf("class %s has %d mutants, want 2 or more", c, variants[c])
		}
	}
}

// What an edit replaces has to be there exactly once.
func TestEditFailsLoudly(t *testing.T) {
	e := edit{"core/x.go", "vote", "note"}
	for text, want := range map[string]string{"a vote": "a note", "no": "", "vote, vote": ""} {
		got, err := e.apply(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}
