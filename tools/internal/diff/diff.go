// Package diff compares two runs and names the first event where they part.
package diff

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/history"
)

// Verdicts.
const (
	Identical = "identical" // all that both recorded
	Prefix    = "prefix"    // the same, as far as the shorter record goes
	Parted    = "parted"
)

// Result is what came of a comparison.
type Result struct {
	Verdict string `json:"verdict"`
	A       string `json:"a"`
	B       string `json:"b"`
	// First is where the runs part: of all nodes' partings, the one that came
	// first in either run.
	First *Parting `json:"first,omitempty"`
	Nodes []Node   `json:"nodes"`
	// OnlyInA and OnlyInB are the ids of nodes that the other has no record of.
	OnlyInA []uint32 `json:"only_in_a,omitempty"`
	OnlyInB []uint32 `json:"only_in_b,omitempty"`
}

// Node is the comparison of one node's two records.
type Node struct {
	ID      uint32   `json:"id"`
	Same    int      `json:"same"`   // steps that both have, up to the parting
	LeftA   int      `json:"left_a"` // steps in A after those
	LeftB   int      `json:"left_b"`
	Started []Field  `json:"started,omitempty"` // how starts differ; that alone is no parting
	Parting *Parting `json:"parting,omitempty"`
}

// Parting is one step in A and the step in B that should have been the same.
type Parting struct {
	Node   uint32   `json:"node"`
	A      Place    `json:"a"`
	B      Place    `json:"b"`
	What   string   `json:"what"` // "input", "output" or "state"
	Why    string   `json:"why"`
	Fields []Field  `json:"fields"` // at most maxFields
	More   int      `json:"more,omitempty"`
	Before []string `json:"before"` // the last steps that were the same
}

// Place is where in a run a step is.
type Place struct {
	Step  int           `json:"step"`  // in the run of all nodes, from 0
	Input uint64        `json:"input"` // of the node, since its start, from 1
	At    time.Duration `json:"at_ns"`
	Text  string        `json:"text"` // what the input was
}

// Field is a value that differs. An empty one is not there.
type Field struct {
	Path string `json:"path"`
	A    string `json:"a"`
	B    string `json:"b"`
}

const (
	maxFields = 20 // that a Parting lists
	maxBefore = 4  // steps before it
)

// Compare compares two histories, node by node. Times do not count, and how a
// node was started is only noted: what matters is what it was given, what it
// answered, and what it was then.
func Compare(a, b *history.History) Result {
	r := Result{Verdict: Identical, A: a.Name, B: b.Name}
	firstAt := 0
	for la, n := range a.Nodes {
		if !n.Recorded {
			continue
		}
		lb := laneOf(b, n.ID)
		if lb < 0 {
			r.OnlyInA = append(r.OnlyInA, n.ID)
			continue
		}
		node := compareNode(lane{a, la}, lane{b, lb})
		node.ID = n.ID
		r.Nodes = append(r.Nodes, node)
		if p := node.Parting; p != nil {
			p.Node = n.ID
			if at := min(p.A.Step, p.B.Step); r.First == nil || at < firstAt {
				r.First, firstAt = p, at
			}
		}
		if node.LeftA+node.LeftB > 0 && r.Verdict == Identical {
			r.Verdict = Prefix
		}
	}
	for _, n := range b.Nodes {
		if n.Recorded && laneOf(a, n.ID) < 0 {
			r.OnlyInB = append(r.OnlyInB, n.ID)
		}
	}
	switch {
	case r.First != nil:
		r.Verdict = Parted
	case len(r.OnlyInA)+len(r.OnlyInB) > 0:
		r.Verdict = Prefix
	}
	return r
}

// laneOf is where a node's steps are, -1 if there are none.
func laneOf(h *history.History, id uint32) int {
	return slices.IndexFunc(h.Nodes, func(n history.Node) bool { return n.ID == id && n.Recorded })
}

// lane is one node's part of a history.
type lane struct {
	h *history.History
	l int
}

// steps are the node's, as indices in the history.
func (l lane) steps() []int {
	var list []int
	for i := range l.h.Steps {
		if l.h.Steps[i].Lane == l.l {
			list = append(list, i)
		}
	}
	return list
}

func (l lane) place(i int) Place {
	s := &l.h.Steps[i]
	return Place{Step: i, Input: s.Seq, At: s.At, Text: l.text(i)}
}

// text says what the input was.
func (l lane) text(i int) string {
	s := &l.h.Steps[i]
	text := history.InputName(s)
	if in, ok := s.In.(core.Receive); ok {
		m := history.Open(in.Data)
		return text + " " + m.Kind + " from " + history.NodeName(in.From)
	}
	if more := history.InputText(s); more != "" {
		text += ": " + more
	}
	return text
}

func compareNode(a, b lane) (n Node) {
	as, bs := a.steps(), b.steps()
	as, bs = align(a, b, as, bs)
	for i := 0; ; i++ {
		if i == len(as) || i == len(bs) {
			n.Same, n.LeftA, n.LeftB = i, len(as)-i, len(bs)-i
			return n
		}
		x, y := &a.h.Steps[as[i]], &b.h.Steps[bs[i]]
		if x.Start != nil && y.Start != nil {
			for _, f := range unequal(*x.Start, *y.Start) {
				if len(n.Started) < maxFields && !slices.Contains(n.Started, f) {
					n.Started = append(n.Started, f)
				}
			}
			continue
		}
		what, fields := compareStep(x, y)
		if what == "" {
			continue
		}
		p := &Parting{A: a.place(as[i]), B: b.place(bs[i]), What: what, Fields: fields}
		if p.More = max(0, len(fields)-maxFields); p.More > 0 {
			p.Fields = fields[:maxFields]
		}
		p.Why = why(what, x, y, n.Started, order(a, b, as[i:], bs[i:]))
		for k := max(0, i-maxBefore); k < i; k++ {
			p.Before = append(p.Before, a.text(as[k]))
		}
		n.Same, n.LeftA, n.LeftB, n.Parting = i, len(as)-i, len(bs)-i, p
		return n
	}
}

// align drops what only one record has of the beginning: a ring forgets.
func align(a, b lane, as, bs []int) ([]int, []int) {
	if k := a.find(as, &b.h.Steps[bs[0]]); k >= 0 {
		return as[k+1:], bs[1:]
	}
	if k := b.find(bs, &a.h.Steps[as[0]]); k >= 0 {
		return as[1:], bs[k+1:]
	}
	return as, bs
}

// find is the place in list of the step after which another record of the same
// core begins, -1 if it begins with a start, or elsewhere.
func (l lane) find(list []int, first *history.Step) int {
	if first.Start == nil || !first.Start.Resumed {
		return -1
	}
	sameLife := false
	for k, i := range list {
		s := &l.h.Steps[i]
		if s.Start != nil {
			sameLife = s.Start.Config.Seed == first.Start.Config.Seed
		} else if sameLife && s.Seq == first.Start.Seq {
			return k
		}
	}
	return -1
}
