package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultTurns: the leader is cut off; as soon as another one leads, it is that
// one's turn, and the first comes back: with what it had appended and nobody else
// has, as in figure 8 of the Raft paper.
var faultTurns = Kind{
	Name: "turns", Group: "network", most: 4,
	Doc: "each new leader is cut off, and the one before it comes back",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.For = s.Between(2*time.Second, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if s.node.state != running {
			return ""
		}
		s.apart = []*node{s.node}
		w.cutOff(s.apart, 1)
		w.watching = append(w.watching, s)
		return fmt.Sprintf("for %v", s.For)
	},
	watch: func(w *World, s *strike, n *node) {
		if n.status.Role != core.RoleLeader || n.foreign() || n == s.apart[0] || n.status.Term <= s.apart[0].status.Term {
			return
		}
		w.say(n, "its turn to be cut off")
		w.cutOff(s.apart, -1)
		s.apart[0] = n
		w.cutOff(s.apart, 1)
	},
	end: func(w *World, s *strike) { w.cutOff(s.apart, -1) },
}
