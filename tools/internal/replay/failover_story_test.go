package replay_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pgraft/pgraft/tools/internal/history/historytest"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// story is what historytest.Failover recorded.
func story(t *testing.T) *replay.Incident {
	t.Helper()
	o := historytest.FailoverOptions()
	o.Dir = t.TempDir()
	if _, err := historytest.Run(o); err != nil {
		t.Fatal(err)
	}
	inc, err := replay.Open(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return inc
}

// A walk through a failover: each block is one command of a session.
func TestFailoverSession(t *testing.T) {
	inc := story(t)
	var out bytes.Buffer
	s, err := replay.NewSession(inc, &out)
	if err != nil {
		t.Fatal(err)
	}
	datadriven.RunTest(t, "testdata/failover_session.txt", func(t *testing.T, d *datadriven.TestData) string {
		out.Reset()
		if _, err := s.Do(strings.TrimSpace(d.Cmd + " " + d.Input)); err != nil {
			return "error: " + err.Error()
		}
		return clock.ReplaceAllString(out.String(), "TIME") // in whose zone?
	})
}

var clock = regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{6}`)

// The story replays to the byte, no check fails, and going back shows what going forward
// did, also from a moment that was kept.
func TestFailoverStory(t *testing.T) {
	inc := story(t)
	verdicts, _, violations, err := inc.Verify()
	if err != nil || len(violations) > 0 {
		t.Fatalf("%v, %v", err, violations)
	}
	for _, v := range verdicts {
		if !v.Identical {
			t.Errorf("%v", v)
		}
	}
	var out bytes.Buffer
	s, err := replay.NewSession(inc, &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range inc.Nodes {
		n.SetApart(50)
	}
	shown := func() string {
		out.Reset()
		for _, c := range []string{"show", "nodes", "state"} {
			if _, err := s.Do(c); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	const every = 97
	var forward []string
	for {
		at := s.N()
		forward = append(forward, shown())
		if _, err := s.Do("next 97"); err != nil {
			t.Fatal(err)
		}
		if s.N() != at+every {
			break
		}
	}
	if len(forward) < 30 {
		t.Fatalf("only %d places", len(forward))
	}
	for i := len(forward) - 1; i >= 0; i-- {
		if err := s.Goto(i * every); err != nil {
			t.Fatal(err)
		}
		if got := shown(); got != forward[i] {
			t.Fatalf("back at %d:\n%s\nit was\n%s", i*every, got, forward[i])
		}
	}
}

// Other programs get what the server is, and the lines.
func TestFailoverJSON(t *testing.T) {
	inc := story(t)
	var out bytes.Buffer
	if err := inc.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	granted := 0
	for line := range strings.Lines(out.String()) {
		var e struct {
			Server  string
			Outputs []string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		seen[e.Server] = true
		for _, o := range e.Outputs {
			if strings.HasPrefix(o, "log     epoch 2 granted to node 2") {
				granted++
			}
		}
	}
	for _, want := range []string{"unknown", "standby", "following", "sealed", "rejoining", "promoting", "opening", "primary", "fenced"} {
		if !seen[want] {
			t.Errorf("no server is %s", want)
		}
	}
	if granted != 3 {
		t.Errorf("%d nodes applied the grant, want 3", granted)
	}
	s, err := replay.NewSession(inc, &out)
	if err != nil {
		t.Fatal(err)
	}
	s.JSON = true
	if err := s.Goto(3000); err != nil {
		t.Fatal(err)
	}
	for cmd, key := range map[string]string{"nodes": "server", "state": "failover", "show": "server"} {
		out.Reset()
		if _, err := s.Do(cmd); err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(out.String(), "\n")
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil || v[key] == nil {
			t.Errorf("%s: %v, no %s in %s", cmd, err, key, line)
		}
	}
}
