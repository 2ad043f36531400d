package failover

import "slices"

// How servers come to take part, as failover is enabled. Each notes that it has joined before
// the log says that failover is on: then whatever it boots with it boots as a standby. The
// server that is to be the primary notes it last, once all others have, as it would boot as a
// standby, too, where nothing came of it.

// Joining is what an operator wants of servers that take no part yet.
type Joining uint8

const (
	JoinNobody   Joining = iota
	JoinStandbys         // all that are in recovery are to join
	JoinAll              // so is this node's, which takes writes
	joinings             // how many there are
)

// Known says that this version knows it.
func (j Joining) Known() bool { return j < joinings }

// String says it for people.
func (j Joining) String() string {
	switch j {
	case JoinNobody:
		return "nobody is to join"
	case JoinStandbys:
		return "all standbys are to join"
	case JoinAll:
		return "all servers are to join"
	}
	return "unknown"
}

// Join notes that the server takes part from now on, with the data that it has, and that it is
// told of all epochs up to Epoch.
type Join struct{ Epoch, Boot uint64 }

func (Join) order() {}

// Joins takes what the operator wants.
func (m *Machine) Joins(j Joining) { m.joins = j }

// asksToJoin says that this node's server, which takes writes, asks the others to join.
func (m *Machine) asksToJoin(a Around) bool {
	return m.joins != JoinNobody && a.State.Mode == ModeOff && m.has && !m.server.Recovery
}

// join orders this node's server to join: as a standby where another member asks for that. A
// standby comes with a restartpoint: all WAL from there on is to be compared with the primary's,
// which keeps it from its last checkpoint on. One note alone is of a join that was cut short, or
// the other was lost: failover is off, so it joins as any, once that is known for sure.
func (m *Machine) join(a Around, out *Output) {
	if !m.has || m.server.OneNote && !a.Current {
		return
	}
	wanted := m.joins == JoinAll
	if m.server.Recovery {
		wanted = slices.ContainsFunc(m.peers, func(p peer) bool { return p.told.Joins && m.fresh(p.id, a) != nil })
	}
	if wanted && m.server.Recovery {
		out.Orders = append(out.Orders, Checkpoint{a.State.Epoch.Number, m.boot})
	}
	if wanted && !m.server.joined() {
		out.Orders = append(out.Orders, Join{a.State.Epoch.Number, m.boot})
	}
}

// joined says that the server takes part with the timeline that it is on: where failover was
// on before, it may have joined on another one.
func (s *Server) joined() bool {
	return s.Joined && (s.JoinedOn == s.timeline() || s.Noted > 0)
}
