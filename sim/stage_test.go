package sim

import (
	"testing"
	"time"
)

// planned is a world with decisions, up to an instant.
func planned(t *testing.T, seed uint64, decisions string, until time.Duration) *World {
	t.Helper()
	plan, err := ParsePlan(decisions)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(Options{Seed: seed, Duration: 40 * time.Second, Faults: []string{}}.withDefaults())
	w.prepare(plan)
	w.until(until)
	if w.failure != nil {
		t.Fatal(w.failure)
	}
	return w
}

// A node whose log begins with a snapshot of a joint configuration is in it, to the
// checkers, as long as its log says nothing else.
func TestLogBeginsInJointConfiguration(t *testing.T) {
	w := planned(t, 3, "5s compact-joint node=2 peer=4 for=9s param=4", 8*time.Second)
	seen := &w.nodes[2].seen
	if seen.baseJoint == nil || seen.joint != seen.baseJoint {
		t.Fatalf("node 3 began at %d, in the configuration %v, and is in %v now", seen.base, seen.baseJoint, seen.joint)
	}
	if in := seen.joint.in; len(in) != 1 || w.byID(uint32(in[0])).id != 4 {
		t.Errorf("voters of the new configuration only: %x, want node 4", in)
	}
	w.until(16 * time.Second)
	if seen.joint != nil {
		t.Errorf("node 3 is still in the joint configuration %v", seen.joint)
	}
}

// Faults of several stages reach what they are for, and leave links and settings as
// they were.
func TestStages(t *testing.T) {
	for _, c := range []struct {
		seed      uint64
		decisions string
		mark      mark
	}{
		{5, "5s old-answers node=2 for=8s param=11", markOldAnswerArrived},
		{6, "5s held-over node=2 for=5s param=10", markKeptArrived},
		{8, "5s long-tail node=0 for=9s param=1", markTailReplaced},
		{3, "5s compact-joint node=2 peer=4 for=9s param=4", markJointSnapshot},
		{7, "5s edge-of-promise node=2 peer=3 for=6s param=11", markDeposed},
		{4, "5s aged node=1 for=9s param=3000", markKeptArrived},
	} {
		w := planned(t, c.seed, c.decisions, 30*time.Second)
		if w.marks.plain[c.mark] == 0 {
			t.Errorf("%s: never reached: %s", c.decisions, markNames[c.mark])
		}
		for _, l := range w.links {
			if l.cut != 0 {
				t.Errorf("%s: the link from %v to %v is cut %d times at the end", c.decisions, l.from, l.to, l.cut)
			}
		}
		for _, n := range w.nodes {
			if n.timing != w.shape.timing || n.paused != 0 {
				t.Errorf("%s: %v is set to %+v at the end, paused %d times", c.decisions, n, n.timing, n.paused)
			}
		}
	}
}
