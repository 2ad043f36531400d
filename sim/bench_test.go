package sim

import "testing"

// BenchmarkSeed runs seeds of the standard workload without databases, one after the
// other, with every check on; BenchmarkSeedDatabases with them.
func BenchmarkSeed(b *testing.B) { benchmarkSeed(b, DatabasesOff) }

func BenchmarkSeedDatabases(b *testing.B) { benchmarkSeed(b, DatabasesOn) }

// BenchmarkSeedFailover is a seed whose nodes have servers that fail over.
func BenchmarkSeedFailover(b *testing.B) {
	for i := range b.N {
		if r := Run(Options{Seed: uint64(i + 1), Failover: FailoverOn}); r.Failure != nil {
			b.Fatal(r.Failure)
		}
	}
}

func benchmarkSeed(b *testing.B, databases string) {
	b.ReportAllocs()
	seed, events := uint64(0), uint64(0)
	for b.Loop() {
		seed++
		r := Run(Options{Seed: seed, Databases: databases})
		if r.Failure != nil {
			b.Fatalf("seed %d: %v", seed, r.Failure)
		}
		events += r.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(events)/float64(seed), "events/op")
}
