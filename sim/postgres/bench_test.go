package postgres

import (
	"testing"
	"time"
)

// BenchmarkMinute is a minute of three servers with 30 commits a second.
func BenchmarkMinute(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		t := &testing.T{}
		l := cluster(t, 3, Config{RecycleSegments: 1})
		names := Names{1, []string{name(2), name(3)}}
		l.s[1].SetNames(names)
		acked := 0
		for i := range 1800 {
			o := l.s[1].Connect()
			o.Write(uint64(i+1), 200)
			o.Commit(func(out Outcome) {
				if out == Committed {
					acked++
				}
				o.Terminate()
			})
			if i%300 == 0 {
				l.s[1].Checkpoint(nil)
			}
			l.run(time.Minute / 1800)
		}
		if acked < 1790 {
			b.Fatalf("%d commits", acked)
		}
	}
}
