package retain

import (
	"testing"

	"github.com/pgraft/pgraft/core/corepb"
)

// gives is an answer of stored entries of the given terms after an index; first is
// where the sender's log begins.
func (f *fixture) gives(from, after, first uint64, terms ...uint64) {
	h := &corepb.History{After: after, First: first}
	for i, t := range terms {
		h.Stored = append(h.Stored, &corepb.LogEntry{Index: after + 1 + uint64(i), Term: t})
	}
	f.Receive(from, &corepb.Envelope{Body: &corepb.Envelope_History{History: h}}, f.a)
}

// missing is a fixture whose log lacks 11 to 20, with terms from 2 to 4, and that
// has asked node 2 for it.
func missing(t *testing.T) *fixture {
	f := newFixture()
	f.SetNeed(Need{}, f.a)
	f.Take()
	f.Installed(10, Gap{From: 11, To: 20, Low: 2, High: 4}, f.a)
	f.want(t, "ask 2 after 10; entries 11 to 20 are fetched from other members: the leader sent a snapshot in their place")
	return f
}

// A gap is filled chunk by chunk, each after the one before is in the store, from the
// member that gave the last one.
func TestFill(t *testing.T) {
	f := missing(t)
	f.gives(3, 10, 2, 2) // was not asked
	f.want(t, "")
	f.gives(2, 10, 30) // its log begins later
	f.want(t, "ask 3 after 10")
	f.gives(3, 10, 2, 2, 2, 3)
	f.want(t, "fill 11 to 13")
	f.pass(60)
	if f.Take(); f.filling.asked != 0 {
		t.Error("the next chunk is asked for before this one is stored")
	}
	f.Filled(12, f.a) // not that
	f.want(t, "")
	f.Filled(13, f.a)
	f.want(t, "ask 3 after 13")
	f.gives(3, 13, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4) // more than is missing
	f.want(t, "fill 14 to 20")
	f.Filled(20, f.a)
	f.want(t, "this node's log has no gap any more")
	f.pass(1).want(t, "")
}

// Entries that cannot be the history of this log are not stored.
func TestFillRefuses(t *testing.T) {
	for name, give := range map[string]func(*fixture){
		"an earlier term than before the gap": func(f *fixture) { f.gives(2, 10, 2, 1) },
		"a later term than after the gap":     func(f *fixture) { f.gives(2, 10, 2, 2, 5) },
		"terms that decrease":                 func(f *fixture) { f.gives(2, 10, 2, 4, 3) },
	} {
		f := missing(t)
		give(f)
		if f.Take(); f.filling.asked != 3 || f.filling.writing != 0 {
			t.Errorf("%s: %+v", name, f.filling)
		}
	}
	f := missing(t)
	f.Receive(2, &corepb.Envelope{Body: &corepb.Envelope_History{History: &corepb.History{After: 10, First: 2,
		Stored: []*corepb.LogEntry{{Index: 11, Term: 2}, {Index: 13, Term: 2}}}}}, f.a)
	f.want(t, "fill 11 to 11") // up to the hole
}

// Who does not answer, does not know stored entries or has a gap there may have them
// later; what all say is gone is not asked for again.
func TestFillRounds(t *testing.T) {
	for name, give := range map[string]func(*fixture){
		"silence":        func(f *fixture) { f.pass(2) },
		"an old build":   func(f *fixture) { f.answers(2, 10, 11, 12) },
		"a gap there":    func(f *fixture) { f.gives(2, 10, 2) },
		"a wrong answer": func(f *fixture) { f.gives(2, 10, 2, 9) },
	} {
		f := missing(t)
		give(f)
		f.gives(3, 10, 15)
		f.Take()
		if f.Gone() != 0 {
			t.Errorf("%s: gone up to %d", name, f.Gone())
		}
		f.pass(4)
		f.Take()
		if f.filling.asked != 0 {
			t.Errorf("%s: asked again too soon", name)
		}
		if f.pass(1); f.filling.asked != 2 {
			t.Errorf("%s: not asked again", name)
		}
	}
	f := missing(t)
	f.gives(2, 10, 25)
	f.gives(3, 10, 15)
	f.want(t, "ask 3 after 10; entries 11 to 14 are in no member's log any more: this node's log keeps its gap of entries 11 to 20")
	if f.Gone() != 14 {
		t.Errorf("gone up to %d", f.Gone())
	}
	f.pass(4).want(t, "")
	f.Installed(20, Gap{From: 21, To: 30, Low: 4, High: 5}, f.a) // one gap with it
	f.want(t, "entries 21 to 30 are fetched from other members: the leader sent a snapshot in their place")
	f.SetMembers([]uint64{1, 2, 3, 5})
	f.pass(1)
	f.want(t, "tell 2 0; tell 3 0; tell 5 0; ask 2 after 10")
	f.Trimmed(15)
	f.gives(2, 10, 2, 2) // retention has passed it
	f.want(t, "ask 2 after 14")
	f.Trimmed(31)
	f.gives(2, 14, 2, 2)
	f.want(t, "")
	alone := New(1, 1)
	alone.SetMembers([]uint64{1})
	alone.SetGaps([]Gap{{From: 3, To: 5, High: 2}})
	alone.SetNeed(Need{}, f.a)
	if alone.Gone() != 5 {
		t.Errorf("nobody else is there, and %d is gone", alone.Gone())
	}
}

// A gap that nobody can fill just now keeps no later one waiting.
func TestFillGoesOn(t *testing.T) {
	f := missing(t)
	f.Installed(30, Gap{From: 31, To: 40, Low: 4, High: 5}, f.a)
	f.Take()
	f.gives(2, 10, 2) // it has a gap there too
	f.gives(3, 10, 25)
	f.want(t, "ask 3 after 10; ask 2 after 30")
	f.gives(2, 30, 2, 4, 4)
	f.want(t, "fill 31 to 32")
	f.Filled(32, f.a)
	f.want(t, "ask 2 after 32")
	f.gives(2, 32, 2, 4, 4, 4, 4, 4, 4, 4, 4)
	f.Filled(40, f.a)
	f.Take()
	f.pass(4)
	if f.Take(); f.filling.asked != 0 {
		t.Error("the first gap is asked for too soon")
	}
	if f.pass(1); f.filling.asked != 2 || f.filling.after != 10 {
		t.Errorf("the first gap is not asked for again: %+v", f.filling)
	}
}

// A reader's question goes first, and a full disk takes no history.
func TestFillWaits(t *testing.T) {
	f := missing(t)
	f.Fetch(1, 40, 45, f.a)
	f.want(t, "")
	f.gives(2, 10, 2, 2)
	f.want(t, "ask 2 after 40; fill 11 to 11")
	f.Filled(11, f.a)
	f.want(t, "")
	f.answers(2, 40, 41)
	f.want(t, "ask 2 after 11; fetched 1: 1 entries, silent []; done 1: 0")
	f.a.Full = true
	f.gives(2, 11, 2, 2)
	f.pass(1).want(t, "")
	f.a.Full = false
	f.pass(1).want(t, "ask 3 after 11")
}

// A snapshot that keeps nothing ends it: the chunk on its way is of the past.
func TestFillOfADroppedLog(t *testing.T) {
	f := missing(t)
	f.gives(2, 10, 2, 2)
	f.Installed(0, Gap{From: 1, To: 40}, f.a)
	f.Take()
	f.Filled(11, f.a)
	f.pass(1).want(t, "")
}
