package retain

import (
	"maps"
	"slices"

	"github.com/pgraft/pgraft/core/corepb"
)

// Entries that some member's database has still to apply are kept in every
// member's log: a member that was away for long, or lost its own log, finds them
// there. So each tells the others what it needs. Where a database can be filled
// from another one's exported state, nothing has to be kept for it.

// TellMillis is how often a node tells the others what it needs: a message may be
// lost, and a new member has heard nothing yet.
const TellMillis = 5000

// FoundingIndex is the first index of every log (core.FoundingIndex).
const FoundingIndex = 1

// Need is what the database of this node needs.
type Need struct {
	From       uint64 // the entries from this index on; 0 = none
	Importable bool   // or an exported state of another member's
}

// needs records from which index on each member's database needs the log.
type needs struct {
	given bool // the host has said own
	own   Need
	// life and round number what this node tells, see hear.
	life, round uint64
	toldAt      uint64            // tick
	said        map[uint64][]said // by Raft id; more than one while a life may be over
	retained    uint64            // as ordered last
	ordered     bool              // it was
}

// said is what one life of a member told last.
type said struct {
	from        uint64
	life, round uint64 // 0: of a build that does not number it
	heard       uint64 // tick
}

// From is the first index from which on a log store has to keep all entries; 0: its
// limits alone decide. others are the other members, said what they need, for those
// that have told since this core started: 0 = nothing that a log has to be kept for.
//
// The rule: entries that this node's database needs stay, and so do those that
// another member says that its database needs. A member that has not told yet may
// need all, if this node's database applies entries and cannot be filled from an
// exported state: then there may be no other way to fill that member's either. A
// member that is away for good holds the log until it is removed.
func From(own Need, others []uint64, said map[uint64]uint64) uint64 {
	from := own.From
	for _, id := range others {
		first, told := said[id]
		if !told && own.From != 0 && !own.Importable {
			first = FoundingIndex
		}
		if first != 0 && (from == 0 || first < from) {
			from = first
		}
	}
	return from
}

// SetNeed says what this node's database needs from now on. The other members are
// told at once.
func (m *Machine) SetNeed(n Need, a Around) {
	m.needs.given, m.needs.own = true, n
	m.tell(a)
	m.retain()
	m.ask(a)
}

// Given says that the host has said what this node's database needs.
func (m *Machine) Given() bool { return m.needs.given }

// tellWhenDue tells the other members again.
func (m *Machine) tellWhenDue(a Around) {
	if m.needs.given && a.Now-m.needs.toldAt >= a.ticks(TellMillis) {
		m.tell(a)
	}
}

func (m *Machine) tell(a Around) {
	n := &m.needs
	n.toldAt, n.round = a.Now, n.round+1
	from := n.own.From
	if n.own.Importable {
		from = 0
	}
	for _, id := range m.members {
		m.send(id, &corepb.Envelope{Body: &corepb.Envelope_ApplyNeeds{
			ApplyNeeds: &corepb.ApplyNeeds{From: from, Life: n.life, Round: n.round}}})
	}
}

// maxLives bounds how many lives of a member are remembered; of more, those that need
// most of the log.
const maxLives = 4

// hear takes what a member tells. A message that comes late must not take the place of
// a newer one, which may need more of the log. Within one life of its sender messages
// are numbered. Which of two lives is the newer one is not known: both count, until one
// was not heard for two times TellMillis and the other was. So a message of an earlier
// life can lift no protection, unless it is later than that and its sender silent.
func (n *needs) hear(from uint64, t *corepb.ApplyNeeds, a Around) {
	next := said{from: t.GetFrom(), life: t.GetLife(), round: t.GetRound(), heard: a.Now}
	all := n.said[from]
	i := slices.IndexFunc(all, func(s said) bool { return s.life == next.life })
	if i >= 0 && next.life != 0 && next.round <= all[i].round {
		return
	}
	if i >= 0 {
		all = slices.Delete(all, i, i+1)
	}
	all = slices.DeleteFunc(all, func(s said) bool { return a.Now-s.heard > a.ticks(2*TellMillis) })
	if all = append(all, next); len(all) > maxLives {
		i := needsLeast(all)
		all = slices.Delete(all, i, i+1)
	}
	if n.said == nil {
		n.said = map[uint64][]said{}
	}
	n.said[from] = all
}

// needsLeast is the place of the life that needs least of the log: forgotten, it
// changes nothing.
func needsLeast(lives []said) (at int) {
	for i, s := range lives {
		if was := lives[at].from; was != 0 && (s.from == 0 || s.from > was) {
			at = i
		}
	}
	return at
}

// need is what a member needs, by all lives of it that count.
func need(lives []said) (from uint64) {
	for _, s := range lives {
		if s.from != 0 && (from == 0 || s.from < from) {
			from = s.from
		}
	}
	return from
}

// forget drops what was said by those that are no members any more.
func (n *needs) forget(members []uint64) {
	for _, id := range slices.Sorted(maps.Keys(n.said)) {
		if !slices.Contains(members, id) {
			delete(n.said, id)
		}
	}
}

// retain orders what From says, when that changes.
func (m *Machine) retain() {
	n := &m.needs
	if !n.given {
		return
	}
	told := map[uint64]uint64{}
	for _, id := range m.members {
		if s, ok := n.said[id]; ok {
			told[id] = need(s)
		}
	}
	from := From(n.own, m.members, told)
	if n.ordered && from == n.retained {
		return
	}
	n.retained, n.ordered = from, true
	m.taken.Output.Retain = &from
}
