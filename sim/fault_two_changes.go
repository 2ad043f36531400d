package sim

import (
	"fmt"
	"time"
)

// faultTwoChanges: node is to be a member no longer and peer is to be one, and
// the operator asks for both at the same time.
var faultTwoChanges = Kind{
	Name: "two-changes", Group: "people", most: 2, alone: true,
	Doc: "two membership changes are asked for at once",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Peer = uint32(s.Int(o.Nodes+1, o.Nodes+spares))
		d.For = s.Between(5*time.Second, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		want := w.operator.want
		if s.peer == nil || !want[s.node.id-1] || w.wanted() <= 2 {
			return ""
		}
		want[s.node.id-1], want[s.peer.id-1] = false, true
		w.operator.atOnce++
		return fmt.Sprintf("node %d comes, node %d goes", s.peer.id, s.node.id)
	},
	end: func(w *World, s *strike) { w.operator.atOnce-- },
}
