package sim

import (
	"os"
	"strconv"
	"testing"
)

func TestDebug(t *testing.T) {
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	o := Options{Seed: uint64(seed)}
	if f := os.Getenv("FAULTS"); f != "" {
		o.Faults = []string{f}
	}
	if f := os.Getenv("FAULTS"); f == "none" {
		o.Faults = []string{}
	}
	n, _ := strconv.Atoi(os.Getenv("N"))
	if n == 0 {
		o.Trace = func(l string) { t.Log(l) }
		r := Run(o)
		for _, d := range r.Decisions {
			t.Log(d)
		}
		t.Logf("%v %v events %d", r.Failure, r.Time, r.Events)
		return
	}
	var m Marks
	var ev uint64
	sig := map[string][]uint64{}
	for i := range n {
		o.Seed = uint64(seed + i)
		r := Run(o)
		m.Merge(&r.Marks)
		ev += r.Events
		if r.Failure != nil {
			s := r.Failure.Signature()
			sig[s] = append(sig[s], o.Seed)
			if len(sig[s]) < 3 {
				t.Logf("seed %d: %v", o.Seed, r.Failure)
			}
		}
	}
	for s, l := range sig {
		t.Logf("%d x %s", len(l), s)
	}
	t.Logf("events %d", ev)
	for _, m := range m.List() {
		t.Logf("%s %d", m.Name, m.Count)
	}
}
