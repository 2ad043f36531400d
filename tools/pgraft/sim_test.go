package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// A campaign says what it ran, how fast, and what it reached.
func TestSimCampaign(t *testing.T) {
	out, _, err := pgraft(t, "sim", "--seeds", "4", "--duration", "20s", "--twice", "50%", "--workers", "2")
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, out, "4 seeds,", "an hour", "events/s", "0 failed", "allocations an event", "3 nodes, 20s simulated, 30 operations a second",
		"all faults drawn, every check on", "MARK", "fault crash", "elected")
}

func TestSimJSON(t *testing.T) {
	out, _, err := pgraft(t, "sim", "--seeds", "3", "--duration", "20s", "--faults", "crash,pause", "--shard", "1/4", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Seeds           uint64
		Events          uint64
		Failed          uint64
		SeedsPerHour    float64 `json:"seeds_per_hour"`
		EventsPerSecond float64 `json:"events_per_second"`
		Workload        string
		Marks           []struct {
			Name  string
			Count uint64
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if r.Seeds != 3 || r.Events == 0 || r.Failed != 0 || r.SeedsPerHour <= 0 || r.EventsPerSecond <= 0 || !strings.Contains(r.Workload, "2 of ") {
		t.Errorf("%+v", r)
	}
	for _, m := range r.Marks {
		if m.Name == "fault partition" && m.Count != 0 {
			t.Errorf("partition was not asked for and struck %d times", m.Count)
		}
	}
}

// One seed is shown with its decisions, and twice with the same hash.
func TestSimOne(t *testing.T) {
	one, _, err := pgraft(t, "sim", "--seed", "5", "--duration", "20s")
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, one, "seed 5, 3 nodes", "decisions:", "hash ", "no violation")
	if again, _, err := pgraft(t, "sim", "--seed", "5", "--duration", "20s"); err != nil || again != one {
		t.Errorf("%v; seed 5 printed first:\n%s\nthen:\n%s", err, one, again)
	}
	trace, _, err := pgraft(t, "sim", "--seed", "5", "--duration", "20s", "--trace")
	if err != nil || len(trace) < 10*len(one) {
		t.Errorf("%v: a trace of %d bytes", err, len(trace))
	}
}

// With --marks a campaign that does not go everywhere fails.
func TestSimMarks(t *testing.T) {
	_, errOut, err := pgraft(t, "sim", "--seeds", "2", "--duration", "20s", "--faults", "none", "--marks")
	if err == nil || !strings.Contains(errOut, "never reached: fault loss") {
		t.Errorf("%v, %q", err, errOut)
	}
}

func TestSimFaults(t *testing.T) {
	out, _, err := pgraft(t, "sim", "faults")
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, out, "partition", "dir-lost", "bootstrap", "one-lease", "linearizable")
}

func TestSimMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--faults", "gravity"}, `no fault is called "gravity"`},
		{[]string{"--without", "doubt"}, `no checker is called "doubt"`},
		{[]string{"--shard", "3"}, "want i/n"},
		{[]string{"--seeds", "2", "--shard", "4/4"}, "shard 4 of 4"},
		{[]string{"--twice", "often"}, "--twice"},
		{[]string{"--nodes", "12"}, "12 nodes"},
		{[]string{"--duration", "1s"}, "a run of 1s"},
		{[]string{"--seeds", "2", "--trace"}, "are for one seed"},
		{[]string{"--decisions", "x", "--for", "1s"}, "are for one seed"},
		{[]string{"--decisions", "x"}, "open x: no such file"},
		{[]string{"--nodes", "0"}, "none of them can be 0"},
		{[]string{"--seeds", "2", "--shard", "1/3x"}, "want i/n"},
	} {
		_, errOut, err := pgraft(t, append([]string{"sim"}, c.args...)...)
		if err == nil || !strings.Contains(errOut, c.want) {
			t.Errorf("pgraft sim %q: %v, %q; want %q", c.args, err, errOut, c.want)
		}
	}
}
