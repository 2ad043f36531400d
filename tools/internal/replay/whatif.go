package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
)

// Settings are what --set can change: in the core's own units, or as times.
var settings = map[string]func(*core.Config, string) error{
	"election_timeout":   ticks(func(c *core.Config) *int { return &c.ElectionTicks }),
	"heartbeat_interval": ticks(func(c *core.Config) *int { return &c.HeartbeatTicks }),
	"snapshot_entries":   number(func(c *core.Config) *uint64 { return &c.SnapshotEntries }),
	"max_tail_bytes":     number(func(c *core.Config) *uint64 { return &c.MaxTailBytes }),
	"seed":               number(func(c *core.Config) *uint64 { return &c.Seed }),
	"max_entry_bytes": func(c *core.Config, v string) (err error) {
		c.MaxEntryBytes, err = strconv.Atoi(v)
		return err
	},
}

// ticks takes a time, or a number of ticks.
func ticks(field func(*core.Config) *int) func(*core.Config, string) error {
	return func(c *core.Config, v string) error {
		if n, err := strconv.Atoi(v); err == nil {
			*field(c) = n
			return nil
		}
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("neither a number of ticks nor a time like 500ms: %q", v)
		}
		*field(c) = int(d.Milliseconds()) / int(c.TickMillis)
		return nil
	}
}

func number(field func(*core.Config) *uint64) func(*core.Config, string) error {
	return func(c *core.Config, v string) (err error) {
		*field(c), err = strconv.ParseUint(v, 0, 64)
		return err
	}
}

// Changes reads K=V pairs. A value that does not fit shows once a core starts.
func Changes(pairs []string) (func(*core.Config), error) {
	names := make([]string, 0, len(settings))
	for k := range settings {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || settings[k] == nil {
			return nil, fmt.Errorf("no setting in %q: it is NAME=VALUE with one of %s", p, strings.Join(names, ", "))
		}
		if err := settings[k](&core.Config{TickMillis: 1}, v); err != nil {
			return nil, fmt.Errorf("setting %s: %w", k, err)
		}
	}
	return func(c *core.Config) {
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			_ = settings[k](c, v) // was read above
		}
	}, nil
}

// WhatIf is a node's run with other settings against the recorded one.
type WhatIf struct {
	Name   string      `json:"node"`
	Inputs int         `json:"inputs"`         // until they part, or all
	Parted *Parting    `json:"parted"`         // nil: the settings change nothing
	Ends   string      `json:"ends,omitempty"` // why the changed run ends early
	Was    core.Status `json:"recorded_status"`
	Is     core.Status `json:"changed_status"`
}

// Parting is the first input after which they do something else.
type Parting struct {
	N       int      `json:"input"`
	Input   string   `json:"what"`
	Was     []string `json:"recorded"`
	Is      []string `json:"changed"`
	WasThen string   `json:"recorded_status"`
	IsThen  string   `json:"changed_status"`
}

// WhatIf replays the node as it was and with other settings, side by side. The
// inputs are the recorded ones in both: what other nodes would have answered is
// not known. So the first difference is sound, and what follows it only a hint.
func (n *Node) WhatIf(set func(*core.Config)) WhatIf {
	w := WhatIf{Name: n.Name}
	a, b := n.once(), n.CursorWith(set)
	for a.Next() && b.Next() {
		x, y := a.Event(), b.Event()
		w.Was, w.Is = x.Status, y.Status
		if y.Err != nil {
			w.Ends = y.Err.Error()
			break
		}
		if x.Step == nil {
			continue
		}
		if w.Parted == nil {
			w.Inputs = x.N
			if y.Step.Panic == "" && x.Step.Parts == y.Step.Parts {
				continue
			}
			w.Parted = &Parting{N: x.N, Input: x.Line(), Was: Outputs(x.Step.Output), Is: Outputs(y.Step.Output),
				WasThen: StatusLine(x.Status), IsThen: StatusLine(y.Status)}
		}
		if y.Step.Panic != "" {
			w.Ends = fmt.Sprintf("at input %d the recorded inputs no longer fit: %s", y.N, y.Step.Panic)
			break
		}
	}
	return w
}

// Refused says that the settings make no core at all: Ends says why.
func (w WhatIf) Refused() bool { return w.Ends != "" && w.Inputs == 0 }

func (w WhatIf) String() string {
	var b strings.Builder
	if w.Refused() {
		fmt.Fprintf(&b, "node %s: no run to compare with\n", w.Name)
	} else if w.Parted == nil {
		fmt.Fprintf(&b, "node %s: the same, %d inputs\n", w.Name, w.Inputs)
	} else {
		p := w.Parted
		fmt.Fprintf(&b, "node %s: another run from input %d on: %s\n", w.Name, p.N, p.Input)
		for _, l := range p.Was {
			if !slices.Contains(p.Is, l) {
				fmt.Fprintf(&b, "  recorded  %s\n", l)
			}
		}
		for _, l := range p.Is {
			if !slices.Contains(p.Was, l) {
				fmt.Fprintf(&b, "  changed   %s\n", l)
			}
		}
		fmt.Fprintf(&b, "  recorded  %s\n  changed   %s\n", p.WasThen, p.IsThen)
		fmt.Fprintf(&b, "  in the end, given the recorded inputs still:\n  recorded  %s\n  changed   %s\n", StatusLine(w.Was), StatusLine(w.Is))
	}
	if w.Ends != "" {
		fmt.Fprintf(&b, "  the changed run ends: %s\n", w.Ends)
	}
	return b.String()
}
