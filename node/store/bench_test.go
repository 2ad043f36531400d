package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/store"
)

// BenchmarkWrite writes entries to the operating system's disk, each of them with a
// commit index, in a batch of its own as a node does whose log grows, and with one
// fsync for all batches of a call. The numbers are those of one entry:
//
//	cpu-us/entry    of the process, flushes and compactions included
//	disk-B/entry    written to files
//	allocs/entry, B/entry of Go's heap are those of allocs/op and B/op by the batches
//
// What is there before makes flushes and compactions do what they do in a store that
// is in use. Compare two builds by turns: the disk and its neighbours change.
func BenchmarkWrite(b *testing.B) {
	for _, x := range []struct{ bytes, batches, before int }{
		{280, 1, 200_000}, {280, 8, 200_000}, {280, 32, 200_000}, {280, 128, 200_000},
		{16 << 10, 8, 2_000}, {1 << 20, 1, 16}, {1 << 20, 8, 16},
	} {
		b.Run(fmt.Sprintf("%dB/%d", x.bytes, x.batches), func(b *testing.B) {
			s, err := store.Open(b.TempDir(), store.Options{Logger: quiet})
			if err != nil {
				b.Fatal(err)
			}
			data := make([]byte, 8<<20)
			rand.NewChaCha8([32]byte{1}).Read(data) // which no table makes smaller
			next := uint64(1)
			batches := make([]core.Persist, 0, max(8, x.batches))
			fill := func(n int, sync bool) []core.Persist {
				batches = batches[:0]
				for range n {
					batches = append(batches, core.Persist{Entries: []core.Entry{{Index: next, Term: 1, Kind: core.EntryNormal, Data: data[next*997%7e6:][:x.bytes]}},
						Sync: sync, HardState: &core.HardState{Term: 1, Commit: next - 1}})
					next++
				}
				return batches
			}
			var cpu time.Duration
			var disk uint64
			err = s.Writer(func(write func([]core.Persist) error) (err error) {
				for int(next) < x.before && err == nil {
					err = write(fill(8, false))
				}
				cpu, disk = cpuTime(b), written(b)
				for b.Loop() && err == nil {
					err = write(fill(x.batches, true))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			entries := float64(b.N * x.batches)
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1e3/entries, "cpu-us/entry")
			b.ReportMetric(float64(written(b)-disk)/entries, "disk-B/entry")
			b.ReportMetric(entries/b.Elapsed().Seconds(), "entries/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// written is how many bytes this process has given to write calls.
func written(b *testing.B) (n uint64) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "wchar: ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkDisk is what the disk takes of entries alone: each operation adds so many of
// them to a file and syncs it.
func BenchmarkDisk(b *testing.B) {
	for _, x := range []struct{ bytes, entries int }{{280, 1}, {280, 32}, {1 << 20, 1}, {1 << 20, 8}} {
		b.Run(fmt.Sprintf("%dB/%d", x.bytes, x.entries), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "file"))
			if err != nil {
				b.Fatal(err)
			}
			data := make([]byte, x.bytes*x.entries)
			rand.NewChaCha8([32]byte{1}).Read(data)
			cpu := cpuTime(b)
			for b.Loop() {
				if _, err := f.Write(data); err != nil {
					b.Fatal(err)
				}
				if err := syscall.Fdatasync(int(f.Fd())); err != nil {
					b.Fatal(err)
				}
			}
			entries := float64(b.N * x.entries)
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1e3/entries, "cpu-us/entry")
			b.ReportMetric(entries/b.Elapsed().Seconds(), "entries/s")
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
