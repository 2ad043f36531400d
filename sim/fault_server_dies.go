package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/sim/postgres"
)

// faultServerDies: a PostgreSQL server ends, with its engine. By Param it is killed, its
// machine loses power, or it is told to stop. For is how long it stays down.
var faultServerDies = Kind{
	Name: "server-dies", Group: "server", most: 8, servers: true,
	Doc: "a PostgreSQL server is killed, loses power or is stopped",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(3))
		d.For = Pick(s, time.Millisecond, s.Between(0, 3*time.Second), s.Between(0, 12*time.Second))
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil || v.pg.Phase() == postgres.Down {
			return ""
		}
		if s.Param == 2 {
			s.node.dies(surviveAll) // it ends among the first
			v.pg.FastStop(func() { w.restartLater(s.node, s.For) })
			return fmt.Sprintf("stopped, down for %v", s.For)
		}
		v.dies(s.Param == 1, s.For)
		return fmt.Sprintf("power %v, down for %v", s.Param == 1, s.For)
	},
}

// dies ends a server with its engine, or its machine, for a while.
func (v *server) dies(power bool, away time.Duration) {
	if power {
		v.n.dies(survivePrefix)
		v.off = true
	} else {
		v.n.dies(surviveAll)
	}
	v.pg.Kill(power)
	v.n.w.restartLater(v.n, away)
}

// faultBackendCrashes: a backend crashes, and the server recovers in place; or, by
// Param, the engine alone ends, and the server goes on.
var faultBackendCrashes = Kind{
	Name: "backend-crashes", Group: "server", most: 8, servers: true,
	Doc: "a backend of a PostgreSQL server crashes, or its engine alone ends",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(2))
		d.For = Pick(s, 10*time.Millisecond, s.Between(0, 3*time.Second))
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		switch {
		case v == nil || v.pg.Phase() == postgres.Down || s.node.state == down:
			return ""
		case s.Param == 0:
			v.pg.CrashRestart()
			return "it recovers in place"
		}
		s.node.dies(surviveAll)
		w.restartLater(s.node, s.For)
		return fmt.Sprintf("its engine alone, for %v", s.For)
	},
}
