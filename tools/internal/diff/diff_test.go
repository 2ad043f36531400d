package diff

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/history/historytest"
)

func run(t *testing.T, change func(*historytest.Options)) *history.History {
	t.Helper()
	o := historytest.IncidentOptions()
	if change != nil {
		change(&o)
	}
	h, err := historytest.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func text(t *testing.T, r Result) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestIdentical(t *testing.T) {
	r := Compare(run(t, nil), run(t, nil))
	if r.Verdict != Identical || r.First != nil || len(r.Nodes) != 3 || r.Nodes[0].Same < 500 {
		t.Errorf("%+v", r)
	}
	if s := text(t, r); !strings.Contains(s, "the runs are identical") {
		t.Error(s)
	}
}

// Message loss alone makes the difference: the first step that differs is an
// input, and the one before it is the same on both sides.
func TestOtherInput(t *testing.T) {
	a, b := run(t, nil), run(t, func(o *historytest.Options) { o.Loss = 30 })
	r := Compare(a, b)
	p := r.First
	if r.Verdict != Parted || p == nil || p.What != "input" || len(p.Fields) == 0 {
		t.Fatalf("%+v", r)
	}
	for _, n := range r.Nodes {
		if n.Parting != nil && min(n.Parting.A.Step, n.Parting.B.Step) < min(p.A.Step, p.B.Step) {
			t.Errorf("node %d parts before the first: %+v", n.ID, n.Parting)
		}
	}
	s := text(t, r)
	for _, w := range []string{"the runs part at input", "the cause is outside of it", "before it, in both:"} {
		if !strings.Contains(s, w) {
			t.Errorf("no %q in:\n%s", w, s)
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// One field of one message that a core sent differs: it is named, with both
// values, down to the message.
func TestOtherOutput(t *testing.T) {
	a, b := run(t, nil), run(t, nil)
	step := slices.IndexFunc(b.Steps, func(s history.Step) bool { return len(s.Out.Send) > 0 && s.At > 4e9 })
	s := &b.Steps[step]
	s.Out.Send = slices.Clone(s.Out.Send)
	s.Out.Send[0].To = core.RaftID(1, 9)
	s.After.Commit += 7
	r := Compare(a, b)
	p := r.First
	if r.Verdict != Parted || p == nil || p.What != "output" || p.A.Step != step || p.B.Step != step {
		t.Fatalf("%+v, changed step %d", p, step)
	}
	if len(p.Fields) != 1 || p.Fields[0].Path != "Send[0].To" || p.Fields[0].B != "node 9 (incarnation 1)" {
		t.Errorf("fields %+v", p.Fields)
	}
	if !strings.Contains(p.Why, "the code of the core differs") {
		t.Errorf("why: %s", p.Why)
	}
}

// A record that ends earlier, or begins later, is no difference.
func TestPartOfARun(t *testing.T) {
	a, b := run(t, nil), run(t, nil)
	b.Steps = b.Steps[:1000]
	r := Compare(a, b)
	if r.Verdict != Prefix || r.First != nil || !strings.Contains(text(t, r), "then B ends and A has") {
		t.Errorf("%s", text(t, r))
	}

	// B's ring begins with a checkpoint of node 3.
	b = run(t, nil)
	var kept []history.Step
	resumed := false
	for _, s := range b.Steps {
		switch {
		case s.Lane != 2 || resumed:
			kept = append(kept, s)
		case s.Seq == 100:
			resumed = true
			s.Start = &history.Start{Config: core.Config{Seed: seedOf(b, 2)}, Resumed: true, Seq: 100}
			s.In, s.Out, s.Seq = nil, core.Output{}, 0
			kept = append(kept, s)
		}
	}
	all := len(b.Steps)
	b.Steps = kept
	r = Compare(a, b)
	if r.Verdict != Identical || r.First != nil || all-len(kept) != 100 {
		t.Errorf("%d steps left out\n%s", all-len(kept), text(t, r))
	}
}

func seedOf(h *history.History, lane int) uint64 {
	i := slices.IndexFunc(h.Steps, func(s history.Step) bool { return s.Lane == lane && s.Start != nil })
	return h.Steps[i].Start.Config.Seed
}

func TestOtherNodes(t *testing.T) {
	a, b := run(t, nil), run(t, nil)
	b.Nodes[0].ID = 7
	r := Compare(a, b)
	if r.Verdict != Prefix || !slices.Equal(r.OnlyInA, []uint32{1}) || !slices.Equal(r.OnlyInB, []uint32{7}) {
		t.Errorf("%+v", r)
	}
}

// What is empty on one side and not there on the other is no difference to show.
func TestUnequalLeavesOutEmpty(t *testing.T) {
	a, b := core.Output{}, core.Output{Reply: []core.Reply{{ID: 1}}}
	for _, f := range append(unequal(a, b), unequal(b, a)...) {
		if f.A == f.B {
			t.Errorf("%+v", f)
		}
	}
}

// A record that begins late does not know for whom a node voted before: that is
// no difference.
func TestUnknownVote(t *testing.T) {
	a := &history.Step{In: core.Tick{}, Vote: 1 << 33}
	b := &history.Step{In: core.Tick{}, Vote: history.UnknownVote}
	if what, fields := compareStep(a, b); what != "" {
		t.Errorf("another %s: %v", what, fields)
	}
}
