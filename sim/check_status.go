package sim

import (
	"github.com/pgraft/pgraft/core"
)

// statusTicks is how often what a node says of the members is looked at.
const statusTicks = 16

// statuses: what a node says of the members is so. A leader counts on an entry only
// where it is durable; nobody's silence is longer or shorter than it was.
func (c *checks) statuses(n *node) {
	if n.foreign() || n.knows() < c.raise.asked { // that build drops messages with entries, unheard
		return
	}
	list, members := n.core.MemberStatuses(), n.core.Members().List
	if len(list) != len(members) {
		c.w.fail(checkStatus, "%v tells of %d members, and has %d", n, len(list), len(members))
		return
	}
	for i := range list {
		s, id := &list[i], members[i].GetRaftId()
		switch {
		case s.Member != members[i]:
			c.w.fail(checkStatus, "%v tells of node %d in place of node %d", n, core.NodeID(s.Member.GetRaftId()), core.NodeID(id))
		case s.Match >= uint64(len(c.first)):
			c.w.fail(checkStatus, "%v says that node %d has entry %d, which nobody has", n, core.NodeID(id), s.Match)
		case id == n.identity.RaftID:
			if s.Match != n.status.Last || !s.Heard {
				c.w.fail(checkStatus, "%v says of itself that its log ends at %d, heard %v; it ends at %d", n, s.Match, s.Heard, n.status.Last)
			}
		case n.status.Role == core.RoleLeader:
			c.statusOfFollower(n, s, id)
		case id == n.status.Lead:
			c.statusOfSilence(n, s, id)
		case s.Heard && s.SilentMillis < n.quietTicks()*n.timing.TickMillis:
			c.w.fail(checkStatus, "%v says that node %d was silent for %d ms, and has itself heard from nobody for %d ticks", n, core.NodeID(id), s.SilentMillis, n.quietTicks())
		}
	}
	c.w.marks.add(markStatusRead)
}

// statusOfFollower is what a leader says of another member.
func (c *checks) statusOfFollower(n *node, s *core.MemberStatus, id uint64) {
	seen := &n.seen
	if s.Next <= s.Match || s.Match > n.status.Last {
		c.w.fail(checkStatus, "%v says that node %d has entry %d, and is to get %d next; the log ends at %d", n, core.NodeID(id), s.Match, s.Next, n.status.Last)
		return
	}
	c.statusOfSilence(n, s, id)
	if s.Replicating && n.silentTicks(id) >= uint64(n.timing.ElectionTicks) {
		c.w.fail(checkStatus, "%v says that entries go to node %d, from which it has heard nothing for %d ticks", n, core.NodeID(id), n.silentTicks(id))
	}
	// A later leader can have replaced what it had, and so can an old copy.
	d := c.replica(id)
	if d == nil || d.hard.Term > n.status.Term || d.had > d.last() || s.Match <= seen.base {
		return
	}
	if t := seen.at(s.Match).term; d.termAt(s.Match) != t && (d.snapshot == nil || d.snapshot.Index < s.Match) {
		c.w.fail(checkStatus, "%v says that node %d has entry %d of term %d, and on its disk there is one of term %d",
			n, core.NodeID(id), s.Match, t, d.termAt(s.Match))
	}
}

// statusOfSilence is how long a node says it has heard nothing from another.
func (c *checks) statusOfSilence(n *node, s *core.MemberStatus, id uint64) {
	silent, heard := n.silentTicks(id), n.heardFrom(id) != nil
	if s.Heard != heard || heard && s.SilentMillis != silent*n.timing.TickMillis {
		c.w.fail(checkStatus, "%v says that it heard from node %d %d ms ago (ever: %v), and did %d ticks ago (ever: %v)",
			n, core.NodeID(id), s.SilentMillis, s.Heard, silent, heard)
	}
}

// statusesInTheEnd: once all is well and nobody writes, every member shows that all
// have the whole log, and hear of each other.
func (c *checks) statusesInTheEnd(n *node) {
	if n.state != running || n.foreign() || !c.w.operator.want[n.id-1] {
		return
	}
	silent := 3 * uint64(n.timing.ElectionTicks) * n.timing.TickMillis
	for _, s := range n.core.MemberStatuses() {
		id := s.Member.GetRaftId()
		switch {
		case !c.hasAll(s.Match, n.status.Last) || !s.Heard || s.SilentMillis > silent:
			c.w.fail(checkStatus, "%v says in the end that node %d has entry %d and was silent for %d ms (heard: %v); the log ends at %d",
				n, core.NodeID(id), s.Match, s.SilentMillis, s.Heard, n.status.Last)
		case n.status.Role == core.RoleLeader && id != n.identity.RaftID && !s.Replicating:
			c.w.fail(checkStatus, "%v says in the end that no entries go to node %d", n, core.NodeID(id))
		}
	}
}
