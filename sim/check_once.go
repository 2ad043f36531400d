package sim

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core"
)

// once: a log holds a request id once, in what is not committed too, so that it
// can be read as it stands. Each log is one that a leader wrote: a new leader has
// to look for request ids in what it found. It is called before the entry's own
// place is known to be in n's log.
func (c *checks) once(n *node, e *core.Entry) {
	data, user, err := core.UserData(*e)
	o := c.w.opOf(data)
	if err != nil || !user || o == nil {
		return // whoever applies it finds that nobody proposed it
	}
	here, known := slotKey{e.Index, e.Term}, false
	for _, p := range o.places {
		if p == here {
			known = true
		} else if p.index < e.Index && c.inLog(n, p) {
			c.w.fail(checkRequest, "%v has request %x in its log twice: at %d of term %d and at %d of term %d",
				n, o.requestID, p.index, p.term, e.Index, e.Term)
		}
	}
	if known {
		return
	}
	o.places = append(o.places, here)
	if id := requestID(e.Data); string(id) != string(o.requestID[:]) {
		c.w.fail(checkRequest, "%v has entry %d under request %x, and its client chose %x", n, e.Index, id, o.requestID)
	}
}

// inLog says whether n's log, with what is before it, has that entry.
func (c *checks) inLog(n *node, p slotKey) bool {
	seen := &n.seen
	if p.index <= seen.base { // it begins with what is committed
		return p.index < uint64(len(c.committed)) && c.committed[p.index].term == p.term
	}
	return seen.has(p.index) && seen.at(p.index).term == p.term
}

// requestID is what a command in an entry is known by.
func requestID(data []byte) (id []byte) {
	scan(data, func(num protowire.Number, _ uint64, b []byte) {
		if num == 1 {
			id = b
		}
	})
	return id
}
