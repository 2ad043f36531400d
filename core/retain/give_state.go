package retain

import "github.com/pgraft/pgraft/core/corepb"

// KeepMillis is how long an exported state is kept after a part of it was asked for.
const KeepMillis = 30_000

// giving is the side of the member that is asked for its database's state: it has
// its host export it, one at a time, and keep it while parts of it are asked for.
type giving struct {
	// ticket is that of the newest export. It counts up from a number drawn anew at
	// each start, so that parts of two lives' exports are never taken for one state.
	ticket    uint64
	exporting bool
	to        uint64 // Raft id of who asked for that
	kept      uint64 // ticket of the state that the host keeps; 0: none
	size      uint64 // bytes of it
	begun     bool   // to was given its first part, and has not asked for the next
	until     uint64 // tick
}

// stateAsked answers with a part of what is kept, or has a new state exported. While
// that is under way another request for a new one is dropped. One of the member that
// was given the first of several parts, and has not asked for the next, is the same
// request once more: it gets that part again.
func (m *Machine) stateAsked(from uint64, q *corepb.TableStateRequest, a Around) {
	g := &m.giving
	switch {
	case q.GetTicket() != 0:
		g.begun = g.begun && from != g.to
		m.givePart(from, q.GetTicket(), q.GetOffset(), a)
	case g.begun && from == g.to && g.kept != 0:
		until := g.until // who asks for nothing else does not hold it for longer
		m.givePart(from, g.kept, 0, a)
		g.until = until
	case !g.exporting:
		if g.ticket++; g.ticket == 0 { // that asks for a new one
			g.ticket++
		}
		g.exporting, g.to = true, from
		m.taken.Output.Export = append(m.taken.Output.Export, g.ticket)
	}
}

// Exported says that the host has exported a state of size bytes; 0: there is none.
func (m *Machine) Exported(ticket, size uint64, a Around) {
	g := &m.giving
	if !g.exporting || ticket != g.ticket {
		return
	}
	g.exporting = false
	m.drop()
	switch {
	case size > MaxStateBytes:
		m.warn("node %d asked for the state of this node's database: it has %d bytes, over %d", nodeID(g.to), size, MaxStateBytes)
		m.taken.Output.Drop = append(m.taken.Output.Drop, ticket)
	case size > 0:
		g.kept, g.size, g.until = ticket, size, a.Now+a.ticks(KeepMillis)
	}
	g.begun = g.kept != 0 && g.size > MaxPartBytes
	m.givePart(g.to, ticket, 0, a)
}

// givePart orders a part to be sent, or says that there is none to be had.
func (m *Machine) givePart(to, ticket, offset uint64, a Around) {
	g := &m.giving
	if ticket != g.kept || offset >= g.size {
		m.send(to, &corepb.Envelope{Body: &corepb.Envelope_TableState{
			TableState: &corepb.TableState{Ticket: ticket, Offset: offset}}})
		return
	}
	g.until = a.Now + a.ticks(KeepMillis)
	m.taken.Output.SendPart = append(m.taken.Output.SendPart,
		SendPart{To: to, Ticket: ticket, Offset: offset, Size: min(MaxPartBytes, g.size-offset), Total: g.size})
}

func (m *Machine) drop() {
	if g := &m.giving; g.kept != 0 {
		m.taken.Output.Drop = append(m.taken.Output.Drop, g.kept)
		g.kept, g.size = 0, 0
	}
}

func (m *Machine) dropWhenDue(a Around) {
	if g := &m.giving; g.kept != 0 && a.Now >= g.until {
		m.drop()
	}
}
