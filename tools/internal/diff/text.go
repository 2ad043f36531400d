package diff

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteText prints the result for people.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "A: %s\nB: %s\n\n", r.A, r.B)
	for _, n := range r.Nodes {
		fmt.Fprintf(&b, "node %d: %s\n", n.ID, n.text())
		for _, f := range n.Started {
			fmt.Fprintf(&b, "  started with %s\n", f.text())
		}
	}
	for _, id := range r.OnlyInA {
		fmt.Fprintf(&b, "node %d: only in A\n", id)
	}
	for _, id := range r.OnlyInB {
		fmt.Fprintf(&b, "node %d: only in B\n", id)
	}
	b.WriteString("\n" + r.Summary() + "\n")
	if p := r.First; p != nil {
		p.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary is the verdict in one line.
func (r Result) Summary() string {
	switch {
	case r.First != nil:
		return fmt.Sprintf("the runs part at input %d of node %d: another %s", r.First.A.Input, r.First.Node, r.First.What)
	case len(r.Nodes) == 0:
		return "the runs have no node in common"
	case r.Verdict == Prefix:
		return "the runs are the same as far as both are recorded"
	}
	return "the runs are identical"
}

func (n Node) text() string {
	steps := fmt.Sprintf("%d steps the same", n.Same)
	switch {
	case n.Parting != nil:
		return fmt.Sprintf("%s, then another %s at input %d", steps, n.Parting.What, n.Parting.A.Input)
	case n.LeftA > 0:
		return fmt.Sprintf("%s, then B ends and A has %d more", steps, n.LeftA)
	case n.LeftB > 0:
		return fmt.Sprintf("%s, then A ends and B has %d more", steps, n.LeftB)
	}
	return steps
}

func (f Field) text() string {
	return fmt.Sprintf("%s: A %s, B %s", f.Path, orNone(f.A), orNone(f.B))
}

func orNone(s string) string {
	if s == "" {
		return "(not there)"
	}
	return s
}

func (p *Parting) write(b *strings.Builder) {
	for _, x := range []struct {
		name string
		Place
	}{{"A", p.A}, {"B", p.B}} {
		fmt.Fprintf(b, "  %s: input %d, step %d, at %v: %s\n", x.name, x.Input, x.Step, x.At.Round(time.Microsecond), x.Text)
	}
	fmt.Fprintf(b, "\n%s\n", p.Why)
	for _, f := range p.Fields {
		fmt.Fprintf(b, "  %s\n", f.text())
	}
	if p.More > 0 {
		fmt.Fprintf(b, "  and %d more\n", p.More)
	}
	if len(p.Before) > 0 {
		b.WriteString("\nbefore it, in both:\n")
		for _, t := range p.Before {
			fmt.Fprintf(b, "  %s\n", t)
		}
	}
}
