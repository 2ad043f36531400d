package history_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/history/historytest"
)

// recorded runs the incident with its traces below a directory.
func recorded(t *testing.T, change func(*historytest.Options)) (*history.History, string) {
	t.Helper()
	o := historytest.IncidentOptions()
	o.Dir = t.TempDir()
	if change != nil {
		change(&o)
	}
	h, err := historytest.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	return h, o.Dir
}

// perLane is the order of each node's inputs.
func perLane(h *history.History) [][]string {
	l := make([][]string, len(h.Nodes))
	for i := range h.Steps {
		s := &h.Steps[i]
		l[s.Lane] = append(l[s.Lane], history.InputName(s)+" "+history.InputText(s)+": "+history.OutputText(s.Out))
	}
	return l
}

// What the traces say is what happened: every step of every node, and every
// message's way.
func TestLoad(t *testing.T) {
	want, dir := recorded(t, nil)
	got, warnings, err := history.Load(dir)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	w, g := perLane(want), perLane(got)
	for lane := range w {
		if !slices.Equal(w[lane], g[lane]) {
			t.Errorf("lane %d: %d steps happened, %d loaded, or others", lane, len(w[lane]), len(g[lane]))
		}
	}
	if a, b := arrivals(want), arrivals(got); a != b {
		t.Errorf("%d messages arrived, in the traces %d", a, b)
	}
	causal(t, got)
	last := got.Steps[len(got.Steps)-1]
	if d := last.At - want.Steps[len(want.Steps)-1].At; d < -time.Second || d > time.Second {
		t.Errorf("the last step is at %v", last.At)
	}
}

func arrivals(h *history.History) (n int) {
	for _, m := range h.Messages {
		if m.Sent != history.None && m.Got != history.None && !m.Again {
			n++
		}
	}
	return n
}

// causal checks that no message arrives before it is sent, and that each points
// at the steps that point at it.
func causal(t *testing.T, h *history.History) {
	t.Helper()
	for i, m := range h.Messages {
		if m.Got == history.None {
			continue
		}
		if m.Sent >= m.Got {
			t.Fatalf("message %d: sent by step %d, received by step %d", i, m.Sent, m.Got)
		}
		if s := &h.Steps[m.Got]; !slices.Contains(s.Received, i) || !slices.ContainsFunc(slices.Collect(core.Each(s.In)), func(in core.Input) bool {
			r, ok := in.(core.Receive)
			return ok && core.NodeID(r.From) == h.Nodes[m.From].ID
		}) {
			t.Fatalf("message %d: step %d did not receive it", i, m.Got)
		}
	}
	for i := 1; i < len(h.Steps); i++ {
		if h.Steps[i].At < h.Steps[i-1].At {
			t.Fatalf("step %d at %v after one at %v", i, h.Steps[i].At, h.Steps[i-1].At)
		}
	}
}

// A clock that is off by seconds is put right by the messages' times, and the
// order is causal in any case.
func TestLoadWithWrongClocks(t *testing.T) {
	want, dir := recorded(t, func(o *historytest.Options) {
		o.Ahead = map[uint32]time.Duration{2: 3 * time.Second, 3: -700 * time.Millisecond}
	})
	got, warnings, err := history.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(warnings, "\n")
	for _, c := range []struct {
		words string
		off   time.Duration
	}{{`node 2's clock was (\S+) ahead of node 1's`, 3 * time.Second}, {`node 3's clock was (\S+) behind node 1's`, 700 * time.Millisecond}} {
		m := regexp.MustCompile(c.words).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("no %q in %s", c.words, text)
			continue
		}
		// The messages tell it to within the difference of two of their delays.
		if off, err := time.ParseDuration(m[1]); err != nil || (off-c.off).Abs() > time.Millisecond {
			t.Errorf("%s: want %v, and 1 ms more or less (%v)", m[0], c.off, err)
		}
	}
	causal(t, got)
	if a, b := arrivals(want), arrivals(got); a != b {
		t.Errorf("%d messages arrived, in the traces %d", a, b)
	}
	for _, m := range got.Moments {
		if m.Kind == history.Leader && strings.HasSuffix(m.Text, "term 3") && (m.At < 5*time.Second || m.At > 5500*time.Millisecond) {
			t.Errorf("%s at %v", m.Text, m.At)
		}
	}
}

// A file that was cut off is read up to there; the other nodes' traces stay.
func TestLoadCutOff(t *testing.T) {
	_, dir := recorded(t, nil)
	path := filepath.Join(dir, "node3", "00000001.trace")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	h, warnings, err := history.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], path) || !strings.Contains(warnings[0], "cut off at byte") {
		t.Errorf("warnings %q", warnings)
	}
	if !slices.ContainsFunc(h.Moments, func(m history.Moment) bool { return m.Lane == 2 && strings.Contains(m.Text, "cut off") }) {
		t.Errorf("no moment where the trace ends: %v", h.Moments)
	}
}

func TestLoadMistakes(t *testing.T) {
	_, dir := recorded(t, nil)
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("no trace at all"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "none"), "no such file"},
		{t.TempDir(), "no *.trace in"},
		{text, "it is not a pgraft trace"},
	} {
		if _, _, err := history.Load(c.path); err == nil || !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.path, err, c.want)
		}
	}
}
