package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
)

// What a database gets from other members: entries that its node's store does not
// hold, or else the whole state of another database.

// fetchPause is how long an apply worker waits before it tries again.
const fetchPause = time.Second

// maxNoStates is how often it tries to import a state before it calls for help; once
// nobody comes back any more, one try is enough.
const maxNoStates = 3

// fetch asks for the entries from i on that the store does not hold.
func (d *database) fetch(i uint64) {
	n, dir := d.node, d.node.disk.dir
	last := i
	for last < n.readable && last+1 < dir.last() && dir.entry(last+1) == nil {
		last++
	}
	d.ask()
	d.wants = core.Gap{From: i, To: last}
	n.w.marks.add(markHistoryAsked)
	n.input(core.FetchHistory{ID: d.asked, After: i - 1, Last: last})
}

// ask begins a question to the core.
func (d *database) ask() {
	d.node.w.nextID++
	d.asked = d.node.w.nextID
	d.open = append(d.open, d.asked)
}

// answered ends one. It says whether the worker still waits for the answer; that a
// question was never open is a violation.
func (d *database) answered(id uint64) bool {
	i := slices.Index(d.open, id)
	if i < 0 {
		d.node.w.fail(checkRetain, "%v answers question %d of its database, which is not open", d.node, id)
		return false
	}
	d.open = slices.Delete(d.open, i, i+1)
	if d.asked != id {
		return false
	}
	d.asked, d.asksState = 0, false
	return true
}

// fetched takes the answer.
func (d *database) fetched(f retain.Fetched) {
	n := d.node
	if !d.answered(f.ID) {
		return
	}
	switch {
	case len(f.Entries) > 0:
		n.w.marks.add(markHistoryApplied)
		n.w.say(n, "its database gets %d entries from another log, from %d on", len(f.Entries), f.Entries[0].Index)
		for _, e := range f.Entries {
			d.apply(e)
		}
	case len(f.Silent) > 0:
		n.w.marks.add(markHistorySilent)
		d.waits = n.w.now + fetchPause
	default:
		if f.First != 0 { // what is before it is said to be gone
			d.wants.To = f.First - 1
		} else {
			d.wants.To = d.wants.From
		}
		n.w.checks.saysMissing(n, d.wants)
		n.w.say(n, "no log has entries %d to %d, which its database needs", d.wants.From, d.wants.To)
		d.fetchState()
	}
}

// fetchState asks for another database's state, if this one can be filled from it.
func (d *database) fetchState() {
	n := d.node
	if !d.imports {
		d.isStuck(fmt.Sprintf("entries %d to %d are no longer in the log of any node", d.wants.From, d.wants.To))
		return
	}
	d.ask()
	d.part, d.asksState, d.stateAsked = nil, true, n.w.now
	id := d.asked
	n.later(0, func() { n.input(core.FetchState{ID: id}) })
}

// statePart takes a part of it.
func (d *database) statePart(p retain.StatePart) {
	n := d.node
	switch {
	case !slices.Contains(d.open, p.ID):
		n.w.fail(checkRetain, "%v hands out a part of a state for question %d, which is not open", n, p.ID)
		return
	case p.ID != d.asked:
		return
	}
	if p.Offset == 0 && len(d.part) > 0 {
		n.w.marks.add(markStateBegunAnew)
	}
	if p.Offset == 0 {
		d.part = d.part[:0]
	}
	if p.Offset != uint64(len(d.part)) || p.Offset+uint64(len(p.Data)) > p.Total || len(p.Data) == 0 {
		n.w.fail(checkRetain, "%v hands out %d bytes of a state of %d at %d, after %d", n, len(p.Data), p.Total, p.Offset, len(d.part))
		return
	}
	d.part = append(d.part, p.Data...)
}

// replied is the end of a question; false if it is not this database's.
func (d *database) replied(r core.Reply) bool {
	if !slices.Contains(d.open, r.ID) {
		return false
	}
	n := d.node
	switch {
	case !d.answered(r.ID):
		return true
	case r.Code != core.OK:
		n.w.marks.add(markNoState)
		d.noState("no node that can be reached exports its state")
	default:
		d.fill()
	}
	return true
}

// noState is an import that came to nothing: the worker tries again, and calls for help
// in the end.
func (d *database) noState(why string) {
	d.waits = d.node.w.now + fetchPause
	if d.noStates++; d.noStates >= maxNoStates || d.node.w.nobodyComesBack() {
		d.noStates = 0
		d.isStuck(fmt.Sprintf("entries %d to %d are no longer in the log of any node, and %s", d.wants.From, d.wants.To, why))
	}
}

// fill is the import, one transaction. A state that is not further than the
// database is of no use.
func (d *database) fill() {
	n := d.node
	c, ok := decodeState(d.part)
	d.part = nil
	switch {
	case !ok:
		n.w.fail(checkRetain, "%v is given a state that no database exported", n)
	case c.cluster != n.identity.ClusterUUID || c.index <= d.now.index:
		n.w.marks.add(markStateStale)
		d.noState("the database that exports its state is no further")
	default:
		d.noStates = 0
		before := d.now
		d.now = c
		n.w.marks.add(markStateImported)
		n.w.say(n, "its database is filled from another one's, as of entry %d", c.index)
		n.w.checks.databaseImported(n, before, c)
	}
}

// stateHeader is what a state begins with: cluster, index, hash and size.
const stateHeader = 16 + 8 + 8 + 8

// encodeState is an exported state: what follows the header is drawn from it, so
// that no two states have parts in common.
func encodeState(c content, size int) []byte {
	b := append(make([]byte, 0, stateHeader+size+8), c.cluster[:]...)
	b = binary.LittleEndian.AppendUint64(b, c.index)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.hash))
	b = binary.LittleEndian.AppendUint64(b, uint64(size))
	s := For(uint64(c.hash), "state", c.index)
	for len(b) < stateHeader+size {
		b = binary.LittleEndian.AppendUint64(b, s.Uint64())
	}
	return b
}

func decodeState(b []byte) (c content, ok bool) {
	if len(b) < stateHeader {
		return c, false
	}
	copy(c.cluster[:], b)
	c.index, c.hash = binary.LittleEndian.Uint64(b[16:]), digest(binary.LittleEndian.Uint64(b[24:]))
	size := binary.LittleEndian.Uint64(b[32:])
	return c, uint64(len(b)) >= stateHeader+size && string(encodeState(c, int(size))) == string(b)
}
