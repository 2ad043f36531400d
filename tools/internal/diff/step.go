package diff

import (
	"fmt"
	"reflect"

	"github.com/pgraft/pgraft/tools/internal/history"
)

// compareStep says in what two steps differ, "" if in nothing, and which fields
// do.
func compareStep(a, b *history.Step) (what string, fields []Field) {
	if na, nb := history.InputName(a), history.InputName(b); na != nb {
		return "input", []Field{{"kind", na, nb}}
	}
	for _, c := range []struct {
		what string
		f    []Field
	}{{"input", inputFields(a.In, b.In)}, {"output", outputFields(a.Out, b.Out)},
		{"state", append(differ(a.After, b.After), failoverFields(a.Failover, b.Failover)...)}} {
		if len(c.f) > 0 {
			return c.what, c.f
		}
	}
	if a.Vote != b.Vote && a.Vote != history.UnknownVote && b.Vote != history.UnknownVote {
		return "state", []Field{{"Vote", history.NodeName(a.Vote), history.NodeName(b.Vote)}}
	}
	return "", nil
}

// differ is unequal for what mostly is equal.
func differ(a, b any) []Field {
	if reflect.DeepEqual(a, b) {
		return nil
	}
	return unequal(a, b)
}

// unequal lists the fields of two values that differ, in A's order, then those
// that only B has. Nil and empty lists are the same.
func unequal(a, b any) []Field {
	fa, fb := history.Fields(a), history.Fields(b)
	inB := make(map[string]string, len(fb))
	for _, f := range fb {
		inB[f.Path] = f.Value
	}
	var l []Field
	seen := make(map[string]bool, len(fa))
	for _, f := range fa {
		seen[f.Path] = true
		if v := inB[f.Path]; v != f.Value { // what is empty is not there
			l = append(l, Field{f.Path, f.Value, v})
		}
	}
	for _, f := range fb {
		if !seen[f.Path] && f.Value != "" {
			l = append(l, Field{f.Path, "", f.Value})
		}
	}
	return l
}

// why says where to look for the cause.
func why(what string, a, b *history.Step, started []Field, order string) string {
	switch {
	case resumed(a) || resumed(b):
		return "one of the records has a gap here"
	case a.Start != nil || b.Start != nil:
		return "one of the two started anew here, the other ran on"
	case what == "input":
		return "the node was given something else: until here it did the same, so the cause is outside of it. " + order
	case len(started) > 0:
		return fmt.Sprintf("the same inputs led to another %s: the node was started differently (%s: %q, %q)",
			what, started[0].Path, started[0].A, started[0].B)
	default:
		return fmt.Sprintf("the same inputs led to another %s: the code of the core differs, or it is not deterministic", what)
	}
}

// maxApart is how many inputs further on an input is looked for in the other
// run.
const maxApart = 500

// order says whether the inputs that as and bs begin with come later on the
// other side.
func order(a, b lane, as, bs []int) string {
	inB, inA := later(a, as[0], b, bs), later(b, bs[0], a, as)
	switch {
	case inA > 0 && inB > 0:
		return fmt.Sprintf("Both happened in both runs, in another order: A's comes %s later in B, B's %s later in A", inputs(inB), inputs(inA))
	case inA > 0:
		return fmt.Sprintf("A has one input more, or earlier: B's comes %s later in A, A's nowhere near in B", inputs(inA))
	case inB > 0:
		return fmt.Sprintf("B has one input more, or earlier: A's comes %s later in B, B's nowhere near in A", inputs(inB))
	}
	return "Neither comes later in the other run: look at what others sent, and what clients asked for"
}

func inputs(n int) string {
	if n == 1 {
		return "1 input"
	}
	return fmt.Sprintf("%d inputs", n)
}

// later is how many inputs further on the input of step i comes in the other
// list, 0 if it does not come soon.
func later(l lane, i int, other lane, list []int) int {
	in := l.h.Steps[i].In
	for k := 1; k < min(len(list), maxApart); k++ {
		if reflect.DeepEqual(in, other.h.Steps[list[k]].In) {
			return k
		}
	}
	return 0
}

func resumed(s *history.Step) bool { return s.Start != nil && s.Start.Resumed }
