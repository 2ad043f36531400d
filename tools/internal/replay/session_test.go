package replay

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func session(t *testing.T, inc *Incident) (*Session, func(string) string) {
	t.Helper()
	var out bytes.Buffer
	s, err := NewSession(inc, &out)
	if err != nil {
		t.Fatal(err)
	}
	return s, func(line string) string {
		t.Helper()
		out.Reset()
		if _, err := s.Do(line); err != nil {
			return "error: " + err.Error()
		}
		return out.String()
	}
}

func wants(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s: no %q in\n%s", what, w, got)
		}
	}
}

// One walk through an incident, forward and back.
func TestSession(t *testing.T) {
	inc := crashed(t).incident()
	s, do := session(t, inc)
	wants(t, "before", do("show"), "before the first input")
	wants(t, "help", do("help"), "continue c", "break")
	wants(t, "next", do("next"), "#1 of", "node 1  input 1  Tick")
	wants(t, "next", do("n 4"), "#5 of")
	wants(t, "repeat", do(""), "#9 of")
	wants(t, "back", do("back 8"), "#1 of")

	wants(t, "break", do("break role leader"), "breakpoint 1: role Leader")
	first := do("continue")
	wants(t, "first leader", first, "breakpoint 1", "node 1", "Leader in term 2")
	at := s.N()
	second := do("c")
	wants(t, "second leader", second, "breakpoint 1", "Leader in term 3")
	after := s.N()
	wants(t, "reverse", do("reverse"), "Leader in term 2", "#")
	if s.N() != at {
		t.Errorf("reverse came to %d, not %d", s.N(), at)
	}
	wants(t, "no third", do("delete 1"))
	wants(t, "term", do("break term 3 on 3"), "breakpoint 2: term 3 on 3")
	wants(t, "term", do("c"), "node 3", "in term 3")
	wants(t, "breaks", do("breaks"), "2: term 3 on 3")
	wants(t, "delete", do("delete 2"))
	wants(t, "index", do("goto 0"), "before the first")
	wants(t, "index", do("break index 20"), "breakpoint 3")
	wants(t, "index", do("c"), "last 20")
	wants(t, "text", do("delete 3"))
	wants(t, "find", do("find the node is killed"), "fault: the node is killed")
	killed := s.N()
	wants(t, "find on", do("/MsgVote "), "MsgVote term 3")
	wants(t, "rfind", do("rfind MsgApp term 2"), "MsgApp term 2")
	if s.N() > killed {
		t.Errorf("rfind came to %d, after the crash at %d", s.N(), killed)
	}
	wants(t, "end", do("goto end"), "#")
	wants(t, "over the end", do("next"), "the end")
	wants(t, "nodes", do("nodes"), "node 1", "node 2", "node 3", "in term 3")
	wants(t, "state", do("state 2"), "node 2 after its input", "election after 10 ticks", "voter at h3")
	wants(t, "checks", do("checks"), "nothing is wrong")
	wants(t, "goto", do("goto 1000000"), "error: replay: there are inputs 1 to")
	if after <= at {
		t.Errorf("the second leader at %d, the first at %d", after, at)
	}
	for _, bad := range []string{"dance", "break", "break color red", "break term x", "break role king", "break text", "break term 3 on 9", "delete 9",
		"next 0", "next x", "goto", "goto x", "find", "find nothing says this", "break check colour", "rfind nothing says this", "continue", "reverse", "state 9"} {
		wants(t, bad, do(bad), "error: ")
	}
	if quit, err := s.Do("quit"); !quit || err != nil {
		t.Errorf("quit: %v, %v", quit, err)
	}
}

// A breakpoint on a check stops where the promise is broken.
func TestBreakOnCheck(t *testing.T) {
	a, b := newSample(t), newSample(t)
	b.nodes[0].crash()
	b.leader()
	a.run(int(b.now-a.now) / millisecond)
	for _, s := range []*sample{a, b} {
		s.propose(10)
	}
	a.nodes[1], a.nodes[2] = b.nodes[1], b.nodes[2]
	_, do := session(t, a.incident())
	wants(t, "break", do("break check lease"), "check lease")
	wants(t, "continue", do("continue"), "breakpoint 1: check lease", "lease until tick", "VIOLATED  one lease at a time: it holds")
	wants(t, "checks", do("checks"), "one lease at a time: node", "applied prefix equal")
}

func TestSessionJSON(t *testing.T) {
	s, do := session(t, crashed(t).incident())
	s.JSON = true
	do("break role leader")
	for _, step := range [][2]string{{"state 1", "status"}, {"goto 50", "at"}, {"next", "outputs"}, {"state 1", "members"}, {"goto 0", "at"}} {
		cmd, want := step[0], step[1]
		var v map[string]any
		if err := json.Unmarshal([]byte(do(cmd)), &v); err != nil {
			t.Errorf("%s: %v", cmd, err)
		}
		if _, ok := v[want]; !ok && cmd != "next" {
			t.Errorf("%s: no %s in %v", cmd, want, v)
		}
	}
	// Whatever a command says, a machine can read it.
	for _, cmd := range []string{"help", "break term 3", "breaks", "goto 0", "continue", "nodes", "state", "checks", "goto end", "next", "find MsgApp", "rfind MsgVote", "delete 2"} {
		lines := do(cmd)
		if strings.HasPrefix(lines, "error: ") {
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
			if line != "" && !json.Valid([]byte(line)) {
				t.Errorf("%s prints %q", cmd, line)
			}
		}
	}
}
