package sim

import "fmt"

// faultBurst: clients of its own ask a node for Param things at one instant: entries
// that change nothing, most of them, some twice, and some are given up at once.
var faultBurst = Kind{
	Name: "burst", Group: "people", most: 6,
	Doc: "many clients ask one node at the same instant",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(Pick(s, s.Int(2, 8), s.Int(2, 30), s.Int(16, 60), s.Int(60, 150)))
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running || n.paused > 0 || n.foreign() || w.checks.newest.Get(n.identity.RaftID) == nil {
			return ""
		}
		n.works() // it comes as one batch where there are some
		draws := For(w.o.Seed, "burst", uint64(s.At), uint64(s.Node))
		number := w.burstSize(int(s.Param))
		for range number {
			w.burst(&draws, n)
		}
		return fmt.Sprintf("%d requests at once", number)
	},
}

// burstSize bounds a burst where request ids are forgotten: within the time that a
// client takes to send one again, fewer entries come than are remembered.
func (w *World) burstSize(n int) int {
	n = max(1, n)
	if window := w.shape.timing.Limits.RequestWindow; window > 0 {
		n = min(n, int(window)/12)
	}
	return n
}

// burst asks for one thing.
func (w *World) burst(draws *Stream, n *node) {
	kind, size, times := opRead, opHeader+draws.Below(64), 1
	switch r := draws.Below(32); {
	case r < 2:
		kind = opBarrier
	case r < 3:
		kind = opConfirm
	case r < 7:
		size = opHeader + draws.Below(2000)
	case r < 10:
		times = 2
	}
	o := w.newCrowdOp(draws, kind)
	o.holds(size)
	gaveUp := draws.Below(16) == 0
	o.open = times
	for range times {
		o.tries++
		q := w.propose(n, o)
		switch {
		case q.over:
		case gaveUp:
			w.timeout(q)
		default:
			w.arrange(event{at: w.now + patience, kind: evTimeout, ref: q})
		}
	}
}
