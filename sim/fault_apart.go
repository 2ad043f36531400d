package sim

import (
	"fmt"
	"time"
)

// faultApart: somebody sets failover off on a member, and starts it again, and later on. Its
// server is a standby then that shows nothing, and it votes. By Param it is to lead.
var faultApart = Kind{
	Name: "apart", Group: "server", most: 4, servers: true,
	Doc: "failover is off in a member's settings for a while",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(2))
		d.For = s.Between(3*time.Second, 30*time.Second) // the checker waits for twelve election timeouts
	},
	begin: func(w *World, s *strike) string {
		v := s.node.server
		if v == nil || v.blank || v.rejoining || s.node.state != running || !w.servers.isOn() || !v.isMember() {
			return ""
		}
		w.stageBegins(s)
		v.setsApart++
		v.startsAgain()
		return fmt.Sprintf("for %v", s.For)
	},
	stage: func(w *World, s *strike) {
		if n := s.node; s.Param == 1 && n.server.apart && w.hand(s, n) {
			s.Param = 0
		}
	},
	end: func(w *World, s *strike) {
		v := s.node.server
		if v.setsApart--; v.apart && v.setsApart == 0 {
			v.startsAgain()
		}
		w.stageEnds(s)
	},
}

// startsAgain starts a member's server again, or on a witness its process.
func (v *server) startsAgain() {
	if v.pg != nil {
		v.dies(false, 10*time.Millisecond)
		return
	}
	v.n.w.again(v.n, surviveAll, 10*time.Millisecond)
}
