package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// heardNeed is the newest that a node has heard, in this life, of what a member's
// database needs: the one that was said last, whenever it arrived.
type heardNeed struct {
	id   uint64        // Raft id
	from uint64        // 0 = nothing
	time uint32        // database.restores of the member when it said so
	life uint32        // the newest of the member
	at   time.Duration // when it was heard
	// another is when an earlier life was heard last, while what that said may count.
	another time.Duration
	// A message of an earlier life came when the newest had not been heard for so long
	// that it counts no more. Until the next one.
	fooled bool
}

// lifeCounts is how long what a life of a member said counts beside what another one
// says, by the fastest clock: two times retain.TellMillis.
const lifeCounts = 8 * time.Second

// lifeEnds is how long it counts at most, until the other one is heard, by the slowest.
const lifeEnds = 12 * time.Second

// hearsNeed notes a message about a need that is about to reach a core.
func (c *checks) hearsNeed(n *node, p *packet) {
	if n.database == nil || n.members.Get(p.from) == nil {
		return
	}
	h := heardNeed{id: p.from, from: p.info.need, time: p.info.restores, life: p.info.life, at: c.w.now}
	was := n.heardNeed(p.from)
	if was == nil {
		n.needs = append(n.needs, h)
		return
	}
	switch {
	case h.life > was.life:
		was.another = was.at
	case h.life < was.life:
		was.another = h.at
	case h.at-was.another > lifeEnds:
		was.another = 0
	}
	was.fooled = h.life < was.life && h.at-was.at > lifeCounts
	if h.life >= was.life {
		was.life, was.at = h.life, h.at
	}
	if h.time > was.time || h.time == was.time && h.from > was.from {
		was.from, was.time = h.from, h.time
	}
}

func (n *node) heardNeed(id uint64) *heardNeed {
	if i := slices.IndexFunc(n.needs, func(x heardNeed) bool { return x.id == id }); i >= 0 {
		return &n.needs[i]
	}
	return nil
}

// appliesItself says that the node's core knows that its database applies entries and
// cannot be filled from a state: then a silent member may need everything.
func (n *node) appliesItself() bool {
	d := n.database
	return d.toldAny && d.told.From != 0 && !d.told.Importable
}

// trueNeed is the first index that a database may still have to apply; 0 = none. What
// it has committed and not flushed it may have to apply again.
func (d *database) trueNeed() uint64 {
	if !d.applies {
		return 0
	}
	return d.flushed.index + 1
}

// trims: nothing leaves a node's store that its own database needs, nor what another
// member's does, if the node has heard of that since the database last went back, or
// has not heard of it in its life and applies entries itself. The needs are the true
// ones: a database that is filled from a state has none.
func (c *checks) trims(n *node, from, to uint64) {
	if n.foreign() || n.database == nil || n.state != running || n.core.Status().Role == core.RoleRemoved {
		return // the last: nobody can ask it
	}
	if !n.database.toldAny {
		c.w.fail(checkRetain, "%v drops entries %d to %d, and does not know yet what its own database needs", n, from, to-1)
		return
	}
	if need := n.database.trueNeed(); need != 0 && need < to && n.database.known().From <= need {
		c.w.fail(checkRetain, "%v drops entries %d to %d, and its own database needs those from %d on", n, from, to-1, need)
	}
	for _, m := range n.core.Members().List { // whom its core knows: it has heard of a removal first
		x := c.w.nodes[core.NodeID(m.GetRaftId())-1]
		if x == n || x.identity.RaftID != m.GetRaftId() || x.database.imports || x.foreign() {
			continue
		}
		need, heard := x.database.trueNeed(), n.heardNeed(m.GetRaftId())
		bound := heard == nil && n.appliesItself() || heard != nil && heard.time == x.database.restores && heard.from != 0 && !heard.fooled
		if need != 0 && need < to && bound {
			c.w.fail(checkRetain, "%v drops entries %d to %d, and the database of %v needs those from %d on", n, from, to-1, x, need)
		}
	}
}

// keptTooLong is how long a store may keep what nobody needs: the time in which
// members say what they need, and in which an earlier life of them counts, and some.
const keptTooLong = 20 * time.Second

// keeps: a store is over its limits only by what some member's database needs, as
// far as the node knows, and not for long otherwise. A member that says nothing needs
// everything; one that is removed needs nothing.
func (c *checks) keeps(n *node) {
	d := n.disk.dir
	if n.database == nil || n.foreign() || n.state != running || n.paused > 0 || !n.database.toldAny || d.retention == nil || n.disk.full > 0 {
		n.over = 0
		return
	}
	r := *d.retention
	r.from = n.database.told.From
	lower := func(from uint64) {
		if from != 0 && (r.from == 0 || from < r.from) {
			r.from = from
		}
	}
	silent := false // a member that has not said for long what it needs
	for _, m := range n.members.List {
		switch heard := n.heardNeed(m.GetRaftId()); {
		case m.GetRaftId() == n.identity.RaftID:
		case heard != nil && heard.another > 0:
			n.over = 0 // its earlier life may have needed more
			return
		case heard != nil:
			silent = silent || heard.from != 0 && c.w.now-heard.at > lifeEnds
			lower(heard.from)
		case n.appliesItself():
			lower(core.FoundingIndex)
		}
	}
	switch much := d.excess(r); {
	case much == 0:
		n.over = 0
		if r.from = 0; d.excess(r) > 0 {
			c.w.marks.add(markRetained)
			if silent {
				c.w.marks.add(markRetainedForSilent)
			}
		}
	case n.over == 0:
		n.over = c.w.now
	case c.w.now-n.over > keptTooLong:
		c.w.fail(checkRetain, "%v keeps %d entries from %d on that are over its limits and that nobody has needed for %v", n, much, d.first, keptTooLong)
	}
}

// needsAreHeard: once the faults are over, each member knows what the others' databases
// need, as it was some seconds ago: it keeps no more for them.
func (c *checks) needsAreHeard() {
	for _, n := range c.w.nodes {
		if !c.takesPart(n) {
			continue
		}
		for _, x := range c.w.nodes {
			if x == n || !c.takesPart(x) {
				continue
			}
			switch heard := n.heardNeed(x.identity.RaftID); {
			case heard == nil:
				c.w.fail(checkLiveness, "%v has not heard what the database of %v needs", n, x)
			case heard.from != 0 && heard.from < x.database.needed:
				c.w.fail(checkLiveness, "%v has heard that the database of %v needs entries from %d on, and those before %d it has had for %v",
					n, x, heard.from, x.database.needed, c.w.now-c.w.lastOps())
			}
		}
	}
}

// takesPart says that n is a member that is to stay one, and runs.
func (c *checks) takesPart(n *node) bool {
	return n.database != nil && c.w.operator.want[n.id-1] && n.state == running && !n.foreign()
}

// saysMissing: that entries are in no log is said only if no member of those that
// the node knows has them. In an older copy there can be entries that its member had
// dropped: what it said of them before that was true, and may arrive after it.
func (c *checks) saysMissing(n *node, g core.Gap) {
	if n.foreign() {
		return
	}
	for _, m := range n.members.List {
		x := c.w.nodes[core.NodeID(m.GetRaftId())-1]
		d := x.disk.dir
		if x == n || d.identity.RaftID != m.GetRaftId() || d.had != 0 || m.GetRole() == corepb.Role_LEAVING || n.seen.before.Get(m.GetRaftId()) == nil {
			continue // the last: a later input of the batch added it
		}
		for i := max(g.From, d.first); i <= min(g.To, d.commit()); i++ {
			if d.entry(i) != nil {
				c.w.fail(checkRetain, "%v says that entries %d to %d are in no log, and %v has entry %d", n, g.From, g.To, x, i)
				return
			}
		}
	}
}
