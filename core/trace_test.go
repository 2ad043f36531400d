package core_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/retain"
	"github.com/pgraft/pgraft/core/trace"
)

// tape is one node's flight recorder, in memory.
type tape struct {
	rec   trace.Recorder
	files [][]byte
}

// tapes record every node of a random cluster.
type tapes struct {
	t      *testing.T
	redact *core.Redaction
	of     map[*node]*tape
	seen   map[string]int
}

func (s *tapes) take(p *tape) {
	p.files[len(p.files)-1] = append(p.files[len(p.files)-1], p.rec.Take(nil)...)
}

func (s *tapes) begin(p *tape, id core.Identity) {
	if len(p.files) > 0 {
		p.rec.End(0, "next file")
		s.take(p)
	}
	p.files = append(p.files, nil)
	p.rec.Begin(trace.Header{ClusterID: id.ClusterID, NodeID: id.NodeID, RaftID: id.RaftID, File: uint64(len(p.files))})
}

func (s *tapes) start(n *node, cfg core.Config, d core.Durable) {
	p := s.of[n]
	if p == nil {
		p = &tape{rec: trace.Recorder{Redact: s.redact}}
		s.of[n] = p
	}
	s.begin(p, n.id)
	p.rec.Boot(0, cfg, d)
	s.take(p)
}

func (s *tapes) step(n *node, in core.Input, out core.Output) {
	p := s.of[n]
	p.rec.Input(int64(p.rec.Seq()), in)
	p.rec.Output(out)
	s.take(p)
	if p.rec.Seq()%150 == 0 {
		s.begin(p, n.id)
		if err := p.rec.Checkpoint(0, n.core); err != nil {
			s.t.Fatal(err)
		}
		s.take(p)
	}
}

// replay feeds a fresh core with one node's files, from the first given on.
func (s *tapes) replay(name string, files [][]byte) {
	var p trace.Player
	for i, b := range files {
		r := trace.NewReader(b)
		for f, ok := r.Next(); ok; f, ok = r.Next() {
			step, err := p.Play(f)
			if err != nil {
				s.t.Fatalf("%s, file %d: %v", name, i, err)
			}
			if step == nil {
				continue
			}
			if step.Output.Retain != nil {
				s.seen["retain"]++
			}
			for _, b := range step.Output.Persist {
				s.seen["keep"] += int(min(b.Keep, 1))
				s.seen["history"] += min(len(b.History), 1)
			}
			if s.seen["input"]++; !step.Same() || step.Parts != step.Recorded.Parts {
				s.t.Fatalf("%s, file %d: input %d %+v: sum %x, want %x", name, i, p.Seq(), step.Input, step.Sum, step.Recorded.Sum)
			}
		}
		if err := r.Err(); err != nil {
			s.t.Fatalf("%s, file %d: %v", name, i, err)
		}
	}
	if len(p.Gaps) > 0 {
		s.t.Fatalf("%s: gaps %v", name, p.Gaps)
	}
	s.seen["equal"] += p.Checkpoints
	s.seen["restored"] += p.Restored
}

const secret = "what users replicate is nobody's business"

// cutAt is where TestTraceReplays cuts what is longer.
const cutAt = 16

// What was recorded of a node replays to the byte: from its start, and from
// every checkpoint; with users' data, and with something else in its place.
func TestTraceReplays(t *testing.T) {
	fill := func(b []byte) {
		for i := range b {
			b[i] = byte(len(b)) | 1
		}
	}
	stands := map[string]*core.Redaction{
		"whole":    nil,
		"redacted": {Stand: fill},
		"cut":      {Over: cutAt, Stand: func(b []byte) { core.Cut(b, cutAt) }},
		"cut and redacted": {Stand: func(b []byte) {
			core.Cut(b, cutAt)
			fill(b[:min(len(b), cutAt)])
		}},
	}
	whole := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(stands)) {
		stand := stands[name]
		s := &tapes{t: t, redact: stand, seen: map[string]int{}}
		for seed := range uint64(6) {
			s.of = map[*node]*tape{}
			x := newRandomWith(seed, func(c *cluster) { c.onStart, c.onStep = s.start, s.step })
			for i := range 4000 {
				x.step()
				if i%20 == 0 {
					id := x.id()
					in := core.Propose{ID: id, RequestID: [16]byte{5: byte(id), 6: byte(id >> 8), 7: byte(id >> 16)}, Data: []byte(strings.Repeat(secret, 1+i%200))}
					x.history.asked[id] = in
					x.pick().step(in)
				}
			}
			for n, p := range s.of {
				p.rec.End(0, "done")
				s.take(p)
				name := fmt.Sprintf("%s, seed %d, node %d", name, seed, n.id.NodeID)
				s.replay(name, p.files)
				for i := range p.files {
					s.replay(name+" alone", p.files[i:i+1])
				}
				for _, b := range p.files {
					s.seen["bytes"] += len(b)
					if bytes.Contains(b, []byte(secret[cutAt:])) {
						s.seen["secret"]++
					}
				}
			}
		}
		if s.seen["equal"] < 100 || s.seen["restored"] < 100 || s.seen["input"] < 10000 || s.seen["retain"] < 100 || (s.seen["secret"] > 0) != (stand == nil) {
			t.Errorf("%s: %v", name, s.seen)
		}
		whole[name] = s.seen["bytes"]
		t.Logf("%s: %v", name, s.seen)
	}
	if most := whole["whole"] * 3 / 5; whole["cut"] > most || whole["cut and redacted"] > most {
		t.Errorf("what is cut takes as much room: %v", whole)
	}
}

// What was cut stays as it is when it is cut again, and tells what it was cut from.
func TestCut(t *testing.T) {
	cut := func(b []byte, n int) []byte {
		b = bytes.Clone(b)
		core.Cut(b, n)
		return b
	}
	rapid.Check(t, func(t *rapid.T) {
		data, n := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data"), rapid.IntRange(8, 64).Draw(t, "n")
		got := cut(data, n)
		if len(got) != len(data) || !bytes.Equal(cut(got, n), got) {
			t.Fatalf("%x becomes %x, and that %x", data, got, cut(got, n))
		}
		if len(data) <= n && !bytes.Equal(got, data) {
			t.Fatalf("%x of at most %d bytes becomes %x", data, n, got)
		}
		if len(data) <= n {
			return
		}
		if !bytes.Equal(got[:n-4], data[:n-4]) || len(bytes.Trim(got[n:], "\x00")) > 0 {
			t.Fatalf("%x becomes %x", data, got)
		}
		other := bytes.Clone(data)
		other[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		if bytes.Equal(got, cut(other, n)) {
			t.Fatalf("%x and %x are cut to the same", data, other)
		}
	})
}

// History of other members holds users' data too.
func TestHistoryIsRedacted(t *testing.T) {
	data, err := proto.Marshal(&corepb.Command{Data: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	out := core.Output{Persist: []core.Persist{{History: []core.Entry{{Index: 2, Term: 1, Data: data}}}}}
	r := core.Redaction{Stand: func(b []byte) { clear(b) }}
	if got := r.Output(out).Persist[0].History[0].Data; len(got) != len(data) || bytes.Contains(got, []byte(secret)) {
		t.Errorf("%q becomes %q", data, got)
	}
	if !bytes.Contains(out.Persist[0].History[0].Data, []byte(secret)) {
		t.Error("the output itself was changed")
	}
}

// So do the messages, inputs and orders of package retain: redacted in place they keep
// their length, and show nothing.
func TestRetainIsRedacted(t *testing.T) {
	marshal := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	command := marshal(&corepb.Command{RequestId: make([]byte, 16), Data: []byte(secret)})
	r := core.Redaction{Stand: func(b []byte) { clear(b) }}
	var inputs []core.Input
	for _, env := range []*corepb.Envelope{
		{Body: &corepb.Envelope_History{History: &corepb.History{Entries: []*corepb.HistoryEntry{{Index: 2, Data: []byte(secret)}}}}},
		{Body: &corepb.Envelope_History{History: &corepb.History{Stored: []*corepb.LogEntry{{Index: 2, Data: command}}}}},
		{Body: &corepb.Envelope_TableState{TableState: &corepb.TableState{Ticket: 1, Data: []byte(secret)}}},
	} {
		inputs = append(inputs, core.Receive{From: 1, Data: marshal(env)})
	}
	inputs = append(inputs, core.HistoryRead{Ticket: 1, Entries: []core.Entry{{Index: 2, Data: command}}})
	inputs = append(inputs, core.Batch{Inputs: append(inputs[:len(inputs):len(inputs)], core.Propose{ID: 1, Data: []byte(secret)})})
	for _, in := range inputs {
		b := core.EncodeInput(nil, in)
		n := len(b)
		if !bytes.Contains(b, []byte(secret)) {
			t.Fatalf("%T does not hold what is looked for", in)
		}
		if found := r.Input(b); !found || len(b) != n || bytes.Contains(b, []byte(secret)) {
			t.Errorf("%T %+v becomes %q, found %v", in, in, b, found)
		}
	}
	out := core.Output{Retain: &retain.Output{
		Fetched:   []retain.Fetched{{Entries: []retain.Entry{{Index: 2, Data: []byte(secret)}}}},
		StatePart: []retain.StatePart{{Data: []byte(secret)}}}}
	got := r.Output(out)
	for _, b := range [][]byte{got.Retain.Fetched[0].Entries[0].Data, got.Retain.StatePart[0].Data} {
		if len(b) != len(secret) || bytes.Contains(b, []byte(secret)) {
			t.Errorf("%q", b)
		}
	}
	if string(out.Retain.Fetched[0].Entries[0].Data) != secret || string(out.Retain.StatePart[0].Data) != secret {
		t.Error("the output itself was changed")
	}
}

// Redaction that begins between a core's start and its first input is no difference.
func TestRedactionBeforeFirstInput(t *testing.T) {
	id := core.Identity{ClusterID: "c", NodeID: 1, RaftID: core.RaftID(1, 1), ClusterUUID: [16]byte{1}}
	cfg := core.Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, SnapshotEntries: 10, MaxEntryBytes: 100}
	d := core.Bootstrap(id, "h", 1, core.OldestVersion)
	data, err := proto.Marshal(&corepb.Command{RequestId: make([]byte, 16), Data: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	d.Entries = []core.Entry{{Index: core.FoundingIndex + 1, Term: core.FoundingTerm, Data: data}}
	c, err := core.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	var rec trace.Recorder
	rec.Begin(trace.Header{Life: 1, File: 1})
	rec.Boot(0, cfg, d)
	files := [][]byte{rec.Take(nil)}
	rec.Renew()
	rec.Redact = &core.Redaction{Stand: func(b []byte) { clear(b) }}
	rec.Begin(trace.Header{Life: 1, File: 2, Redacted: true})
	if err := rec.Checkpoint(0, c); err != nil {
		t.Fatal(err)
	}
	rec.Input(0, core.Tick{})
	rec.Output(c.Step(core.Tick{}))
	s := &tapes{t: t, seen: map[string]int{}}
	s.replay("redacted", append(files, rec.Take(nil)))
	if s.seen["input"] != 1 || s.seen["restored"] != 1 {
		t.Errorf("%v", s.seen)
	}
}
