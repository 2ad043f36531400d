package sim

import "testing"

// BenchmarkSeed runs seeds of the standard workload, one after the other, with
// everything on.
func BenchmarkSeed(b *testing.B) {
	b.ReportAllocs()
	seed, events := uint64(0), uint64(0)
	for b.Loop() {
		seed++
		r := Run(Options{Seed: seed})
		if r.Failure != nil {
			b.Fatalf("seed %d: %v", seed, r.Failure)
		}
		events += r.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(events)/float64(seed), "events/op")
}
