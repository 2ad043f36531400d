package sim

import (
	"fmt"
	"time"
)

// faultPartition: node (and its side, when Param is a set of node ids as bits)
// is cut from all others.
var faultPartition = Kind{
	Name: "partition", Group: "network", most: 6,
	Doc: "the cluster falls into two parts",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = 1<<d.Node | int64(s.Uint64())&(1<<(o.Nodes+1)-2)
		d.For = s.Between(200*time.Millisecond, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		cutBetween(w, s, func(l *link) {
			l.cut++
			w.breakLater(l)
		})
		return fmt.Sprintf("sides of bits %b, for %v", s.Param, s.For)
	},
	end: func(w *World, s *strike) { cutBetween(w, s, func(l *link) { l.cut-- }) },
}

// cutBetween calls f for every link between the two sides of a partition.
func cutBetween(w *World, s *strike, f func(*link)) {
	for _, l := range w.links {
		if s.Param>>l.from.id&1 != s.Param>>l.to.id&1 {
			f(l)
		}
	}
}
