package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/sim/postgres"
)

// faultLateOrders: a host carries orders out late, and some twice. By Param it looks at its
// server once in a while only.
var faultLateOrders = Kind{
	Name: "late-orders", Group: "server", most: 6, servers: true,
	Doc: "orders to a PostgreSQL server are carried out late, and twice, and it is rarely looked at",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.For = s.Between(time.Second, 15*time.Second)
		d.Param = int64(s.Below(2))
	},
	begin: func(w *World, s *strike) string {
		if s.node.server == nil {
			return ""
		}
		s.node.server.late++
		s.node.server.rarely += int(s.Param)
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, s *strike) {
		s.node.server.late--
		s.node.server.rarely -= int(s.Param)
	},
}

// faultReplayHeld: a standby replays nothing: by Param it is paused, a query conflicts, or
// commits are replayed late.
var faultReplayHeld = Kind{
	Name: "replay-held", Group: "server", most: 6, servers: true,
	Doc: "a standby does not replay what it receives",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Below(3))
		d.For = s.Between(200*time.Millisecond, 8*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil {
			return ""
		}
		switch s.Param {
		case 0:
			v.pg.PauseReplay(true)
		case 1:
			v.pg.BlockReplay(true)
		default:
			v.pg.DelayReplay(s.For / 2)
		}
		return fmt.Sprintf("%s for %v", [...]string{"paused", "blocked", "delayed"}[s.Param%3], s.For)
	},
	end: func(w *World, s *strike) {
		p := s.node.server.pg
		switch s.Param {
		case 0:
			p.PauseReplay(false)
		case 1:
			p.BlockReplay(false)
		default:
			p.DelayReplay(0)
		}
	},
}

// The ways of faultByHand.
const (
	handPromotes = iota
	handDataNote
	handStoreNote
	handLowers
	handStarts
	handWays
)

// faultByHand: somebody promotes a standby by hand, or, by Param, edits what says that a
// server takes part: its data directory's note is gone, or its Raft store's; or a setting
// that a standby needs. The server starts anew then, and the operator sets it right later.
// Or a standby is started as a primary without the library, writes, and is stopped.
var faultByHand = Kind{
	Name: "by-hand", Group: "server", most: 3, servers: true,
	Doc: "a standby is promoted or started by hand, or a note or a setting of a server is edited",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(handWays))
		d.For = s.Between(time.Second, 8*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v := s.node.withServer()
		if v == nil || v.pg.Phase() == postgres.Down || v.rejoining || !w.servers.allSound() {
			return "" // two of that leave nobody to go on with: only an operator's word would
		}
		standby := v.pg.InRecovery() && v.pg.Reads()
		switch s.Param % handWays {
		case handPromotes:
			if !standby || v.out {
				return "" // nothing forbids that on a server that takes no part
			}
			w.servers.handled = true
			v.pg.Promote()
		case handDataNote:
			v.edited, v.data.Joined = true, false
		case handStoreNote:
			v.edited, v.store.Joined = true, false
		case handLowers:
			v.lowered = true
		case handStarts:
			if !standby || !w.servers.canDoWithout(v) {
				return ""
			}
			w.servers.handled = true
			v.dies(false, 10*time.Millisecond)
			v.pg.RunAlone(1 + v.draws.Below(4*postgres.PageBytes))
			return "started as a primary without the library, for a moment"
		}
		if s.Param%handWays != handPromotes {
			v.dies(false, 10*time.Millisecond)
		}
		return [...]string{"promoted", "the data directory's note is lost", "the Raft store's note is lost", "max_connections is lowered"}[s.Param%handWays]
	},
	end: func(w *World, s *strike) {
		v := s.node.server
		if v.edited {
			v.edited = false
			v.data.Joined, v.store.Joined = true, true
		}
		v.lowered = false
	},
}

// faultImpatient: all clients cancel what waits, or end their connections.
var faultImpatient = Kind{
	Name: "impatient", Group: "server", most: 6, servers: true,
	Doc: "clients of PostgreSQL cancel what waits, and are terminated",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.For = s.Between(time.Second, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if w.servers == nil {
			return ""
		}
		w.servers.impatient++
		return fmt.Sprintf("for %v", s.For)
	},
	end: func(w *World, _ *strike) { w.servers.impatient-- },
}
