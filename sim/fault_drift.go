package sim

import "fmt"

// faultDrift: a node's clock changes its rate by Param parts of a million from
// the true one, within what the lease allows for.
var faultDrift = Kind{
	Name: "drift", Group: "clock", most: 6,
	Doc: "a clock changes its rate",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(Pick(s, -maxDrift, maxDrift, s.Int(-maxDrift, maxDrift)))
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		n.clock.setRate(w.now, 1_000_000+max(-maxDrift, min(maxDrift, s.Param)))
		if n.state == running && n.clock.asleep == 0 {
			n.arrangeTick()
		}
		return fmt.Sprintf("%+d parts of a million", s.Param)
	},
}
