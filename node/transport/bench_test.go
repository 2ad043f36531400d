package transport

import (
	"fmt"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// BenchmarkLoopback sends messages of one size between two transports, with at
// most window of them on the way.
func BenchmarkLoopback(b *testing.B) {
	for _, size := range []int{128, 1 << 10, 16 << 10, 256 << 10} {
		for _, window := range []int{1, 64} {
			b.Run(fmt.Sprintf("bytes=%d/window=%d", size, window), func(b *testing.B) { benchmarkLoopback(b, size, window) })
		}
	}
}

func benchmarkLoopback(b *testing.B, size, window int) {
	from, to := pair(b)
	room := make(chan struct{}, window)
	to.mu.Lock()
	to.receive = func(uint64, []byte) bool {
		<-room
		return true
	}
	to.mu.Unlock()
	data := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		room <- struct{}{}
		from.tr.Send(core.Send{To: raftID(2), Data: data})
	}
	for range window { // full again: all have arrived
		room <- struct{}{}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if s := from.stat(raftID(2)); s.DroppedOut != 0 {
		b.Fatalf("%d of %d messages were dropped", s.DroppedOut, b.N)
	}
}
