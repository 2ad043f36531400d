package retain

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/corepb"
)

// fixture is a machine, node 1 of three, at an instant.
type fixture struct {
	*Machine
	a Around
}

func newFixture() *fixture {
	f := &fixture{New(1, 100), Around{TickMillis: 1000, Readable: 50, Reachable: func(id uint64) bool { return id != 4 }}}
	f.SetMembers([]uint64{1, 2, 3})
	return f
}

func (f *fixture) pass(seconds int) *fixture {
	for range seconds {
		f.a.Now++
		f.Tick(f.a)
	}
	return f
}

// got is what came of it, in words.
func (f *fixture) got() string {
	t := f.Take()
	var l []string
	say := func(format string, a ...any) { l = append(l, fmt.Sprintf(format, a...)) }
	for _, e := range t.Send {
		switch b := e.GetBody().(type) {
		case *corepb.Envelope_ApplyNeeds:
			say("tell %d %d", e.GetTo(), b.ApplyNeeds.GetFrom())
		case *corepb.Envelope_HistoryRequest:
			say("ask %d after %d", e.GetTo(), b.HistoryRequest.GetAfter())
		case *corepb.Envelope_History:
			say("answer %d after %d: %d entries, first %d", e.GetTo(), b.History.GetAfter(), len(b.History.GetEntries())+len(b.History.GetStored()), b.History.GetFirst())
		case *corepb.Envelope_TableStateRequest:
			say("ask %d state %d at %d", e.GetTo(), b.TableStateRequest.GetTicket(), b.TableStateRequest.GetOffset())
		case *corepb.Envelope_TableState:
			say("answer %d state %d at %d: total %d", e.GetTo(), b.TableState.GetTicket(), b.TableState.GetOffset(), b.TableState.GetTotal())
		}
	}
	if o := t.Output; !o.Empty() {
		if o.Retain != nil {
			say("retain %d", *o.Retain)
		}
		for _, r := range o.Read {
			say("read %d for %d: %d to %d", r.Ticket, r.For, r.After+1, r.Last)
		}
		for _, x := range o.Export {
			say("export %d", x)
		}
		for _, x := range o.Drop {
			say("drop %d", x)
		}
		for _, p := range o.SendPart {
			say("send %d part %d+%d of %d", p.To, p.Offset, p.Size, p.Total)
		}
		for _, x := range o.Fetched {
			say("fetched %d: %d entries, silent %v", x.ID, len(x.Entries), x.Silent)
			if x.First != 0 {
				say("begins at %d", x.First)
			}
		}
		for _, p := range o.StatePart {
			say("part for %d of %d: %d+%d of %d", p.ID, p.From, p.Offset, len(p.Data), p.Total)
		}
	}
	for _, d := range t.Done {
		say("done %d: %d %s", d.ID, d.Code, d.Text)
	}
	if n := len(t.Fill); n > 0 {
		say("fill %d to %d", t.Fill[0].GetIndex(), t.Fill[n-1].GetIndex())
	}
	for _, e := range t.Events {
		l = append(l, e.Text)
	}
	return strings.TrimRight(strings.Join(l, "; "), " ")
}

func (f *fixture) want(t *testing.T, want string) {
	t.Helper()
	if got := f.got(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func (f *fixture) says(from, need, life, round uint64) {
	f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_ApplyNeeds{ApplyNeeds: &corepb.ApplyNeeds{From: need, Life: life, Round: round}}}, f.a)
}

func (f *fixture) asks(from, after uint64) {
	f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_HistoryRequest{HistoryRequest: &corepb.HistoryRequest{After: after}}}, f.a)
}

func (f *fixture) answers(from, after uint64, indexes ...uint64) {
	h := &corepb.History{After: after}
	for _, i := range indexes {
		h.Entries = append(h.Entries, &corepb.HistoryEntry{Index: i, Term: 1})
	}
	f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_History{History: h}}, f.a)
}

func (f *fixture) asksState(from, ticket, offset uint64) {
	f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_TableStateRequest{TableStateRequest: &corepb.TableStateRequest{Ticket: ticket, Offset: offset}}}, f.a)
}

func (f *fixture) givesState(from, ticket, offset, total uint64, size int) {
	f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_TableState{TableState: &corepb.TableState{
		Ticket: ticket, Offset: offset, Total: total, Data: make([]byte, size)}}}, f.a)
}

// The rule of what has to stay, by cases.
func TestFrom(t *testing.T) {
	others := []uint64{2, 3}
	for _, c := range []struct {
		name string
		own  Need
		said map[uint64]uint64
		want uint64
	}{
		{"nobody applies", Need{}, nil, 0},
		{"nobody applies, as all say", Need{}, map[uint64]uint64{2: 0, 3: 0}, 0},
		{"this node alone", Need{From: 10}, map[uint64]uint64{2: 0, 3: 0}, 10},
		{"the others need more", Need{From: 10}, map[uint64]uint64{2: 7, 3: 12}, 7},
		{"the others need less", Need{From: 10}, map[uint64]uint64{2: 11, 3: 12}, 10},
		{"only another", Need{}, map[uint64]uint64{2: 7, 3: 0}, 7},
		{"who has not told may need all", Need{From: 10}, map[uint64]uint64{2: 10}, FoundingIndex},
		{"but not where a state can be had", Need{From: 10, Importable: true}, map[uint64]uint64{2: 12}, 10},
		{"nor where nothing is applied", Need{}, map[uint64]uint64{2: 12}, 12},
		{"a former member's need counts no more", Need{From: 10}, map[uint64]uint64{2: 10, 3: 10, 4: 3}, 10},
	} {
		if got := From(c.own, others, c.said); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// Requests are read within bounds, a few at a time, and only for members.
func TestAnswers(t *testing.T) {
	f := newFixture()
	f.asks(2, 0)
	f.want(t, "read 1 for 2: 2 to 50")
	f.asks(3, 49)
	f.asks(3, 50) // not applied here yet: another member may have it
	f.asks(9, 1)
	f.want(t, "read 2 for 3: 50 to 50")
	f.Receive(3, &corepb.Envelope{Body: &corepb.Envelope_HistoryRequest{HistoryRequest: &corepb.HistoryRequest{After: 50, Stored: true}}}, f.a)
	f.want(t, "read 3 for 3: 51 to 50") // fill.go learns the first index
	f.a.Readable = 1 << 20
	f.asks(2, 10)
	f.want(t, "read 4 for 2: 11 to 1034")
	f.asks(2, 10)
	f.want(t, "")
	none := func(bool) (*corepb.History, bool) { return &corepb.History{}, true }
	f.HistoryRead(1, 7, func(stored bool) (*corepb.History, bool) {
		return &corepb.History{Entries: []*corepb.HistoryEntry{{Index: 2}}}, !stored
	})
	f.want(t, "answer 2 after 0: 1 entries, first 7")
	f.HistoryRead(1, 7, none)
	f.HistoryRead(2, 0, func(bool) (*corepb.History, bool) { return nil, false }) // it could not be read
	f.SetMembers([]uint64{1, 2})
	f.HistoryRead(3, 7, none)
	f.want(t, "")
	f.HistoryRead(4, 8, none)
	f.want(t, "answer 2 after 10: 0 entries, first 8")
	if len(f.Machine.answers.open) != 0 {
		t.Errorf("still open: %+v", f.Machine.answers.open)
	}
}

// Members are asked in turn; the first that has the entries ends it.
func TestFetch(t *testing.T) {
	f := newFixture()
	f.Fetch(1, 10, 12, f.a)
	f.Fetch(2, 20, 30, f.a)
	f.want(t, "ask 2 after 10")
	f.answers(3, 10, 11) // was not asked
	f.answers(2, 9, 10)  // not that
	f.want(t, "")
	f.answers(2, 10, 12) // does not follow
	f.want(t, "ask 3 after 10")
	f.answers(3, 10, 11, 12, 13)
	f.want(t, "ask 2 after 20; fetched 1: 2 entries, silent []; done 1: 0")
	f.pass(1).want(t, "")
	f.pass(1).want(t, "ask 3 after 20")
	f.answers(2, 20, 21) // too late
	f.answers(3, 20)
	f.want(t, "fetched 2: 0 entries, silent [2]; begins at 22; done 2: 0")
	f.Fetch(3, 10, 12, f.a)
	f.Fetch(4, 10, 12, f.a)
	f.Cancel(3, f.a)
	f.want(t, "ask 2 after 10; ask 2 after 10; done 3: 4 given up")
	f.answers(2, 10)
	f.answers(3, 10)
	f.want(t, "ask 3 after 10; fetched 4: 0 entries, silent []; begins at 12; done 4: 0")
	f.Fetch(5, 10, 30, f.a)
	f.gives(2, 10, 25) // its log begins there
	f.gives(3, 10, 15)
	f.want(t, "ask 2 after 10; ask 3 after 10; fetched 5: 0 entries, silent []; begins at 15; done 5: 0")
	for id := range uint64(maxFetches) {
		f.Fetch(10+id, 1, 2, f.a)
	}
	f.Take()
	f.Fetch(40, 1, 2, f.a)
	f.want(t, "done 40: 1 too many requests for entries of other members")
	if f.Cancel(99, f.a) {
		t.Error("what was never asked was cancelled")
	}
	f.Stop("gone")
	if got := len(f.Take().Done); got != maxFetches {
		t.Errorf("%d of %d requests end", got, maxFetches)
	}
	f.Fetch(41, 1, 2, f.a)
	f.FetchState(42, f.a)
	f.want(t, "done 41: 5 gone; done 42: 5 gone")
}

// A state comes part by part, from the first reachable member that has one; parts of
// different exports are never put together.
func TestFetchState(t *testing.T) {
	f := newFixture()
	f.SetMembers([]uint64{4, 1, 2, 3}) // 4 cannot be reached
	f.FetchState(1, f.a)
	f.want(t, "ask 2 state 0 at 0")
	f.givesState(2, 7, 0, 0, 0) // it has none
	f.want(t, "ask 3 state 0 at 0")
	f.givesState(3, 8, 0, 5, 3)
	f.want(t, "ask 3 state 8 at 3; part for 1 of 3: 0+3 of 5")
	f.givesState(3, 8, 0, 5, 3) // once more
	f.want(t, "")
	f.givesState(3, 8, 3, 5, 2)
	f.want(t, "part for 1 of 3: 3+2 of 5; done 1: 0")

	for name, part := range map[string]func(){
		"another export": func() { f.givesState(2, 9, 3, 5, 2) },
		"another size":   func() { f.givesState(2, 8, 3, 6, 3) },
		"too much":       func() { f.givesState(2, 8, 3, 5, 3) },
		"nothing":        func() { f.givesState(2, 8, 3, 5, 0) },
		"silence":        func() { f.pass(5) },
	} {
		f.FetchState(2, f.a)
		f.givesState(2, 8, 0, 5, 3)
		f.Take()
		part()
		if got := f.got(); got != "ask 3 state 0 at 0" {
			t.Errorf("%s: %q", name, got)
		}
		f.pass(4).want(t, "")
		f.pass(1).want(t, "ask 3 state 0 at 0") // it, or its answer, may be lost
		f.pass(54).Take()
		f.pass(1).want(t, "done 2: 2 no member can export its database's state")
	}
	f.FetchState(2, f.a)
	f.want(t, "ask 2 state 0 at 0")
	f.SetMembers([]uint64{1, 3}) // 2 is removed
	f.pass(1).want(t, "ask 3 state 0 at 0")
	f.Cancel(2, f.a)
	f.SetMembers([]uint64{4, 1, 2, 3})
	f.Take()
	f.FetchState(3, f.a)
	f.Take()
	f.givesState(2, 8, 0, MaxStateBytes+1, 3)
	f.want(t, "done 3: 3 the state of node 2 has 536870913 bytes, over 536870912")
	for id := range uint64(maxStates) {
		f.FetchState(10+id, f.a)
	}
	f.want(t, "ask 2 state 0 at 0")
	f.FetchState(20, f.a)
	f.want(t, "done 20: 1 too many requests for the state of another member's database")
	f.Cancel(10, f.a)
	f.want(t, "ask 2 state 0 at 0; done 10: 4 given up")
}

// One state is exported at a time, kept while parts are asked for, and then dropped.
func TestGiveState(t *testing.T) {
	f := newFixture()
	f.asksState(2, 0, 0)
	f.want(t, "export 101")
	f.asksState(3, 0, 0) // while that is under way
	f.Exported(100, 5, f.a)
	f.want(t, "")
	f.Exported(101, 2*MaxPartBytes+1, f.a)
	f.want(t, "send 2 part 0+1048576 of 2097153")
	f.asksState(2, 0, 0) // that was lost
	f.want(t, "send 2 part 0+1048576 of 2097153")
	f.asksState(2, 101, MaxPartBytes)
	f.want(t, "send 2 part 1048576+1048576 of 2097153")
	f.pass(29)
	f.asksState(2, 101, 2*MaxPartBytes)
	f.asksState(2, 101, 2*MaxPartBytes+1)
	f.asksState(2, 100, 0)
	f.want(t, "answer 2 state 101 at 2097153: total 0; answer 2 state 100 at 0: total 0; send 2 part 2097152+1 of 2097153")
	f.pass(29).want(t, "")
	f.pass(1).want(t, "drop 101")
	f.asksState(2, 101, 0)
	f.want(t, "answer 2 state 101 at 0: total 0")
	f.asksState(2, 0, 0)
	f.Exported(102, 5, f.a)
	f.asksState(3, 0, 0)
	f.want(t, "export 102; export 103; send 2 part 0+5 of 5")
	f.Exported(103, 0, f.a) // it came to nothing; the one before is of no use either
	f.want(t, "answer 3 state 103 at 0: total 0; drop 102")
	f.asksState(3, 0, 0)
	f.Take()
	f.Exported(104, MaxStateBytes+1, f.a)
	f.want(t, "answer 3 state 104 at 0: total 0; drop 104; node 3 asked for the state of this node's database: it has 536870913 bytes, over 536870912")
}

// Two lives of a node never use the same ticket, and none uses 0, which asks for a
// new export.
func TestTicketsOfTwoLives(t *testing.T) {
	var tickets []uint64
	for _, life := range []uint64{1 << 40, 1 << 41, ^uint64(0)} {
		m := New(1, life)
		m.SetMembers([]uint64{1, 2})
		m.Receive(2, &corepb.Envelope{Body: &corepb.Envelope_TableStateRequest{TableStateRequest: &corepb.TableStateRequest{}}}, Around{TickMillis: 1})
		tickets = append(tickets, m.Take().Output.Export...)
	}
	if len(tickets) != 3 || slices.Contains(tickets, 0) || tickets[0] == tickets[1] {
		t.Errorf("tickets %v", tickets)
	}
}

// A member that answers with a gap may be filled by one that drops its entries before
// it is asked: so who had a gap is asked once more, as long as one gap less is there.
func TestGapIsAskedAgain(t *testing.T) {
	fetch := func() *fixture {
		f := newFixture()
		f.SetMembers([]uint64{1, 2, 3, 4})
		f.Fetch(1, 9, 20, f.a)
		f.Take()
		return f
	}
	f := fetch()
	f.saysNothing(2, 9, 5)
	f.saysNothing(3, 9, 30)
	f.want(t, "ask 3 after 9; ask 4 after 9")
	f.saysNothing(4, 9, 5)
	f.want(t, "ask 2 after 9")
	f.saysNothing(2, 9, 40)
	f.want(t, "ask 4 after 9")
	f.saysNothing(4, 9, 5)
	f.want(t, "ask 4 after 9")
	f.answers(4, 9, 10)
	f.want(t, "fetched 1: 1 entries, silent []; done 1: 0")

	f = fetch()
	f.saysNothing(2, 9, 5)
	f.saysNothing(3, 9, 30)
	f.saysNothing(4, 9, 40)
	f.Take()
	f.saysNothing(2, 9, 5) // and nobody is left who could fill it
	f.want(t, "fetched 1: 0 entries, silent []; begins at 11; done 1: 0")
}

func (f *fixture) saysNothing(from, after, first uint64) {
	f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_History{History: &corepb.History{After: after, First: first}}}, f.a)
}
