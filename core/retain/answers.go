package retain

import (
	"slices"

	"github.com/pgraft/pgraft/core/corepb"
)

// A member that was away for long, or joins late, gets a snapshot of the cluster's
// own state in place of a part of the log. What its database has to apply is in
// other members' log stores still, and is asked for there (fetch.go asks). This is
// the side of the member that answers.

const (
	// MaxHistoryBytes and MaxHistoryEntries bound one answer, by its entries' data.
	// One entry may be over the bytes.
	MaxHistoryBytes   = 256 << 10
	MaxHistoryEntries = 1024
	// maxAnswers bounds the answers under way at once; over it a request is dropped,
	// and the asker tries another member.
	maxAnswers = 4
)

type answers struct {
	ticket uint64 // of the newest order to read
	open   []answer
}

// answer is one whose entries the host reads.
type answer struct {
	ticket   uint64
	to       uint64 // Raft id
	after    uint64
	stored   bool // the entries are asked for as the log store holds them
	question uint64
}

// historyAsked has the host read what a member asks for, as far as it is committed
// and in this node's log store. An order to read nothing learns its first index. A
// reader's question for what this node has not applied yet is not answered.
func (m *Machine) historyAsked(from uint64, q *corepb.HistoryRequest, a Around) {
	if len(m.answers.open) >= maxAnswers {
		return
	}
	after := max(q.GetAfter(), FoundingIndex) // that is Raft's own, and a snapshot
	if after >= a.Readable && !q.GetStored() {
		return // this node has not come so far: to say that it has nothing would say too much
	}
	last := min(after+MaxHistoryEntries, a.Readable)
	if q.GetLast() != 0 {
		last = min(last, q.GetLast())
	}
	m.answers.ticket++
	m.answers.open = append(m.answers.open, answer{m.answers.ticket, from, q.GetAfter(), q.GetStored(), q.GetQuestion()})
	m.taken.Output.Read = append(m.taken.Output.Read,
		Read{Ticket: m.answers.ticket, For: from, After: after, Last: max(last, after), MaxBytes: MaxHistoryBytes})
}

// HistoryRead answers the member that an order to read was for. first is the first
// index that the log store holds. history makes the answer's entries, stored ones or
// the users' data; false: they could not be read, and then another member may have
// them, so this one says nothing.
func (m *Machine) HistoryRead(ticket, first uint64, history func(stored bool) (*corepb.History, bool)) {
	i := slices.IndexFunc(m.answers.open, func(x answer) bool { return x.ticket == ticket })
	if i < 0 {
		return
	}
	x := m.answers.open[i]
	m.answers.open = slices.Delete(m.answers.open, i, i+1)
	if !slices.Contains(m.members, x.to) {
		return
	}
	h, ok := history(x.stored)
	if !ok {
		return
	}
	h.After, h.First, h.Question = x.after, first, x.question
	m.send(x.to, &corepb.Envelope{Body: &corepb.Envelope_History{History: h}})
}
