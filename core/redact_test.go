package core

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core/corepb"
)

// What a redacted output holds is what redacting its bytes in place makes of them, as
// often as the memory of the copies is used again, whatever was in it before.
func TestRapidRedaction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		made := func() *Redaction {
			r := &Redaction{Over: 20, Cut: 20}
			return r
		}
		if rapid.Bool().Draw(t, "stand") {
			made = func() *Redaction {
				return &Redaction{Cut: 20, Stand: func(b []byte) {
					for i := range b {
						b[i] ^= 0x5a
					}
				}}
			}
		}
		r := made()
		size := rapid.SampledFrom([]int{0, 1, 20, 21, 24, 50, 3000, 100_000})
		fill := rapid.SampledFrom([]byte{0, 'x', 'y'})
		for range rapid.IntRange(1, 6).Draw(t, "outputs") {
			var out, want Output
			for range rapid.IntRange(0, 5).Draw(t, "entries") {
				data := append([]byte("begin"), bytes.Repeat([]byte{fill.Draw(t, "fill")}, size.Draw(t, "bytes"))...)
				command := marshal(&corepb.Command{RequestId: make([]byte, 16), Since: 7, Data: data})
				forward := encodeEnvelope(&corepb.Envelope{Body: &corepb.Envelope_Forward{Forward: &corepb.Forward{Command: &corepb.Command{RequestId: make([]byte, 16), Data: data}}}}, nil)
				out.Persist = append(out.Persist, Persist{Entries: []Entry{{Index: 3, Data: command}}})
				out.Send = append(out.Send, Send{Data: forward})
				out.Apply = append(out.Apply, Apply{Data: data})

				inPlace := made()
				command, forward, data = bytes.Clone(command), bytes.Clone(forward), bytes.Clone(data)
				inPlace.command(command)
				inPlace.envelope(forward)
				inPlace.data(data)
				want.Persist = append(want.Persist, Persist{Entries: []Entry{{Index: 3, Data: command}}})
				want.Send = append(want.Send, Send{Data: forward})
				want.Apply = append(want.Apply, Apply{Data: data})
			}
			got := r.Output(out)
			for i := range want.Send {
				if !bytes.Equal(got.Persist[i].Entries[0].Data, want.Persist[i].Entries[0].Data) ||
					!bytes.Equal(got.Send[i].Data, want.Send[i].Data) || !bytes.Equal(got.Apply[i].Data, want.Apply[i].Data) {
					t.Fatalf("output %d is redacted otherwise than in place", i)
				}
			}
		}
	})
}

// Large entries of a leader, as they are recorded.
func BenchmarkRedaction(b *testing.B) {
	data := bytes.Repeat([]byte("x"), 1<<20)
	command := marshal(&corepb.Command{RequestId: make([]byte, 16), Since: 7, Data: data})
	out := Output{Persist: []Persist{{Entries: []Entry{{Index: 3, Data: command}}}}, Apply: []Apply{{Data: data}}}
	r := &Redaction{Over: 1 << 10, Cut: 1 << 10}
	var c Chain
	b.ReportAllocs()
	for b.Loop() {
		redacted := r.Output(out)
		c.Add(&redacted)
	}
}
