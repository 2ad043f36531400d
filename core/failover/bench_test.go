package failover

import "testing"

// What a tick costs while all is well: of the primary that leads, and of a standby.
func BenchmarkDecide(b *testing.B) {
	for _, x := range []struct {
		name string
		desk func(*testing.T) *desk
	}{
		{"primary", func(t *testing.T) *desk {
			d := sit(opened(t), a).there(standby(), c)
			d.server(func(v *Server) { v.Recovery, v.Flushed = false, 500 })
			return d
		}},
		{"standby", func(t *testing.T) *desk { return sit(opened(t), c).server(streams).once() }},
	} {
		b.Run(x.name, func(b *testing.B) {
			d := x.desk(&testing.T{})
			d.ticks(1)
			b.ReportAllocs()
			for b.Loop() {
				d.a.Now++
				d.m.Decide(d.a)
			}
		})
	}
}
