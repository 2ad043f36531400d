package core

import (
	"cmp"
	"slices"

	"github.com/pgraft/pgraft/core/failover"
)

// A node that takes no part in failover is a member as any other: it votes, applies the
// entries of package failover, takes them of others, and may come to lead. But it decides
// nothing, and while it leads no epoch begins and the primary has no lease. So as long as
// failover is not off, it hands leadership to a member that takes part.

// partaker is a member that takes part in failover, as such a node knows: each tells all
// others of its server.
type partaker struct {
	id uint64
	at uint64 // tick at which it told last
}

// tells notes that a member has told.
func (f *failing) tells(from, now uint64) {
	i, ok := slices.BinarySearchFunc(f.partakers, from, func(p partaker, id uint64) int { return cmp.Compare(p.id, id) })
	if !ok {
		f.partakers = slices.Insert(f.partakers, i, partaker{id: from})
	}
	f.partakers[i].at = now
}

// takesPart says that a member has told within an election timeout.
func (c *Core) takesPart(id uint64) bool {
	for _, p := range c.failing.partakers {
		if p.id == id {
			return c.now-p.at < uint64(c.cfg.ElectionTicks)
		}
	}
	return false
}

// leadsApart hands leadership on, where this node is not to lead: to the primary, or else to
// whom a transfer would choose. It is asked with each heartbeat interval.
func (c *Core) leadsApart() {
	if c.members.Version < FailoverVersion || !c.failoverLeads() || c.machine.failover.Mode == failover.ModeOff ||
		c.transfer.target != 0 || c.transfer.wish.open {
		return
	}
	to := c.machine.failover.Epoch.Primary
	if !c.takesPart(to) {
		to = c.successor(c.takesPart)
	}
	if to != 0 {
		c.giveLeadership(to)
	}
}
