package diff

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/history/historytest"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

func failedOver(t *testing.T) *history.History {
	t.Helper()
	h, err := historytest.Failover()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Two runs that differ in one thing of failover part there, and it is said in words.
func TestFailover(t *testing.T) {
	a := failedOver(t)
	if r := Compare(a, failedOver(t)); r.Verdict != Identical {
		t.Fatalf("%s", text(t, r))
	}
	for _, c := range []struct {
		name   string
		at     string // the step in which what it decided begins so
		change func(s *history.Step)
		what   string
		fields []Field
	}{
		{"another order", "order: promote", func(s *history.Step) {
			out := *s.Out.Failover
			out.Orders = []failover.Order{failover.Demote{Epoch: 2, Boot: 1}}
			s.Out.Failover = &out
		}, "output", []Field{{"decided: order", `"promote to timeline 2 at 0/30016D0 in epoch 2, boot 1"`, `"demote in epoch 2, boot 1"`}}},
		{"another fence, and no order", "order: seal up to epoch 1", func(s *history.Step) {
			out := *s.Out.Failover
			out.Orders, out.Shared.Quarantined = nil, true
			s.Out.Failover = &out
		}, "output", []Field{{"decided: fence", "", ""}, {"decided: order", `"seal up to epoch 1, boot 1"`, ""}}},
		{"another state of the log", "log: epoch 2 granted", func(s *history.Step) {
			f := *s.Failover
			st := f.State.Clone()
			st.Epoch.Primary, st.Epoch.From.LSN = core.RaftID(3, 3), 0x3000000
			f.State = &st
			s.Failover = &f
		}, "state", []Field{
			{"log: primary", `"node 2, boot 1"`, `"node 3, boot 1"`},
			{"log: timeline", `"2, from 0/30016D0 of epoch 1"`, `"2, from 0/3000000 of epoch 1"`},
		}},
		{"nothing known of it", "log: failover is on", func(s *history.Step) { s.Failover = nil }, "state", nil},
		{"what has no words", "log: epoch 2 granted", func(s *history.Step) {
			f := *s.Failover
			st := f.State.Clone()
			st.Timelines++
			f.State = &st
			s.Failover = &f
		}, "state", []Field{{"Timelines", "2", "3"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := failedOver(t)
			i := slices.IndexFunc(b.Steps, func(s history.Step) bool {
				return slices.ContainsFunc(s.FailedOver, func(l string) bool { return strings.HasPrefix(l, c.at) })
			})
			if i < 0 {
				t.Fatalf("no step says %q", c.at)
			}
			c.change(&b.Steps[i])
			if len(c.fields) > 0 && c.fields[0].Path == "decided: fence" {
				fence := func(h *history.History) string {
					return strconv.Quote(replay.DecidedParts(h.Steps[i].Out.Failover)[0].Text)
				}
				c.fields[0].A, c.fields[0].B = fence(a), fence(b)
			}
			r := Compare(a, b)
			p := r.First
			if r.Verdict != Parted || p.What != c.what || p.A.Step != i || c.fields != nil && !slices.Equal(p.Fields, c.fields) || len(p.Fields) == 0 {
				t.Errorf("step %d, changed %d: %s, fields %+v", p.A.Step, i, p.What, p.Fields)
			}
		})
	}
}

// Of what a host reports the parts are named that differ.
func TestFailoverReport(t *testing.T) {
	a, b := failedOver(t), failedOver(t)
	i := slices.IndexFunc(b.Steps, func(s history.Step) bool {
		in, ok := s.In.(core.FailoverServer)
		return ok && in.Server.Sealed == 1
	})
	in := b.Steps[i].In.(core.FailoverServer)
	in.Server.Sealed, in.Server.End = 0, 0x3000000
	b.Steps[i].In = in
	r := Compare(a, b)
	want := []Field{{"server: sealed", `"up to epoch 1"`, ""},
		{"server: WAL", `"to 0/30016D0 on timeline 1, noted for epoch 1"`, `"to 0/3000000 on timeline 1, noted for epoch 1"`}}
	if p := r.First; p == nil || p.What != "input" || !slices.Equal(p.Fields, want) {
		t.Fatalf("%s", text(t, r))
	}
	for _, line := range []string{`server: sealed: A "up to epoch 1", B (not there)`, "FailoverServer: in recovery; sealed up to epoch 1;"} {
		if s := text(t, r); !strings.Contains(s, line) {
			t.Errorf("no %q in:\n%s", line, s)
		}
	}
	in.Server.Sealed, in.Server.End = 1, a.Steps[i].In.(core.FailoverServer).Server.End
	in.Server.Follows.Boot++ // without a source of WAL it is not in the words
	b.Steps[i].In = in
	if p := Compare(a, b).First; p == nil || len(p.Fields) != 1 || p.Fields[0].Path != "Server.Follows.Boot" {
		t.Errorf("%+v", p)
	}
}

// A report in a batch is named like one alone, beside what else differs.
func TestFailoverBatch(t *testing.T) {
	batch := func(sealed, reply uint64) core.Input {
		return core.Batch{Inputs: []core.Input{core.Cancel{ID: reply}, core.FailoverServer{Server: failover.Server{Recovery: true, Sealed: sealed}}}}
	}
	want := []Field{{"Inputs[0].ID", "5", "6"}, {"Inputs[1] server: sealed", `"up to epoch 1"`, `"up to epoch 2"`}}
	if got := inputFields(batch(1, 5), batch(2, 6)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := inputFields(batch(1, 5), batch(1, 5)); len(got) > 0 {
		t.Errorf("%v of equal ones", got)
	}
	if got := inputFields(batch(1, 5), core.Batch{}); len(got) == 0 {
		t.Error("a batch of nothing is the same")
	}
}

// Parts of one name are compared without those that both have.
func TestPartFields(t *testing.T) {
	order := func(texts ...string) (l []replay.Part) {
		for _, x := range texts {
			l = append(l, replay.Part{Name: "order", Text: x})
		}
		return l
	}
	for _, c := range []struct {
		a, b []replay.Part
		want []Field
	}{
		{order("x", "y"), order("x", "y"), nil},
		{order("x", "y"), order("y", "x"), nil},
		{order("x", "x"), order("x"), []Field{{"order", `"x"`, ""}}},
		{order("x", "y"), order("z", "y", "u"), []Field{{"order", `"x"`, `"z"`}, {"order", "", `"u"`}}},
		{nil, order("x"), []Field{{"order", "", `"x"`}}},
	} {
		if got := partFields("", c.a, c.b); !slices.Equal(got, c.want) {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
