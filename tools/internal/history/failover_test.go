package history_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/history/historytest"
)

// What the traces say of failover is what happened: after every step of every node, and
// at the moments that people look for.
func TestLoadFailover(t *testing.T) {
	o := historytest.FailoverOptions()
	o.Dir = t.TempDir()
	want, err := historytest.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	got, warnings, err := history.Load(o.Dir)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	w, g := knownPerLane(want), knownPerLane(got)
	for lane := range w {
		if !reflect.DeepEqual(w[lane], g[lane]) {
			t.Errorf("lane %d: %d steps, loaded %d, and other things are known after them", lane, len(w[lane]), len(g[lane]))
		}
	}
	if a, b := epochs(want), epochs(got); !slices.Equal(a, b) || len(a) == 0 {
		t.Errorf("moments %q, loaded %q", a, b)
	}
	set := "sync set 1 of node"
	wantMoments := []string{
		"1: epoch 1 founded by node 1, boot 1: timeline 1 from 0/3000148, " + set + "s 2, 3", "1: failover is founding",
		"1: epoch 1 open by node 1 on timeline 1", "1: failover is on",
		"2: epoch 2 begun, judged by epoch 1 of node 1, " + set + "s 2, 3",
		"2: epoch 2 granted to node 2, boot 1: timeline 2 from 0/30016D0 of epoch 1, " + set + " 3",
		"2: epoch 2 forked by node 2 on timeline 2", "2: epoch 2 open by node 2 on timeline 2",
		"1: epoch 3 begun, judged by epoch 2 of node 2, " + set + " 3",
		"1: epoch 3 granted to node 3, boot 1: timeline 3 from 0/3005478 of epoch 2, " + set + " 1",
		"3: epoch 3 forked by node 3 on timeline 3", "3: epoch 3 open by node 3 on timeline 3",
	}
	if got := epochs(got); !slices.Equal(got, wantMoments) {
		t.Errorf("moments\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wantMoments, "\n"))
	}
}

// A record that begins late has the epoch that is there, and no moment for it.
func TestLoadFailoverLate(t *testing.T) {
	h, err := historytest.Failover()
	if err != nil {
		t.Fatal(err)
	}
	var b history.Builder
	for i := range h.Steps {
		if s := &h.Steps[i]; s.Lane == 2 && s.Seq == 600 {
			b.Start(3, s.At, history.Start{Resumed: true, Seq: s.Seq}, s.After)
			b.Failover(s.Failover, nil)
		} else if s.Lane == 2 && s.Seq > 600 {
			b.Step(3, s.At, s.Seq, s.In, s.Out, s.After)
			b.Failover(s.Failover, nil)
		}
	}
	late, err := b.Build("late")
	if err != nil {
		t.Fatal(err)
	}
	l := epochs(late)
	if len(l) == 0 || !strings.HasPrefix(l[0], "3: epoch 3 ") {
		t.Errorf("moments %q: want none of epochs 1 and 2", l)
	}
}

type known struct {
	state   failover.State
	server  string
	decided []string
}

func knownPerLane(h *history.History) [][]known {
	l := make([][]known, len(h.Nodes))
	for i := range h.Steps {
		s := &h.Steps[i]
		k := known{server: s.Failover.ServerState(s.After).String(), decided: s.FailedOver}
		if s.Failover != nil {
			k.state = *s.Failover.State
		}
		l[s.Lane] = append(l[s.Lane], k)
	}
	return l
}

func epochs(h *history.History) (l []string) {
	for _, m := range h.Moments {
		if m.Kind == history.Epoch {
			l = append(l, string(rune('1'+m.Lane))+": "+m.Text)
		}
	}
	return l
}

func TestFailoverWords(t *testing.T) {
	told := failover.Told{Boot: 1, Applied: 2}
	for _, c := range []struct {
		env        *corepb.Envelope
		kind, more string
	}{
		{&corepb.Envelope{Body: &corepb.Envelope_FailoverTold{FailoverTold: told.Message()}}, "FailoverTold", "boot 1, applied 2"},
		{&corepb.Envelope{Body: &corepb.Envelope_FailoverEntry{FailoverEntry: failover.Marshal(failover.Begin{Epoch: 2})}}, "FailoverEntry", "begin epoch 2"},
	} {
		data, err := proto.Marshal(c.env)
		if err != nil {
			t.Fatal(err)
		}
		if e := history.Open(data); e.Kind != c.kind || e.More != c.more {
			t.Errorf("%+v, want %s: %s", e, c.kind, c.more)
		}
	}
	server := core.FailoverServer{Server: failover.Server{Recovery: true, Joined: true, Sealed: 2}}
	start := &history.Start{Config: core.Config{Failover: core.FailoverConfig{Boot: 3}}, Resumed: true}
	for _, c := range []struct {
		step history.Step
		text string
	}{
		{history.Step{In: server}, "in recovery; sealed up to epoch 2; WAL to 0/0 on no timeline, noted for no epoch; replayed to 0/0; source none"},
		{history.Step{In: core.Batch{Inputs: []core.Input{core.Tick{}, core.ProposeFailover{ID: 5, Entry: failover.Begin{Epoch: 2}}, core.Tick{}}}},
			"2 Tick, 1 ProposeFailover; ProposeFailover: begin epoch 2"},
		{history.Step{In: core.ProposeFailover{ID: 5, Entry: failover.Disable{Epoch: 2}}}, "disable in epoch 2"},
		{history.Step{In: core.FailoverPort{Port: failover.Port{Member: core.RaftID(2, 2), Epoch: 3, Refuses: true}}},
			"of node 2 in epoch 3: answers false, refuses true, reset false"},
		{history.Step{Start: start}, "the record begins after input 0; a tick is 0 ms, election after 0 ticks, heartbeat every 0, boot 3 for failover"},
	} {
		if got := history.InputText(&c.step); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
	}
	s := history.Step{Out: core.Output{MembersChanged: true}, FailedOver: []string{"log: epoch 2 begun", "order: seal"}}
	if got, want := history.StepText(&s), "the members changed; log: epoch 2 begun; order: seal"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
