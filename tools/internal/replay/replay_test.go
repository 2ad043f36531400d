package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

func violations(t *testing.T, inc *Incident) []Violation {
	t.Helper()
	_, o, v, err := inc.Verify()
	if err != nil || o.Err != nil {
		t.Fatal(err, o.Err)
	}
	return v
}

// A healthy run is identical and breaks no promise, whatever its clocks say.
func TestIdentical(t *testing.T) {
	inc := crashed(t).incident()
	starts := 0
	for _, n := range inc.Nodes {
		v := n.Replay()
		if !v.Identical || v.Inputs != n.Inputs || v.Checkpoints == 0 || len(v.Damage) > 0 {
			t.Error(v)
		}
		if want := fmt.Sprintf("identical, %d inputs", n.Inputs); !strings.Contains(v.String(), want) {
			t.Errorf("%v does not say %q", v, want)
		}
		starts += v.Starts
	}
	if len(inc.Nodes) != 3 || starts != 4 {
		t.Errorf("%d nodes, %d starts", len(inc.Nodes), starts)
	}
	for _, v := range violations(t, inc) {
		t.Error(v)
	}
}

// A message is received after it was sent, also if the clock of a node is wrong.
func TestCausalOrder(t *testing.T) {
	s := newSample(t)
	s.skew = -40 * millisecond
	s.propose(20)
	inc := s.incident()
	o, err := inc.Order()
	if err != nil {
		t.Fatal(err)
	}
	if o.Forced > 0 || o.Inputs() != inc.Inputs() {
		t.Errorf("%d forced, %d inputs of %d", o.Forced, o.Inputs(), inc.Inputs())
	}
	sent := map[string]bool{}
	received, turned := 0, 0
	last := int64(0)
	for c := o.Cursor(); c.Next(); {
		e := c.Event()
		if r, ok := e.Input().(core.Receive); ok {
			if received++; !sent[fmt.Sprint(r.From, e.Node.RaftID, r.Data)] {
				t.Fatalf("node %s, input %d: %s comes before it is sent", e.Node.Name, e.N, e.Line())
			}
		}
		if e.Step != nil {
			for _, m := range e.Step.Output.Send {
				sent[fmt.Sprint(e.Node.RaftID, m.To, m.Data)] = true
			}
		}
		if now := e.Time.UnixNano(); now < last {
			turned++
		}
		last = e.Time.UnixNano()
	}
	if received == 0 || turned == 0 {
		t.Errorf("%d messages, and the times were out of order %d times: this shows nothing", received, turned)
	}
}

// Another output is found at its input and shown by its fields.
func TestFirstDifference(t *testing.T) {
	s := newSample(t)
	broken := 0
	s.corrupt = func(n *sampleNode, out *core.Output) {
		if n.id.NodeID == 1 && len(out.Send) > 0 && broken == 0 {
			broken = int(n.rec.Seq())
			out.Send = out.Send[:len(out.Send)-1]
		}
	}
	s.propose(5)
	inc := s.incident()
	v := inc.Nodes[0].Replay()
	if v.Identical || v.Difference.N != broken {
		t.Fatalf("%v, want a difference at %d", v, broken)
	}
	text := v.String()
	for _, want := range []string{"DIFFERS", "! Send", "recorded 1, replayed 2", "replayed: send    to node"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if v := inc.Nodes[1].Replay(); !v.Identical {
		t.Error(v)
	}
}

// A damaged file is replayed up to the damage.
func TestDamage(t *testing.T) {
	s := crashed(t)
	n := s.nodes[2]
	last := n.files[len(n.files)-1]
	n.files[len(n.files)-1] = last[:len(last)-3]
	v := s.incident().Nodes[2].Replay()
	if !v.Identical || v.Damaged || len(v.Damage) != 1 || !strings.Contains(v.Damage[0], "cut off") {
		t.Errorf("cut off: %v", v)
	}
	bad := bytes.Clone(last)
	bad[len(bad)/2] ^= 1
	n.files[len(n.files)-1] = bad
	v = s.incident().Nodes[2].Replay()
	if !v.Identical || !v.Damaged || !strings.Contains(v.String(), "checksum") {
		t.Errorf("damaged: %v", v)
	}
	// With a whole file gone, the rest begins with its checkpoint.
	n.files = append(n.files[:1:1], n.files[2:]...)
	if v = s.incident().Nodes[2].Replay(); !v.Identical || len(v.Gaps) != 1 {
		t.Errorf("a file is missing: %v", v)
	}
}

// What breaks a promise is found: here the traces of two clusters that were
// founded by the same node, told as one.
func TestChecks(t *testing.T) {
	a, b := newSample(t), newSample(t)
	b.nodes[0].crash()
	b.leader()
	a.run(int(b.now-a.now) / millisecond)
	for _, s := range []*sample{a, b} {
		s.propose(10)
	}
	a.nodes[1], a.nodes[2] = b.nodes[1], b.nodes[2]
	found := map[string]int{}
	for _, v := range violations(t, a.incident()) {
		found[v.Check]++
	}
	if found["applied prefix equal"] == 0 || found["one lease at a time"] == 0 {
		t.Errorf("found %v", found)
	}
}

// After a seek, everything is as it was when the cursor first came there.
func TestSeek(t *testing.T) {
	inc := crashed(t).incident()
	o, err := inc.Order()
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{}
	c := o.Cursor()
	for c.Next() {
		if c.Event().Step != nil {
			want[c.N()] = describe(c)
		}
	}
	for _, n := range []int{o.Inputs(), 1, 777, 778, 776, 100, 2500, 2499, o.Inputs() - 1, 3} {
		if err := c.Seek(n); err != nil {
			t.Fatal(err)
		}
		if got := describe(c); got != want[n] {
			t.Errorf("at %d:\n%s\nwant\n%s", n, got, want[n])
		}
	}
	if err := c.Seek(0); err != nil || c.Event() != nil || c.N() != 0 {
		t.Errorf("at 0: %v, %v", c.Event(), err)
	}
	for _, n := range []int{-1, o.Inputs() + 1} {
		if c.Seek(n) == nil {
			t.Errorf("at %d", n)
		}
	}
}

func describe(c *MergedCursor) string {
	s := fmt.Sprintf("%d node %s %s", c.N(), c.Event().Node.Name, c.Event().Line())
	for _, x := range c.Nodes() {
		if x.Core() != nil {
			s += "\n" + StatusLine(x.Core().Status())
		}
	}
	return s
}

// A part of a trace replays alone; several in one file are taken apart again.
func TestCutAndMerge(t *testing.T) {
	inc := crashed(t).incident()
	n := inc.Nodes[1]
	for _, r := range [][2]int{{1, 50}, {200, 700}, {n.Inputs - 10, n.Inputs}, {5, 5}} {
		var b bytes.Buffer
		if err := n.Cut(&b, r[0], r[1]); err != nil {
			t.Fatal(err)
		}
		part, err := OpenBytes([]string{"part"}, [][]byte{b.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		if v := part.Nodes[0].Replay(); !v.Identical || v.Inputs != r[1]-r[0]+1 {
			t.Errorf("inputs %d to %d: %v", r[0], r[1], v)
		}
	}
	if n.Cut(&bytes.Buffer{}, 0, 5) == nil || n.Cut(&bytes.Buffer{}, 5, n.Inputs+1) == nil {
		t.Error("cut what is not there")
	}
	var b bytes.Buffer
	if _, err := inc.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	again, err := OpenBytes([]string{"all", "twice"}, [][]byte{b.Bytes(), b.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	if again.Inputs() != inc.Inputs() || len(again.Nodes) != 3 || len(violations(t, again)) > 0 {
		t.Errorf("%d inputs of %d nodes, want %d", again.Inputs(), len(again.Nodes), inc.Inputs())
	}
	var lines bytes.Buffer
	if err := inc.WriteJSON(&lines); err != nil {
		t.Fatal(err)
	}
	inputs := 0
	for d := json.NewDecoder(&lines); d.More(); {
		var e struct{ Kind, What, Node string }
		if err := d.Decode(&e); err != nil || e.Node == "" || e.What == "" {
			t.Fatalf("%+v, %v", e, err)
		}
		if e.Kind == "Input" {
			inputs++
		}
	}
	if inputs != inc.Inputs() {
		t.Errorf("%d inputs as JSON, want %d", inputs, inc.Inputs())
	}
}

// With another setting the node does something else, and the first difference
// shows both; with one that matters to nothing it does the same.
func TestWhatIf(t *testing.T) {
	s := crashed(t)
	for i, n := range s.nodes { // from a checkpoint too
		n.files = n.files[i:]
	}
	inc := s.incident()
	parted := 0
	for _, n := range inc.Nodes {
		set, err := Changes([]string{"election_timeout=3s"})
		if err != nil {
			t.Fatal(err)
		}
		if w := n.WhatIf(set); w.Parted != nil && strings.Contains(w.String(), "changed ") {
			parted++
		}
		if set, err = Changes([]string{"max_entry_bytes=5000"}); err != nil {
			t.Fatal(err)
		}
		if w := n.WhatIf(set); w.Parted != nil || w.Inputs != n.Inputs || w.Ends != "" {
			t.Errorf("larger entries were never proposed, but: %v", w)
		}
	}
	if parted == 0 {
		t.Error("a longer election timeout changes nothing")
	}
	for _, bad := range []string{"tick", "color=red", "election_timeout=soon", "seed=x"} {
		if _, err := Changes([]string{bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	set, err := Changes([]string{"election_timeout=1"})
	if err != nil {
		t.Fatal(err)
	}
	if w := inc.Nodes[0].WhatIf(set); !strings.Contains(w.Ends, "ElectionTicks is 1") {
		t.Errorf("a timeout that cannot work: %v", w)
	}
}

// A core that panicked does it again.
func TestPanic(t *testing.T) {
	s := newSample(t)
	n := s.nodes[0]
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
			n.rec.Unfinished()
			n.take()
		}()
		n.do(core.Persisted{Seq: 1 << 50})
	}()
	v := s.incident().Nodes[0].Replay()
	if !v.Identical || !strings.Contains(v.Panic, "persisted 1125899906842624") {
		t.Errorf("%v", v)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := OpenBytes([]string{"x"}, [][]byte{[]byte("something else, not a trace")}); err == nil {
		t.Error("read what is no trace")
	}
	if _, err := OpenBytes([]string{"x", "y"}, [][]byte{[]byte(trace.Magic), nil}); err == nil || !strings.Contains(err.Error(), "x, y: it ends before its first frame") {
		t.Errorf("an empty trace: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("read an empty directory")
	}
}

// Every code of a reply has its name.
func TestCodeNames(t *testing.T) {
	if CodeName(core.NoRoom) != "NoRoom" || CodeName(core.OK) != "OK" || CodeName(core.NoRoom+1) != "code 12" {
		t.Errorf("%s, %s, %s", CodeName(core.NoRoom), CodeName(core.OK), CodeName(core.NoRoom+1))
	}
}
