package sim

import (
	"fmt"
	"strings"
	"time"
)

// Script writes a run as a command of testdata/sim: story is the comment before
// it, and the output is what has to come of it, no violation.
func Script(story string, o Options, plan []Decision) string {
	o = o.withDefaults()
	var b strings.Builder
	for _, l := range strings.Split(strings.TrimSpace(story), "\n") {
		fmt.Fprintf(&b, "# %s\n", l)
	}
	fmt.Fprintf(&b, "run seed=%d", o.Seed)
	if o.Nodes != DefaultNodes {
		fmt.Fprintf(&b, " nodes=%d", o.Nodes)
	}
	if o.Duration != DefaultDuration {
		fmt.Fprintf(&b, " duration=%v", o.Duration)
	}
	if o.Rate != DefaultRate {
		fmt.Fprintf(&b, " rate=%d", o.Rate)
	}
	if o.HasDatabases() {
		b.WriteString(" databases=on")
	}
	if o.HasFailover() {
		b.WriteString(" failover=on")
	}
	if !o.wants("drift") {
		b.WriteString(" clocks=alike")
	}
	b.WriteByte('\n')
	for _, d := range plan {
		fmt.Fprintf(&b, "%v\n", d)
	}
	b.WriteString("----\nno violation\n")
	return b.String()
}

// ParsePlan reads decisions, one a line.
func ParsePlan(text string) (plan []Decision, err error) {
	for _, l := range strings.Split(text, "\n") {
		if strings.TrimSpace(l) == "" {
			continue
		}
		d, err := ParseDecision(l)
		if err != nil {
			return nil, err
		}
		plan = append(plan, d)
	}
	return plan, nil
}

// setOption reads an argument of the command run.
func (o *Options) setOption(name, value string) (err error) {
	switch name {
	case "seed":
		_, err = fmt.Sscan(value, &o.Seed)
	case "nodes":
		_, err = fmt.Sscan(value, &o.Nodes)
	case "rate":
		_, err = fmt.Sscan(value, &o.Rate)
	case "duration":
		o.Duration, err = time.ParseDuration(value)
	case "databases":
		o.Databases = value
	case "failover":
		o.Failover = value
	case "clocks":
		if value != "alike" {
			return fmt.Errorf("clocks=%s: only alike is known", value)
		}
		o.Faults = []string{}
	default:
		return fmt.Errorf("nothing is called %q", name)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	return nil
}
