package campaign

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pgraft/pgraft/sim"
)

// Command is the command line that runs one seed of a campaign again.
func Command(o sim.Options, seed uint64) string {
	s := fmt.Sprintf("pgraft sim --seed %d", seed)
	if o.Nodes != 0 && o.Nodes != sim.DefaultNodes {
		s += fmt.Sprintf(" --nodes %d", o.Nodes)
	}
	if o.Duration != 0 && o.Duration != sim.DefaultDuration {
		s += fmt.Sprintf(" --duration %v", o.Duration)
	}
	if o.Rate != 0 && o.Rate != sim.DefaultRate {
		s += fmt.Sprintf(" --rate %d", o.Rate)
	}
	if o.Databases != "" && o.Databases != sim.DatabasesDrawn {
		s += " --databases " + o.Databases
	}
	if o.Failover != "" && o.Failover != sim.FailoverOff {
		s += " --failover " + o.Failover
	}
	if o.Faults != nil {
		s += " --faults " + FaultList(o.Faults)
	}
	if len(o.Without) > 0 {
		s += " --without " + strings.Join(o.Without, ",")
	}
	return s
}

// FaultList writes a selection of faults as --faults takes it, the shorter way.
func FaultList(l []string) string {
	var without []string
	for _, k := range sim.Kinds() {
		if !slices.Contains(l, k.Name) {
			without = append(without, "-"+k.Name)
		}
	}
	switch {
	case len(l) == 0:
		return "none"
	case len(without) > 0 && len(without) < len(l):
		return strings.Join(without, ",")
	}
	return strings.Join(l, ",")
}

// Faults reads --faults: names, or names with a minus in front that are left
// out of all; none for none. nil means all.
func Faults(list []string) ([]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) == 1 && list[0] == "none" {
		return []string{}, nil
	}
	with, without := map[string]bool{}, map[string]bool{}
	for _, f := range list {
		name, minus := strings.CutPrefix(strings.TrimSpace(f), "-")
		if sim.KindOf(name) == nil {
			return nil, fmt.Errorf("no fault is called %q; `pgraft sim faults` lists them", name)
		}
		if minus {
			without[name] = true
		} else {
			with[name] = true
		}
	}
	chosen := []string{}
	for _, k := range sim.Kinds() {
		if !without[k.Name] && (len(with) == 0 || with[k.Name]) {
			chosen = append(chosen, k.Name)
		}
	}
	return chosen, nil
}

// Line is a campaign so far in one line.
func (s Stats) Line() string {
	return fmt.Sprintf("%d seeds, %.0f an hour, %.0f k events/s, %v simulated, %d failed", s.Seeds, s.SeedsPerHour(),
		s.EventsPerSecond()/1000, s.Simulated.Round(time.Minute), s.Failed)
}

// Write prints the summary for people.
func (r *Result) Write(w io.Writer, o sim.Options) {
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nseed %d: %s at %s: %s\n  again: %s\n", f.Seed, f.Check, f.At, f.Detail, f.Command)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nMARK\tCOUNT\t")
	for _, m := range r.Marks.List() {
		note := ""
		if m.Must && m.Count == 0 {
			note = "  never reached"
		}
		fmt.Fprintf(tw, "%s\t%d\t%s\n", m.Name, m.Count, note)
	}
	tw.Flush() // fails only as the writer below it does
	fmt.Fprintf(w, "\nworkload: %s\n", o.Describe())
	fmt.Fprintf(w, "%s; %v, %.2f simulated hours a second; %d run twice; %.1f allocations an event\n", r.Line(),
		r.Elapsed.Round(time.Millisecond), r.Simulated.Hours()/max(r.Elapsed.Seconds(), 1e-9), r.Twice,
		float64(r.Allocs)/float64(max(1, r.Events)))
}

// WriteJSON prints all of it for programs.
func (r *Result) WriteJSON(w io.Writer, o sim.Options) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Stats
		Workload        string     `json:"workload"`
		SeedsPerHour    float64    `json:"seeds_per_hour"`
		EventsPerSecond float64    `json:"events_per_second"`
		Failures        []Failure  `json:"failures"`
		Marks           []sim.Mark `json:"marks"`
	}{r.Stats, o.Describe(), r.SeedsPerHour(), r.EventsPerSecond(), append([]Failure{}, r.Failures...), r.Marks.List()})
}

// Missing are the marks that have to be reached and were not.
func (r *Result) Missing() (l []string) {
	for _, m := range r.Marks.List() {
		if m.Must && m.Count == 0 {
			l = append(l, m.Name)
		}
	}
	return l
}
