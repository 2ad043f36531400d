package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
)

// exportTime is how long an import may take once the faults are over: the request is
// sent again after 5 s, and another member is asked if that one does not answer.
const exportTime = 15 * time.Second

// contentAt is what a database holds that has applied the cluster's log up to an
// index; false if no node has applied that much.
func (c *checks) contentAt(index uint64) (h digest, ok bool) {
	if index > core.FoundingIndex && index >= uint64(len(c.committed)) {
		return 0, false // a node was the first to know that it is committed, and died
	}
	if len(c.contents) == 0 {
		c.contents = append(c.contents, 0)
	}
	for k := len(c.contents); k <= len(c.order); k++ {
		h := c.contents[k-1]
		h.word(uint64(c.order[k-1].hash))
		c.contents = append(c.contents, h)
	}
	return c.contents[c.positionAfter(index)], true
}

// databaseApplied: a database applies each entry once, in the order of the log, and
// leaves none out; and so two of them that have come as far hold the same.
func (c *checks) databaseApplied(n *node, before, after content) {
	if n.foreign() {
		return
	}
	if after.index != before.index+1 {
		c.w.fail(checkDatabase, "the database of %v applies entry %d after %d", n, after.index, before.index)
	}
	c.databaseHolds(n, after)
}

// databaseImported: what a database is filled from is further than it, and is what
// others hold.
func (c *checks) databaseImported(n *node, before, after content) {
	if n.foreign() {
		return
	}
	if after.index <= before.index {
		c.w.fail(checkDatabase, "the database of %v goes back from entry %d to %d by an import", n, before.index, after.index)
	}
	c.databaseHolds(n, after)
}

func (c *checks) databaseHolds(n *node, at content) {
	if want, ok := c.contentAt(at.index); ok && want != at.hash {
		c.w.fail(checkDatabase, "the database of %v holds something else than the log up to entry %d", n, at.index)
	}
}

// databasesInTheEnd: once the faults are over, each database comes to the end of the
// log.
func (c *checks) databasesInTheEnd() {
	for _, n := range c.w.nodes {
		d := n.database
		switch {
		case d == nil || !d.applies || !c.w.operator.want[n.id-1] || n.foreign() || n.state != running:
		case d.stuck != "" && n.w.now < d.stuckAt+carePatience+2*operatorPeriod:
			// Somebody is about to look.
		case d.stuck != "":
			c.w.fail(checkLiveness, "the database of %v is at entry %d, and cannot go on: %s", n, d.now.index, d.stuck)
		case d.asksState && n.w.now < d.stateAsked+exportTime:
			// A member that is asked for its state may take so long to export it.
		case d.now.index < n.readable && d.now.index < c.endOfClients():
			c.w.fail(checkLiveness, "the database of %v has applied the log up to entry %d, and it can be read up to %d", n, d.now.index, n.readable)
		}
	}
}

// endOfClients is the last entry that a client's operation is in: a database comes
// that far in the time that is left.
func (c *checks) endOfClients() uint64 {
	if len(c.order) == 0 {
		return 0
	}
	return c.order[len(c.order)-1].index
}
