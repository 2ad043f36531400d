package main

import (
	"strings"
	"testing"
)

// A seed is one plan, and another seed another one; each kind comes up in some thousand rounds.
func TestPlan(t *testing.T) {
	kinds, left, err := chosen(nil, root|strace|three|seat|client|named)
	if err != nil || len(left) != 0 || len(kinds) != len(faults) {
		t.Fatalf("%d kinds of %d, without %q: %v", len(kinds), len(faults), left, err)
	}
	draw := func(seed uint64) (text string, seen map[string]bool) {
		d := newDice(seed, kinds)
		seen = map[string]bool{}
		for range 1000 {
			r := d.round()
			text += r.String() + "\n"
			for _, s := range r.steps {
				seen[s.fault.name] = true
				if s.fault.on == server && s.role != primary && s.role != standby {
					t.Errorf("%v: no role", r)
				}
			}
		}
		return text, seen
	}
	one, seen := draw(1)
	again, _ := draw(1)
	other, _ := draw(2)
	if one != again || one == other {
		t.Error("a seed is no plan")
	}
	if len(seen) != len(faults) {
		t.Errorf("%d kinds of %d in a thousand rounds", len(seen), len(faults))
	}
}

// What is missing is said, and so is a name that there is not.
func TestChosen(t *testing.T) {
	kinds, left, err := chosen(nil, three)
	if err != nil || len(kinds) == 0 {
		t.Fatalf("%d kinds: %v", len(kinds), err)
	}
	for _, want := range []string{"cut: all (needs root)", "disk slow (needs root)", "kill witness (needs a witness)"} {
		if !strings.Contains(strings.Join(left, "; "), want) {
			t.Errorf("left out %q, want %q in it", left, want)
		}
	}
	if _, _, err := chosen([]string{"kill server", "flood"}, three); err == nil || !strings.Contains(err.Error(), `"flood"`) {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, _, err := chosen([]string{"cut: all"}, three); err == nil {
		t.Error("nothing is left, and no error")
	}
}
