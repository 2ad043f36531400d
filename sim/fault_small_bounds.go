package sim

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
)

// faultSmallBounds is no accident: from the start, the cores' bounds are small, so
// that a minute reaches what else only a long life does. Which ones, Param says.
var faultSmallBounds = Kind{
	Name: "small-bounds", Group: "people", most: 1, alone: true,
	Doc: "the bounds that only a long life meets are small",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.At, d.Node, d.Param = 0, 1, int64(s.Below(1<<16))
	},
	begin: func(w *World, s *strike) string {
		if w.now > 0 {
			return "" // a window of request ids is the same for ever
		}
		l := smallLimits(uint64(s.Param))
		w.shape.timing.Limits = l
		for _, n := range w.nodes {
			n.timing.Limits = l
		}
		return fmt.Sprintf("%+v", l)
	},
}

func smallLimits(number uint64) core.Limits {
	s := For(number, "limits")
	return core.Limits{
		UncommittedBytes: Pick(&s, uint64(0), 200, 2000),
		InflightBytes:    Pick(&s, uint64(0), 32<<10),
		CommittedBytes:   Pick(&s, uint64(0), 100, 1000),
		MarkBytes:        Pick(&s, uint64(0), 2<<10, 8<<10),
		RequestWindow:    Pick(&s, uint64(0), 0, 40, 40, 200),
	}
}
