package core_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pgraft/pgraft/core"
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
	redact func([]byte) []byte
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

// What was recorded of a node replays to the byte: from its start, and from
// every checkpoint; with users' data, and with something else in its place.
func TestTraceReplays(t *testing.T) {
	stands := map[string]func([]byte) []byte{
		"whole":    nil,
		"redacted": func(b []byte) []byte { return bytes.Repeat([]byte{byte(len(b)) | 1}, len(b)) },
	}
	for name, stand := range stands {
		s := &tapes{t: t, redact: stand, seen: map[string]int{}}
		for seed := range uint64(6) {
			s.of = map[*node]*tape{}
			x := newRandomWith(seed, func(c *cluster) { c.onStart, c.onStep = s.start, s.step })
			for i := range 2500 {
				x.step()
				if i%20 == 0 {
					id := x.id()
					in := core.Propose{ID: id, RequestID: [16]byte{5: byte(id), 6: byte(id >> 8), 7: byte(id >> 16)}, Data: []byte(secret)}
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
					if bytes.Contains(b, []byte(secret)) {
						s.seen["secret"]++
					}
				}
			}
		}
		if s.seen["equal"] < 100 || s.seen["restored"] < 100 || s.seen["input"] < 10000 || (s.seen["secret"] > 0) != (stand == nil) {
			t.Errorf("%s: %v", name, s.seen)
		}
		t.Logf("%s: %v", name, s.seen)
	}
}
