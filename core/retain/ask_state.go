package retain

import (
	"slices"

	"github.com/pgraft/pgraft/core/corepb"
)

// The state of a database that another member's database is filled from, when
// entries that it needs are in no log any more. This is the side of the member that
// asks: it asks for one part at a time, and hands each to its host.

const (
	// MaxStateBytes bounds an exported state.
	MaxStateBytes = 512 << 20
	// MaxPartBytes is what one message carries of it.
	MaxPartBytes = 1 << 20
	// ExportMillis is how long a database may take to export it.
	ExportMillis = 60_000
	// askAgainMillis is after how long the request for a new state is sent again, as it
	// or its answer may be lost. While the export is under way it is dropped there.
	askAgainMillis = 5000
	// partMillis is how long one part is waited for.
	partMillis = 5000
	// maxStates bounds the open requests for a state; over it one is refused.
	maxStates = 4
)

// asking are the open requests. The first one is under way.
type asking struct{ open []stateFetch }

type stateFetch struct {
	id uint64
	asker
	sent          uint64 // tick of the last request to the member that is asked
	ticket, total uint64 // of the state whose parts come; 0: none yet
	got           uint64 // bytes
}

// FetchState asks the members that can be reached, in turn, for the state of their
// database.
func (m *Machine) FetchState(id uint64, a Around) {
	if m.stopped != "" {
		m.done(id, Removed, "%s", m.stopped)
		return
	}
	if len(m.asking.open) >= maxStates {
		m.done(id, Busy, "too many requests for the state of another member's database")
		return
	}
	m.asking.open = append(m.asking.open, stateFetch{id: id})
	m.askState(a)
}

// askState asks the next member what is due.
func (m *Machine) askState(a Around) {
	for len(m.asking.open) > 0 {
		x := &m.asking.open[0]
		if x.asked != 0 {
			return // it is under way
		}
		x.ticket, x.total, x.got = 0, 0, 0
		to := x.next(m.members, a.Now, a.Reachable)
		if to == 0 {
			m.endState(Nobody, "no member can export its database's state")
			continue
		}
		m.askPart(x, a)
	}
}

func (m *Machine) askPart(x *stateFetch, a Around) {
	x.sent = a.Now
	m.send(x.asked, &corepb.Envelope{Body: &corepb.Envelope_TableStateRequest{
		TableStateRequest: &corepb.TableStateRequest{Ticket: x.ticket, Offset: x.got}}})
}

// endState ends the first request.
func (m *Machine) endState(code Code, f string, args ...any) {
	id := m.asking.open[0].id
	m.asking.open = slices.Delete(m.asking.open, 0, 1)
	m.done(id, code, f, args...)
}

// stateHeard takes a part. One of another export than the parts before it is of no
// use: that state was exported anew meanwhile.
func (m *Machine) stateHeard(from uint64, p *corepb.TableState, a Around) {
	if len(m.asking.open) == 0 {
		return
	}
	x := &m.asking.open[0]
	if x.asked != from || x.got != p.GetOffset() {
		return
	}
	size, total := uint64(len(p.GetData())), p.GetTotal()
	switch {
	case x.ticket == 0 && total > MaxStateBytes:
		m.endState(TooLarge, "the state of node %d has %d bytes, over %d", nodeID(from), total, MaxStateBytes)
		m.askState(a)
		return
	case x.ticket == 0:
		x.ticket, x.total = p.GetTicket(), total
	}
	if total == 0 || p.GetTicket() != x.ticket || total != x.total || size == 0 || size > total-x.got {
		x.asked = 0
		m.askState(a)
		return
	}
	m.taken.Output.StatePart = append(m.taken.Output.StatePart,
		StatePart{ID: x.id, From: from, Offset: x.got, Total: total, Data: p.GetData()})
	if x.got += size; x.got == total {
		m.endState(OK, "")
		m.askState(a)
		return
	}
	x.at = a.Now
	m.askPart(x, a)
}

func (m *Machine) stateTimeout(a Around) {
	if len(m.asking.open) == 0 {
		return
	}
	x, limit := &m.asking.open[0], uint64(partMillis)
	if x.got == 0 {
		limit = ExportMillis
	}
	switch {
	case x.asked == 0:
	case a.Now-x.at >= a.ticks(limit), !slices.Contains(m.members, x.asked): // it is silent, or was removed
		x.asked = 0
		m.askState(a)
	case x.got == 0 && a.Now-x.sent >= a.ticks(askAgainMillis):
		m.askPart(x, a)
	}
}

func (m *Machine) cancelState(id uint64, a Around) bool {
	i := slices.IndexFunc(m.asking.open, func(x stateFetch) bool { return x.id == id })
	if i < 0 {
		return false
	}
	m.asking.open = slices.Delete(m.asking.open, i, i+1)
	m.done(id, GivenUp, "given up")
	m.askState(a)
	return true
}
