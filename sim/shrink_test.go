package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// A run that does not fail stays as it is.
func TestShrinkNothing(t *testing.T) {
	o := Options{Seed: 4, Duration: 20 * time.Second}
	if s, ok := Shrink(o, Plan(o), func() bool { return true }); ok || s.Runs != 1 {
		t.Fatalf("a run that does not fail was shrunk in %d runs", s.Runs)
	}
}

// What is left of a failing run is what its failure needs, and its script is read
// as it was written. The failure: a partition that nobody takes back outlasts
// the run.
func TestShrinkFindsTheCause(t *testing.T) {
	end := faultPartition.end
	faultPartition.end = func(*World, *strike) {}
	t.Cleanup(func() { faultPartition.end = end })
	o := Options{Seed: 11, Duration: 40 * time.Second}
	plan := append(Plan(Options{Seed: 11, Duration: 40 * time.Second, Faults: []string{"crash", "loss", "delay", "transfer", "slow-sync"}}),
		Decision{Kind: "partition", At: 15 * time.Second, For: 3 * time.Second, Node: 1, Param: 1<<1 | 1<<4})
	if len(plan) < 4 {
		t.Fatalf("only %d decisions", len(plan))
	}
	runs := 0
	s, ok := Shrink(o, plan, func() bool { runs++; return runs < 300 })
	if !ok {
		t.Fatal("a partition that never ends fails no check")
	}
	if len(s.Decisions) != 1 || s.Decisions[0].Kind != "partition" || s.Before != len(plan) {
		t.Errorf("%d decisions became %v", s.Before, s.Decisions)
	}
	if r := RunWith(s.Options, s.Decisions); r.Failure == nil || r.Failure.Signature() != s.Failure.Signature() {
		t.Errorf("what is left fails with %v, not with %v", r.Failure, s.Failure)
	}
	text := Script("A story.\nIn two lines.", s.Options, s.Decisions)
	ran := false
	datadriven.RunTestFromString(t, strings.Replace(text, "no violation\n", s.Failure.Error()+"\n", 1), func(t *testing.T, d *datadriven.TestData) string {
		ran = true
		return runScript(d)
	})
	if !ran || !strings.HasPrefix(text, "# A story.\n# In two lines.\nrun seed=11") {
		t.Errorf("the script is\n%s", text)
	}
}

func TestSignature(t *testing.T) {
	a := Failure{Check: checkLease, Detail: "node 2 holds the lease in term 5 for another 614.3ms"}
	b := Failure{Check: checkLease, Detail: "node 1 holds the lease in term 14 for another 1s"}
	c := Failure{Check: checkLease, Detail: "node 1 held the lease in term 14 for another 1s"}
	if a.Signature() != b.Signature() || a.Signature() == c.Signature() {
		t.Errorf("%q, %q, %q", a.Signature(), b.Signature(), c.Signature())
	}
}
