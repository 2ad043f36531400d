package store_test

import (
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

// BenchmarkWrite writes batches of one entry of 128 bytes each, with one fsync
// for all batches of an operation, on the operating system's disk.
func BenchmarkWrite(b *testing.B) {
	for _, x := range []struct {
		name    string
		batches int
	}{{"1", 1}, {"64", 64}} {
		b.Run(x.name, func(b *testing.B) {
			s, err := store.Open(b.TempDir(), store.Options{Logger: quiet})
			if err != nil {
				b.Fatal(err)
			}
			next := uint64(1)
			for b.Loop() {
				batches := make([]core.Persist, x.batches)
				for i := range batches {
					batches[i] = core.Persist{Entries: storetest.Entries(next, 1, 1, 128), Sync: true}
					next++
				}
				if err := s.Write(batches); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
