package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
)

// The node as core.Keeper: what package retain decides is carried out, and what it
// asks for is answered late.

const (
	// readLatency is how long a store takes at most to read a part of its log.
	readLatency = 5 * time.Millisecond
	// exportLatency is how long an export takes at most, lateExport the slow ones.
	exportLatency = 200 * time.Millisecond
	lateExport    = 5 * time.Second
)

// ordered hashes an order and says whether the process lives to carry it out.
func (n *node) ordered(what string, numbers ...uint64) bool {
	if !n.alive() {
		return false
	}
	if n.database == nil {
		panic("sim: " + what + " is ordered of a server without a database")
	}
	n.w.hash.text(what)
	n.w.hash.words(numbers...)
	return true
}

// later carries out f in this life of the process, once it takes its inputs.
func (n *node) later(within time.Duration, f func()) {
	n.w.arrange(event{at: n.w.now + n.database.draws.Between(0, within), kind: evCall, node: n, life: n.life, ref: func() {
		if n.state == running {
			f()
		}
	}})
}

func (n *node) Retain(from uint64) {
	if n.ordered("retain", from) {
		d := n.disk.dir
		first := d.first
		d.retention.from = from
		if d.trim(); d.first > first {
			n.w.checks.trims(n, first, d.first)
		}
	}
}

// ReadHistory reads what is committed, and says once in a while, until the faults are over, that it could not.
func (n *node) ReadHistory(r retain.Read) {
	if !n.ordered("read", r.Ticket, r.For, r.After, r.Last, r.MaxBytes) {
		return
	}
	n.later(readLatency, func() {
		if n.database.draws.Below(64) == 0 && !n.w.settled {
			n.w.marks.add(markReadFailed)
			n.input(core.HistoryRead{Ticket: r.Ticket, Failed: true})
			return
		}
		n.input(core.HistoryRead{Ticket: r.Ticket, First: n.disk.dir.first, Entries: n.stored(r)})
	})
}

// stored is what the log holds of the entries that r asks for, without gap.
func (n *node) stored(r retain.Read) (es []core.Entry) {
	bytes := uint64(0)
	for i := r.After + 1; i <= r.Last && bytes < r.MaxBytes; i++ {
		e := n.disk.dir.entry(i)
		if e == nil {
			break
		}
		es = append(es, *e)
		bytes += uint64(len(e.Data))
	}
	return es
}

func (n *node) Export(ticket uint64) {
	if !n.ordered("export", ticket) {
		return
	}
	d, within := n.database, exportLatency
	if d.lateExport > 0 {
		within = lateExport
	}
	n.later(within, func() {
		if !d.applies || !d.exports || d.noExport > 0 || d.now.index <= core.FoundingIndex {
			n.w.marks.add(markExportFailed)
			n.input(core.Exported{Ticket: ticket})
			return
		}
		state := encodeState(d.now, n.w.databases.state)
		d.states[ticket] = state
		n.w.marks.add(markStateExported)
		n.input(core.Exported{Ticket: ticket, Size: uint64(len(state))})
	})
}

func (n *node) DropState(ticket uint64) {
	if n.ordered("drop", ticket) {
		delete(n.database.states, ticket)
	}
}

// SendPart sends a part, now or a little later; one in four is sent twice.
func (n *node) SendPart(p retain.SendPart) {
	if !n.ordered("part", p.To, p.Ticket, p.Offset, p.Size, p.Total) {
		return
	}
	d, id := n.database, n.identity.RaftID
	for range 1 + d.draws.Below(4)/3 {
		n.later(readLatency, func() {
			state := d.states[p.Ticket]
			if p.Offset+p.Size > uint64(len(state)) || p.Total != uint64(len(state)) {
				if state != nil {
					n.w.fail(checkRetain, "%v is to send bytes %d to %d of a state of %d", n, p.Offset, p.Offset+p.Size, len(state))
				}
				return // it was dropped meanwhile
			}
			n.send(core.PartMessage(id, p, state[p.Offset:p.Offset+p.Size]))
		})
	}
}

func (n *node) Fetched(f retain.Fetched) {
	if !n.ordered("fetched", f.ID, uint64(len(f.Entries)), uint64(len(f.Silent))) {
		return
	}
	for i := range f.Entries {
		n.w.hash.words(f.Entries[i].Index, f.Entries[i].Term)
		n.w.hash.bytes(f.Entries[i].Data)
	}
	n.database.fetched(f)
}

func (n *node) StatePart(p retain.StatePart) {
	if n.ordered("state", p.ID, p.From, p.Offset, p.Total) {
		n.w.hash.bytes(p.Data)
		n.database.statePart(p)
	}
}
