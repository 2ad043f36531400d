package replay

import (
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// Verdict says how the replay of one node went.
type Verdict struct {
	Node        *Node       `json:"-"`
	Name        string      `json:"node"`
	Identical   bool        `json:"identical"`
	Inputs      int         `json:"inputs"` // replayed and equal
	Starts      int         `json:"starts"`
	Checkpoints int         `json:"checkpoints_equal"`
	Restored    int         `json:"restored_from_checkpoints"`
	Gaps        []trace.Gap `json:"gaps,omitempty"`
	Damage      []string    `json:"damage,omitempty"` // files that are cut off, or damaged
	Damaged     bool        `json:"damaged"`          // one is more than cut off
	Panic       string      `json:"panic,omitempty"`  // the recorded core died of one, and so did the replay
	Difference  *Difference `json:"difference,omitempty"`
}

// Difference is the first input after which the replay did something else.
type Difference struct {
	N      int      `json:"input"`
	Input  string   `json:"what"`
	Fields []string `json:"fields"` // recorded against replayed
	Err    string   `json:"error,omitempty"`
}

// Replay replays a node until something differs.
func (n *Node) Replay() Verdict { return n.replay(func(*Event) {}) }

// replay goes on to the end, for see, which gets every input's event.
func (n *Node) replay(see func(*Event)) Verdict {
	v := Verdict{Node: n, Name: n.Name}
	for _, f := range n.Files {
		if f.Damage != nil {
			v.Damage = append(v.Damage, fmt.Sprintf("%s: %v", f.Path, f.Damage))
			v.Damaged = v.Damaged || !f.Damage.Cut
		}
	}
	c := n.once()
	for c.Next() {
		e := c.Event()
		if _, ok := e.Frame.(*trace.Boot); ok {
			v.Starts++
		}
		if e.Err != nil && v.Difference == nil {
			v.Difference = &Difference{N: e.N, Input: e.Line(), Err: e.Err.Error()}
		}
		if e.Step == nil {
			continue
		}
		see(e)
		if v.Difference == nil && !e.Step.Same() {
			v.Difference = difference(e)
		}
		if v.Difference == nil {
			v.Inputs++
			v.Panic = e.Step.Panic
		}
	}
	v.Checkpoints, v.Restored, v.Gaps = c.player.Checkpoints, c.player.Restored, c.player.Gaps
	v.Identical = v.Difference == nil
	return v
}

// difference shows the recorded sums of an output's fields against the
// replayed ones, and all of the replayed output. What was recorded is known by
// its sums only.
func difference(e *Event) *Difference {
	d := &Difference{N: e.N, Input: e.Line()}
	s := e.Step
	switch {
	case s.Panic != "" && s.Recorded.Summed:
		d.Err = "the replayed core panics, the recorded one did not: " + s.Panic
		return d
	case !s.Recorded.Summed:
		d.Err = "the recorded core panicked at this input, the replayed one does not"
		return d
	}
	lines := Outputs(s.Output)
	for i, name := range strings.Fields(core.PartNames) {
		was, is := s.Recorded.Parts[i], s.Parts[i]
		switch {
		case was == is && is.Count == 0:
			continue
		case was == is:
			d.Fields = append(d.Fields, fmt.Sprintf("  %-14s equal: %d", name, is.Count))
		case was.Count != is.Count:
			d.Fields = append(d.Fields, fmt.Sprintf("! %-14s recorded %d, replayed %d", name, was.Count, is.Count))
		default:
			d.Fields = append(d.Fields, fmt.Sprintf("! %-14s %d, recorded with sum %08x, replayed with sum %08x", name, is.Count, was.Sum, is.Sum))
		}
		for _, l := range lines {
			if strings.HasPrefix(l, linePrefix[name]) {
				d.Fields = append(d.Fields, "      replayed: "+l)
			}
		}
	}
	if len(d.Fields) == 0 || s.Parts == s.Recorded.Parts {
		d.Err = "the output is equal, but the sum over all before it is not"
	}
	return d
}

// linePrefix is how Outputs begins its lines.
var linePrefix = map[string]string{"Persist": "persist", "Send": "send", "Apply": "apply", "Reply": "reply", "Events": "event", "MembersChanged": "members"}

func (v Verdict) String() string {
	var b strings.Builder
	if v.Identical {
		fmt.Fprintf(&b, "node %s: identical, %d inputs", v.Name, v.Inputs)
	} else {
		fmt.Fprintf(&b, "node %s: DIFFERS at input %d of %d", v.Name, v.Difference.N, v.Node.Inputs)
	}
	fmt.Fprintf(&b, " (%d files, %d starts, %d checkpoints equal)\n", len(v.Node.Files), v.Starts, v.Checkpoints)
	for _, g := range v.Gaps {
		fmt.Fprintf(&b, "  not recorded: inputs %d to %d of one life\n", g.First, g.Last)
	}
	for _, d := range v.Damage {
		fmt.Fprintf(&b, "  %s\n", d)
	}
	if v.Panic != "" {
		fmt.Fprintf(&b, "  the core panicked at the last input, as it did when it was recorded: %s\n", v.Panic)
	}
	if d := v.Difference; d != nil {
		fmt.Fprintf(&b, "  input %d: %s\n", d.N, d.Input)
		for _, f := range d.Fields {
			fmt.Fprintf(&b, "    %s\n", f)
		}
		if d.Err != "" {
			fmt.Fprintf(&b, "    %s\n", d.Err)
		}
	}
	return b.String()
}
