package retain

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core/corepb"
)

// Machine is one node's side of it. The zero value is none: use New. Not safe for
// concurrent use.
type Machine struct {
	self     uint64
	stopped  string   // why, for good; empty: it is not
	members  []uint64 // the other members' Raft ids, in the order of the member list
	needs    needs
	answers  answers
	fetches  fetches
	asking   asking
	giving   giving
	filling  filling
	question uint64 // the newest one asked of another member for entries
	taken    Taken
}

// Around is what a Machine is told of its core with each input.
type Around struct {
	Now        uint64 // ticks since the core's start
	TickMillis uint64
	// Readable is up to which index the log store holds what is committed.
	Readable uint64
	Full     bool // the disk is
	// Reachable says whether a member was heard from within an election timeout.
	Reachable func(raftID uint64) bool
}

// ticks converts a time into ticks, rounded up.
func (a Around) ticks(millis uint64) uint64 { return (millis + a.TickMillis - 1) / a.TickMillis }

// Taken is what came of the inputs since it was taken last.
type Taken struct {
	Send   []*corepb.Envelope // To and Body are set
	Output Output
	Done   []Done
	Events []Event
	// Fill, when not nil, are entries for the store: they fill a gap of its log from
	// its lower end. Filled follows once they are written.
	Fill []*corepb.LogEntry
}

// Done ends a core.FetchHistory or a core.FetchState.
type Done struct {
	ID   uint64
	Code Code
	Text string // for people; empty when Code is OK
}

// Code is how a request ended.
type Code uint8

const (
	OK       Code = iota
	Busy          // over a bound: it was not asked
	Nobody        // no member has a state to give
	TooLarge      // the state is over MaxStateBytes
	GivenUp       // it was cancelled
	Removed       // this node is no member any more
)

// New returns the machine of the node with the Raft id self, which has no database
// yet. life is a number drawn anew at each start.
func New(self, life uint64) *Machine {
	return &Machine{self: self, needs: needs{life: life}, giving: giving{ticket: life}, question: life}
}

// Event is something that people want to read in a log.
type Event struct {
	Warning bool
	Text    string
}

// Take returns what came of the inputs since the last call.
func (m *Machine) Take() Taken {
	t := m.taken
	m.taken = Taken{}
	return t
}

// Pending says that Take has something to return.
func (m *Machine) Pending() bool {
	t := &m.taken
	return len(t.Send)+len(t.Done)+len(t.Events)+len(t.Fill) > 0 || !t.Output.Empty()
}

// SetMembers says who the members are: Raft ids in the order of the member list.
func (m *Machine) SetMembers(ids []uint64) {
	if m.stopped != "" {
		return
	}
	m.members = slices.DeleteFunc(slices.Clone(ids), func(id uint64) bool { return id == m.self })
	m.filling.anew() // others may have what is missing
	m.needs.forget(m.members)
	m.retain()
}

// Tick is the passing of time, once a tick.
func (m *Machine) Tick(a Around) {
	m.tellWhenDue(a)
	m.fetchTimeout(a)
	m.fillTimeout(a)
	m.stateTimeout(a)
	m.dropWhenDue(a)
}

// Receive takes a message of another member. One of a body that is none of this
// package's, or of no member, changes nothing.
func (m *Machine) Receive(from uint64, env *corepb.Envelope, a Around) {
	if !slices.Contains(m.members, from) {
		return
	}
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_ApplyNeeds:
		m.needs.hear(from, b.ApplyNeeds, a)
		m.retain()
	case *corepb.Envelope_HistoryRequest:
		m.historyAsked(from, b.HistoryRequest, a)
	case *corepb.Envelope_History:
		m.historyHeard(from, b.History, a)
	case *corepb.Envelope_TableStateRequest:
		m.stateAsked(from, b.TableStateRequest, a)
	case *corepb.Envelope_TableState:
		m.stateHeard(from, b.TableState, a)
	}
}

// Cancel says that nobody waits for the request any longer; false: it is none of
// this package's, or has ended.
func (m *Machine) Cancel(id uint64, a Around) bool {
	return m.cancelFetch(id, a) || m.cancelState(id, a)
}

// Stop ends all requests with text, and refuses those that come: this node is no
// member any more.
func (m *Machine) Stop(text string) {
	m.stopped, m.members = text, nil
	for _, x := range m.fetches.open {
		m.done(x.id, Removed, "%s", text)
	}
	for _, x := range m.asking.open {
		m.done(x.id, Removed, "%s", text)
	}
	m.fetches.open, m.asking.open, m.filling = nil, nil, filling{}
}

func (m *Machine) send(to uint64, body *corepb.Envelope) {
	body.To = to
	m.taken.Send = append(m.taken.Send, body)
}

func (m *Machine) done(id uint64, code Code, f string, a ...any) {
	m.taken.Done = append(m.taken.Done, Done{ID: id, Code: code, Text: fmt.Sprintf(f, a...)})
}

func (m *Machine) say(f string, a ...any) {
	m.taken.Events = append(m.taken.Events, Event{Text: fmt.Sprintf(f, a...)})
}

func (m *Machine) warn(f string, a ...any) {
	m.taken.Events = append(m.taken.Events, Event{Warning: true, Text: fmt.Sprintf(f, a...)})
}

// nodeID is the small number in a Raft id (core.NodeID).
func nodeID(raftID uint64) uint32 { return uint32(raftID) }
