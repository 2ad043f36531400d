package retain

import (
	"slices"

	"github.com/pgraft/pgraft/core/corepb"
)

// HistoryMillis is how long one member is waited for, for entries.
const HistoryMillis = 2000

// maxFetches bounds the open requests for entries; over it one is refused.
const maxFetches = 16

// fetches are the open requests of readers for entries. One question to one member
// is under way at a time, that of the first request, or one of fill.go.
type fetches struct{ open []fetch }

type fetch struct {
	id          uint64
	after, last uint64
	first       uint64 // see Fetched
	asker
	// gaps are those that answered in this round with a gap there, which may be
	// filled from a member that drops its entries before it is asked; before is how many
	// the round before had.
	gaps   []uint64
	before uint64
}

// again begins another round with those that had a gap. It is over, and false, once
// a round has told nothing new: then no log has the entries.
func (x *fetch) again() bool {
	if len(x.gaps) == 0 || uint64(len(x.gaps)) == x.before {
		return false
	}
	x.before = uint64(len(x.gaps))
	x.tried = slices.DeleteFunc(x.tried, func(id uint64) bool { return slices.Contains(x.gaps, id) })
	x.gaps = nil
	return true
}

// asker asks the members in turn.
type asker struct {
	asked uint64 // Raft id of who was asked last; 0: nobody yet
	// question is the number of that question, for entries: an answer repeats it.
	question uint64
	at       uint64   // tick
	tried    []uint64 // all that were asked
	silent   []uint64 // those that did not answer
}

// answeredBy says that from answers the question that is under way; the answer of a
// build that repeats no number may be that to an earlier one.
func (x *asker) answeredBy(from, question uint64) bool {
	return x.asked == from && (question == 0 || question == x.question)
}

// next names whom to ask next; 0: all that ok accepts were asked.
func (x *asker) next(members []uint64, now uint64, ok func(uint64) bool) uint64 {
	for _, id := range members {
		if !slices.Contains(x.tried, id) && ok(id) {
			x.asked, x.at, x.tried = id, now, append(x.tried, id)
			return id
		}
	}
	return 0
}

func anybody(uint64) bool { return true }

// Fetch asks the other members for the entries after an index, up to and with last.
func (m *Machine) Fetch(id, after, last uint64, a Around) {
	if m.stopped != "" {
		m.done(id, Removed, "%s", m.stopped)
		return
	}
	f := &m.fetches
	if len(f.open) >= maxFetches {
		m.done(id, Busy, "too many requests for entries of other members")
		return
	}
	f.open = append(f.open, fetch{id: id, after: after, last: last})
	m.ask(a)
}

// ask asks another member what is due: what a reader waits for comes first.
func (m *Machine) ask(a Around) {
	m.askHistory(a)
	m.askFill(a)
}

func (m *Machine) askHistory(a Around) {
	for len(m.fetches.open) > 0 && m.filling.asked == 0 {
		x := &m.fetches.open[0]
		if x.asked != 0 {
			return // it is under way
		}
		to := x.next(m.members, a.Now, anybody)
		if to == 0 && len(x.silent) == 0 && x.again() {
			continue
		}
		if to == 0 {
			m.endFetch(Fetched{ID: x.id, Silent: x.silent, First: x.first})
			continue
		}
		m.sendQuestion(to, &x.asker, &corepb.HistoryRequest{After: x.after})
	}
}

// sendQuestion asks a member for entries, under a number of its own.
func (m *Machine) sendQuestion(to uint64, x *asker, q *corepb.HistoryRequest) {
	if m.question++; m.question == 0 { // that is none
		m.question++
	}
	x.question, q.Question = m.question, m.question
	m.send(to, &corepb.Envelope{Body: &corepb.Envelope_HistoryRequest{HistoryRequest: q}})
}

// endFetch ends the first request.
func (m *Machine) endFetch(f Fetched) {
	m.fetches.open = slices.Delete(m.fetches.open, 0, 1)
	m.taken.Output.Fetched = append(m.taken.Output.Fetched, f)
	m.done(f.ID, OK, "")
}

func (m *Machine) historyHeard(from uint64, h *corepb.History, a Around) {
	if m.fillHeard(from, h, a) || len(m.fetches.open) == 0 {
		return
	}
	x := &m.fetches.open[0]
	if !x.answeredBy(from, h.GetQuestion()) || x.after != h.GetAfter() || len(h.GetStored()) > 0 { // that answers askFill, too late
		return
	}
	if es := entriesOf(h, x.last); len(es) > 0 {
		m.endFetch(Fetched{ID: x.id, Entries: es})
	} else {
		x.asked, x.first = 0, least(x.first, h.GetFirst(), x.after)
		if h.GetFirst() != 0 && h.GetFirst() <= x.after+1 {
			x.gaps = append(x.gaps, from)
		}
	}
	m.ask(a)
}

// least is the smaller of two first indexes of logs behind after, of which known may
// be 0: there is none yet. A log that begins earlier has a gap there, and may go on with
// the entry behind the one that is asked for; so may that of a build that does not say
// where it begins.
func least(known, first, after uint64) uint64 {
	if first = max(first, after+2); known != 0 && known < first {
		return known
	}
	return first
}

// entriesOf is what of an answer follows its index without gap, up to last.
func entriesOf(h *corepb.History, last uint64) (es []Entry) {
	want := h.GetAfter() + 1
	for _, e := range h.GetEntries() {
		if e.GetIndex() != want || want > last {
			break
		}
		data := e.GetData()
		if data == nil && !e.GetOwn() {
			data = []byte{}
		}
		es = append(es, Entry{Index: e.GetIndex(), Term: e.GetTerm(), Data: data, Own: e.GetOwn()})
		want++
	}
	return es
}

func (m *Machine) fetchTimeout(a Around) {
	if len(m.fetches.open) == 0 {
		return
	}
	if x := &m.fetches.open[0]; x.asked != 0 && a.Now-x.at >= a.ticks(HistoryMillis) {
		x.silent = append(x.silent, x.asked)
		x.asked = 0
		m.ask(a)
	}
}

func (m *Machine) cancelFetch(id uint64, a Around) bool {
	i := slices.IndexFunc(m.fetches.open, func(x fetch) bool { return x.id == id })
	if i < 0 {
		return false
	}
	m.fetches.open = slices.Delete(m.fetches.open, i, i+1)
	m.done(id, GivenUp, "given up")
	m.ask(a)
	return true
}
