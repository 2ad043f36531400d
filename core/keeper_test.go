package core_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
)

// The node as core.Keeper: a host with a log store and, if it says Needs, with a
// database. What it answers is taken with the next steps.

type keeper struct {
	retained *uint64 // as ordered; nil: all is kept
	export   string  // the state of its database; "": there is none
	exported map[uint64][]byte
	state    []byte // of another member's database, as far as it came
	todo     []core.Input
	ordered  int // orders so far
}

func (n *node) Retain(from uint64) {
	n.keeper.retained, n.keeper.ordered = &from, n.keeper.ordered+1
	n.c.printf("%d: retains from %d\n", n.key, from)
}

func (n *node) ReadHistory(r retain.Read) {
	in := core.HistoryRead{Ticket: r.Ticket, First: n.view.first()}
	bytes := uint64(0)
	for _, e := range n.view.all() {
		if after := r.After + uint64(len(in.Entries)) + 1; e.Index == after && after <= r.Last && bytes < r.MaxBytes {
			in.Entries, bytes = append(in.Entries, e), bytes+uint64(len(e.Data))
		}
	}
	n.order(in)
}

func (n *node) Export(ticket uint64) {
	n.keeper.exported[ticket] = []byte(n.keeper.export)
	n.order(core.Exported{Ticket: ticket, Size: uint64(len(n.keeper.export))})
}

func (n *node) DropState(ticket uint64) {
	if n.keeper.exported[ticket] == nil {
		panic(fmt.Sprintf("%d is to drop a state that it has not exported", n.key))
	}
	delete(n.keeper.exported, ticket)
	n.c.printf("%d: drops its exported state\n", n.key)
}

func (n *node) SendPart(p retain.SendPart) {
	n.Send(core.PartMessage(n.id.RaftID, p, n.keeper.exported[p.Ticket][p.Offset:p.Offset+p.Size]))
}

func (n *node) Fetched(f retain.Fetched) {
	text := ""
	for _, e := range f.Entries {
		// What another member gives is what was applied there.
		if was, ok := n.c.history.applied[e.Index]; !n.c.history.recovered && (ok != !e.Own || ok && (was.Term != e.Term || string(was.Data) != string(e.Data))) {
			n.c.fail("node %d fetched %d/%d %q, applied was %d/%d %q", n.key, e.Index, e.Term, e.Data, was.Index, was.Term, was.Data)
		}
		if text += fmt.Sprintf(" %d/%d", e.Index, e.Term); !e.Own {
			text += "=" + string(e.Data)
		}
	}
	for _, id := range f.Silent {
		text += fmt.Sprintf(" node %d is silent", core.NodeID(id))
	}
	if f.First != 0 {
		text += fmt.Sprintf(" a log begins at %d", f.First)
	}
	n.c.printf("%d: fetched %d:%s\n", n.key, f.ID, text)
}

func (n *node) StatePart(p retain.StatePart) {
	if p.Offset == 0 {
		n.keeper.state = nil
	}
	if n.keeper.state = append(n.keeper.state, p.Data...); uint64(len(n.keeper.state)) == p.Total {
		n.c.printf("%d: state of node %d: %d bytes\n", n.key, core.NodeID(p.From), p.Total)
	}
}

// order has an answer taken with the next step.
func (n *node) order(in core.Input) { n.keeper.todo = append(n.keeper.todo, in) }

// all is the log as a store holds it: what is before the newest snapshot too.
func (d *image) all() []core.Entry { return append(slices.Clone(d.before), d.log...) }

// first is the first index that the store holds, or lacks in a gap.
func (d *image) first() uint64 { return max(d.begin, core.FoundingIndex+1) }

// gaps are what the store lacks behind its first index.
func (d *image) gaps() (gaps []core.Gap) {
	if d.Snapshot == nil {
		return nil
	}
	next := d.first()
	for _, e := range append(slices.Clone(d.before), core.Entry{Index: d.Snapshot.Index + 1}) {
		if e.Index > next {
			gaps = append(gaps, core.Gap{From: next, To: e.Index - 1})
		}
		next = e.Index + 1
	}
	return gaps
}

// install puts the leader's snapshot in the place of all that b does not keep.
func (d *image) install(b core.Persist) {
	d.before = slices.DeleteFunc(d.all(), func(e core.Entry) bool { return e.Index > b.Keep })
	if d.Snapshot, d.log = b.Snapshot, nil; b.Keep == 0 {
		d.begin = b.Snapshot.Index + 1
	}
}

// fill puts history into the gap that it begins. What is before the first index is
// left out.
func (d *image) fill(es []core.Entry) {
	for i, e := range es {
		if e.Index < d.first() {
			continue
		}
		if i == 0 && !slices.ContainsFunc(d.gaps(), func(g core.Gap) bool { return g.From == e.Index && es[len(es)-1].Index <= g.To }) {
			panic(fmt.Sprintf("history from %d to %d fills none of the gaps %v", e.Index, es[len(es)-1].Index, d.gaps()))
		}
		at, _ := slices.BinarySearchFunc(d.before, e, func(a, b core.Entry) int { return cmp.Compare(a.Index, b.Index) })
		d.before = slices.Insert(d.before, at, e)
	}
}

// trim drops what is before index, as retention does. What is retained stays.
func (n *node) trim(index uint64) {
	if r := n.keeper.retained; r == nil {
		return
	} else if *r != 0 {
		index = min(index, *r)
	}
	for _, d := range []*image{&n.view, &n.disk} {
		if d.Snapshot == nil {
			continue // nothing is synced yet
		}
		d.begin = max(d.first(), min(index, d.Snapshot.Index+1))
		d.before = slices.DeleteFunc(slices.Clone(d.before), func(e core.Entry) bool { return e.Index < d.begin })
	}
}
