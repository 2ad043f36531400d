package retain

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core/corepb"
)

// Where the leader's snapshot took the place of a part of the log, the log store has
// a gap between what the node had applied and the snapshot. It is filled from other
// members' log stores: from its lower end up, a chunk at a time, each asked for once
// the one before is in the store. A restart goes on with what the store says is
// missing. From one answer come MaxHistoryBytes or MaxHistoryEntries at most.

// fillRetryMillis is how long to wait before the members are asked again, after none
// of them gave what is missing and not all said that it is gone.
const fillRetryMillis = 5000

// Gap is a part of the log that the store does not hold, both ends included.
// Entries in it have terms from Low to High; a Low of 0 is not known.
type Gap struct {
	From, To  uint64
	Low, High uint64
	again     uint64 // tick from which on to ask anew
}

func (g Gap) String() string { return fmt.Sprintf("%d to %d", g.From, g.To) }

// filling is a node's side of it. One chunk is asked for or on its way to the store
// at a time.
type filling struct {
	gaps []Gap // ascending
	open bool  // a round is: the members are asked in turn for what follows after
	asker
	after   uint64
	first   uint64 // the least index at which a member's log begins, as said in this round
	may     bool   // some member may have what is missing, though it did not give it
	giver   uint64 // Raft id of who gave the last chunk
	writing uint64 // last index of the chunk that is on its way to the store; 0: none
	gone    uint64 // what is missing up to here is in no member's log any more
	said    uint64 // and that was logged up to here
}

// SetGaps says what the store lacks when a core starts.
func (m *Machine) SetGaps(gaps []Gap) { m.filling = filling{gaps: slices.Clone(gaps)} }

// Installed says that the store keeps the entries up to keep and then has the gap g,
// which ends at a snapshot of the leader; keep 0: it keeps none.
func (m *Machine) Installed(keep uint64, g Gap, a Around) {
	f := &m.filling
	if keep == 0 {
		*f = filling{}
		return
	}
	if n := len(f.gaps); n > 0 && f.gaps[n-1].To+1 == g.From { // there is nothing between them
		f.gaps[n-1].To, f.gaps[n-1].High = g.To, g.High
	} else {
		f.gaps = append(f.gaps, g)
	}
	m.say("entries %v are fetched from other members: the leader sent a snapshot in their place", g)
	m.ask(a)
}

// Trimmed says that the store's retention has dropped what is before first: nothing
// before it is missing any more.
func (m *Machine) Trimmed(first uint64) {
	f := &m.filling
	for len(f.gaps) > 0 && f.gaps[0].From < first {
		if f.gaps[0].To >= first {
			f.gaps[0].From = first
			return
		}
		f.gaps = slices.Delete(f.gaps, 0, 1)
	}
}

// Gone is up to which index what is missing is in no member's log any more, as all
// of them said; 0: there is none.
func (m *Machine) Gone() uint64 { return m.filling.gone }

// gap is the one to be filled next; nil: there is none now. One whose beginning is gone
// stays as it is, as a store fills a gap from its lower end; one that nobody could give
// just now keeps none above it waiting.
func (f *filling) gap(now uint64) *Gap {
	for i := range f.gaps {
		if g := &f.gaps[i]; g.From > f.gone && now >= g.again {
			return g
		}
	}
	return nil
}

// anew forgets what the members said that they cannot give.
func (f *filling) anew() {
	f.gone = 0
	for i := range f.gaps {
		f.gaps[i].again = 0
	}
}

// asks is the gap that the open round is for; nil: retention has passed it.
func (f *filling) asks() *Gap {
	for i := range f.gaps {
		if f.gaps[i].From == f.after+1 {
			return &f.gaps[i]
		}
	}
	return nil
}

// askFill asks for the next chunk, if that is due: not while a reader's question is
// under way, nor while the disk has no room.
func (m *Machine) askFill(a Around) {
	f := &m.filling
	for !a.Full && m.needs.given && f.asked == 0 && f.writing == 0 && len(m.fetches.open) == 0 {
		g := f.asks()
		if !f.open || g == nil {
			f.open, g = false, f.gap(a.Now)
		}
		if g == nil {
			return
		}
		if !f.open {
			f.open, f.after, f.tried, f.first, f.may = true, g.From-1, nil, 0, false
		}
		to := f.next(m.members, a.Now, func(id uint64) bool { return id == f.giver })
		if to == 0 {
			to = f.next(m.members, a.Now, anybody)
		}
		if to != 0 {
			m.sendQuestion(to, &f.asker, &corepb.HistoryRequest{After: f.after, Stored: true, Last: g.To})
			return
		}
		m.endRound(g, a)
	}
}

// endRound is for when all members were asked and none gave the next chunk of g.
func (m *Machine) endRound(g *Gap, a Around) {
	f := &m.filling
	f.open = false
	if f.may {
		g.again = a.Now + a.ticks(fillRetryMillis)
		return
	}
	f.gone = g.To
	if f.first != 0 {
		f.gone = min(f.first-1, g.To)
	}
	if f.gone > f.said {
		f.said = f.gone
		m.warn("entries %d to %d are in no member's log any more: this node's log keeps its gap of entries %v", g.From, f.gone, *g)
	}
}

// fillHeard takes an answer to askFill, and says whether it is one.
func (m *Machine) fillHeard(from uint64, h *corepb.History, a Around) bool {
	f := &m.filling
	if !f.answeredBy(from, h.GetQuestion()) || f.after != h.GetAfter() || len(h.GetEntries()) > 0 && h.GetFirst() != 0 { // that answers a reader's question
		return false
	}
	f.asked = 0
	g := f.asks()
	switch {
	case g == nil: // retention has passed it
	case h.GetFirst() == 0: // of a build that gives no stored entries
		f.may = true
	case h.GetFirst() > g.From:
		f.first = least(f.first, h.GetFirst(), f.after)
	case a.Full || !m.fill(from, g, h.GetStored()):
		f.may = true
	}
	m.ask(a)
	return true
}

// fill hands a chunk of g on to the store; false: there is none that fits.
func (m *Machine) fill(from uint64, g *Gap, es []*corepb.LogEntry) bool {
	n, term := 0, g.Low
	for _, e := range es {
		if e.GetIndex() != g.From+uint64(n) || e.GetIndex() > g.To {
			break
		}
		if e.GetTerm() < term || e.GetTerm() > g.High {
			m.warn("entry %d of node %d has term %d, where %d to %d belongs: nothing of that answer is stored",
				e.GetIndex(), nodeID(from), e.GetTerm(), term, g.High)
			return false
		}
		n, term = n+1, e.GetTerm()
	}
	if n == 0 {
		return false
	}
	f := &m.filling
	g.Low = term
	f.open, f.giver, f.writing = false, from, es[n-1].GetIndex()
	m.taken.Fill = es[:n]
	return true
}

// Filled says that the store holds the chunk that ends at last.
func (m *Machine) Filled(last uint64, a Around) {
	f := &m.filling
	if f.writing != last {
		return // the log was dropped as a whole meanwhile
	}
	f.writing = 0
	for i := range f.gaps {
		g := &f.gaps[i]
		if g.From > last || g.To < last {
			continue
		}
		if g.From = last + 1; g.From > g.To {
			f.gaps = slices.Delete(f.gaps, i, i+1)
		}
		break
	}
	if len(f.gaps) == 0 {
		m.say("this node's log has no gap any more")
	}
	m.ask(a)
}

func (m *Machine) fillTimeout(a Around) {
	if f := &m.filling; f.asked != 0 && a.Now-f.at >= a.ticks(HistoryMillis) {
		f.asked, f.may = 0, true
	}
	m.ask(a)
}
