package recorder

import (
	"strings"
	"testing"
)

// What a proposal of 200 bytes and the inputs that follow from it cost a node
// alone, with and without a recorder.
func BenchmarkSteps(b *testing.B) {
	for name, s := range map[string]Settings{"off": {}, "ring": {Mode: Ring, MaxBytes: 64 << 20}, "redacted": {Mode: Ring, MaxBytes: 64 << 20, Redact: true}} {
		b.Run(name, func(b *testing.B) {
			h := open(b, b.TempDir(), s)
			h.tail, h.marks = 8<<20, 10000
			h.boot()
			data := strings.Repeat("x", 200)
			b.ReportAllocs()
			for b.Loop() {
				h.propose(1, data)
			}
		})
	}
}

// What a proposal of 1 MB costs a node alone, with and without a recorder.
func BenchmarkLargeSteps(b *testing.B) {
	for name, s := range map[string]Settings{"off": {}, "ring": {Mode: Ring, MaxBytes: 64 << 20}} {
		b.Run(name, func(b *testing.B) {
			h := open(b, b.TempDir(), s)
			h.tail, h.marks = 8<<20, 10000
			h.boot()
			data := strings.Repeat("x", 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				h.propose(1, data)
			}
		})
	}
}
