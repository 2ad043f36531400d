package core_test

import (
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
		if was, ok := n.c.history.applied[e.Index]; ok != !e.Own || ok && (was.Term != e.Term || string(was.Data) != string(e.Data)) {
			n.c.fail("node %d fetched %d/%d %q, applied was %d/%d %q", n.key, e.Index, e.Term, e.Data, was.Index, was.Term, was.Data)
		}
		if text += fmt.Sprintf(" %d/%d", e.Index, e.Term); !e.Own {
			text += "=" + string(e.Data)
		}
	}
	for _, id := range f.Silent {
		text += fmt.Sprintf(" node %d is silent", core.NodeID(id))
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

// first is the first index that the store holds.
func (d *image) first() uint64 {
	if len(d.before) > 0 {
		return d.before[0].Index
	}
	return d.Snapshot.Index + 1
}

// trim drops what is before index, as retention does. What is retained stays.
func (n *node) trim(index uint64) {
	if r := n.keeper.retained; r == nil {
		return
	} else if *r != 0 {
		index = min(index, *r)
	}
	for _, d := range []*image{&n.view, &n.disk} {
		d.before = slices.DeleteFunc(slices.Clone(d.before), func(e core.Entry) bool { return e.Index < index })
	}
}
