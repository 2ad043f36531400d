package shrink

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/sim"
)

// file is a shrunk run on disk.
type file struct {
	Seed      uint64   `json:"seed"`
	Nodes     int      `json:"nodes,omitempty"`
	Duration  string   `json:"duration,omitempty"`
	Rate      int      `json:"rate,omitempty"`
	Databases string   `json:"databases,omitempty"` // empty: off, as in files of before there were any
	Failover  string   `json:"failover,omitempty"`  // empty: off
	Faults    []string `json:"faults"`              // null: all; it says whether clocks differ
	Without   []string `json:"without,omitempty"`
	Check     string   `json:"check"`
	At        string   `json:"at"`
	Detail    string   `json:"detail"`
	Before    int      `json:"decisions_before"`
	Decisions []string `json:"decisions"`
}

// Files are where Save put a shrunk run.
type Files struct {
	Decisions string // for `pgraft sim --decisions` and `pgraft shrink`
	Script    string // for go test ./sim
	Traces    string // the directory with each node's trace, for replay, diff and view; "": there are none
}

// Save writes s to dir: seed-N-CHECK.json with the decisions, seed-N-CHECK.txt,
// a script, and in seed-N-CHECK what each node recorded when it failed.
func Save(dir string, s sim.Shrunk) (f Files, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return f, fmt.Errorf("shrink: %w", err)
	}
	name := filepath.Join(dir, fmt.Sprintf("seed-%d-%s", s.Options.Seed, s.Failure.Check))
	f = Files{Decisions: name + ".json", Script: name + ".txt", Traces: name}
	if err := saveDecisions(f.Decisions, s); err != nil {
		return f, fmt.Errorf("shrink: seed %d: %w", s.Options.Seed, err)
	}
	detail := strings.Join(strings.Fields(s.Failure.Detail), " ")
	story := fmt.Sprintf("Seed %d, shrunk from %d decisions to %d. It failed the check %s:\n%s", s.Options.Seed, s.Before, len(s.Decisions), s.Failure.Check, detail)
	if err := os.WriteFile(f.Script, []byte(sim.Script(story, s.Options, s.Decisions)), 0o644); err != nil {
		return f, fmt.Errorf("shrink: %w", err)
	}
	r := Recordings{}
	o := s.Options
	o.Record, o.Build = r.Add, recorder.Build()
	sim.RunWith(o, s.Decisions)
	if len(r) == 0 { // it failed before any core was there
		f.Traces = ""
	}
	return f, r.Write(f.Traces)
}

func saveDecisions(path string, s sim.Shrunk) error {
	o := s.Options
	f := file{Seed: o.Seed, Nodes: o.Nodes, Rate: o.Rate, Databases: sim.DatabasesOff, Faults: o.Faults, Without: o.Without, Check: s.Failure.Check,
		At: s.Failure.At.String(), Detail: s.Failure.Detail, Before: s.Before}
	if o.HasDatabases() {
		f.Databases = sim.DatabasesOn
	}
	if o.HasFailover() {
		f.Failover = sim.FailoverOn
	}
	if o.Duration != 0 {
		f.Duration = o.Duration.String()
	}
	for _, d := range s.Decisions {
		f.Decisions = append(f.Decisions, d.String())
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Load reads what Save wrote.
func Load(path string) (o sim.Options, plan []sim.Decision, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return o, nil, fmt.Errorf("shrink: %w", err)
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return o, nil, fmt.Errorf("shrink: %s: %w", path, err)
	}
	o = sim.Options{Seed: f.Seed, Nodes: f.Nodes, Rate: f.Rate, Databases: f.Databases, Failover: f.Failover, Faults: f.Faults, Without: f.Without}
	if o.Databases == "" {
		o.Databases = sim.DatabasesOff
	}
	if f.Duration != "" {
		if o.Duration, err = time.ParseDuration(f.Duration); err != nil {
			return o, nil, fmt.Errorf("shrink: %s: %w", path, err)
		}
	}
	if plan, err = sim.ParsePlan(strings.Join(f.Decisions, "\n")); err != nil {
		return o, nil, fmt.Errorf("shrink: %s: %w", path, err)
	}
	return o, plan, o.Validate()
}
