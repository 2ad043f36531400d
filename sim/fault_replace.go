package sim

import (
	"fmt"
	"time"
)

// faultReplace: a member is removed, and after For its server is to be one again,
// with an empty disk.
var faultReplace = Kind{
	Name: "replace", Group: "people", most: 3, alone: true,
	Doc: "a member is removed and added again",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(100*time.Millisecond, 8*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if !w.operator.want[s.node.id-1] || w.wanted() <= 1 {
			return ""
		}
		w.operator.want[s.node.id-1] = false
		return fmt.Sprintf("out for %v", s.For)
	},
	end: func(w *World, s *strike) { w.operator.want[s.node.id-1] = true },
}
