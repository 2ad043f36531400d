package sim

import (
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// What the checkers know of members that come and go: only a voter acknowledges, is granted
// an epoch, reports for one and counts for a sync set, under the Raft id that it has now, and
// only with the data that it was to begin with.

// acksAsMember: who acknowledges in an epoch is a voter.
func (c *checks) acksAsMember(v *server, txn, epoch uint64) {
	if m := c.newest.Get(v.n.identity.RaftID); epoch > 0 && (m == nil || m.GetRole() != corepb.Role_VOTER) {
		c.w.fail(checkServerMember, "%v acknowledges transaction %d in epoch %d, and is no voter under its Raft id %x", v.n, txn, epoch, v.n.identity.RaftID)
	}
}

// namesMembers: whom the log has as primary, in a sync set or in a report, as a node has
// applied it, is a voter there with a server that has its data.
func (c *checks) namesMembers(n *node, s *failover.State) {
	if s.Mode == failover.ModeOff || n.foreign() {
		return
	}
	voters := n.core.Members()
	check := func(id uint64, as string) {
		switch m := voters.Get(id); {
		case id == 0:
		case m.GetRole() != corepb.Role_VOTER || m == nil:
			c.w.fail(checkServerMember, "%v has member %x %s, which is no voter: epoch %d", n, id, as, s.Epoch.Number)
		case c.isBlank(id):
			c.w.fail(checkServerMember, "%v has member %x %s, whose server has no data yet: epoch %d", n, id, as, s.Epoch.Number)
		}
	}
	if s.Epoch.Stage >= failover.StageGranted {
		check(s.Epoch.Primary, "as the primary")
	}
	for _, id := range s.Epoch.Set.Members {
		check(id, "in the sync set")
	}
	for _, r := range s.Reports {
		check(r.Member, "with a report")
	}
}

// isBlank says that the server of a member has not got its data yet since it became that
// member.
func (c *checks) isBlank(id uint64) bool {
	v := c.w.servers.of(id)
	return v != nil && v.blank && !c.w.servers.reigns.lost[id]
}

// isVoid says that a change is in the log, and did nothing as it was applied: failover needed
// the member by then. What an operator is told is so.
func (c *checks) isVoid(n *node, m *madeChange, is *corepb.Member) bool {
	if c.w.servers == nil || is == nil || n.core == nil || n.core.Status().Applied < m.index {
		return false
	}
	return m.step == corepb.MemberChange_DEMOTE && is.GetRole() == corepb.Role_VOTER || m.step == corepb.MemberChange_REPLACE && is.GetRole() == corepb.Role_JOINING
}

// isPromoted notes that somebody who came later serves.
func (c *checks) isPromoted(v *server) {
	if core.Incarnation(v.n.identity.RaftID) > uint32(c.w.o.Nodes) {
		c.w.marks.add(markMemberServes)
	}
}

// forgetsServers is what a recovery from a lost quorum costs: the log of who goes on alone may
// not have what the others did last. Only then is what that did not know of forgotten.
func (c *checks) forgetsServers(v *server, lost int) {
	r, s := &c.w.servers.reigns, v.n.core.FailoverState()
	r.inForce.applied, r.inForce.epoch = 0, failover.Epoch{}
	r.inForce.told, r.inForce.commits = nil, nil
	r.manual = v.n.status.Applied
	if lost == 0 {
		return
	}
	for txn, a := range r.acked {
		if a.epoch >= s.Last.Number {
			r.given[txn] = s.Epoch.Number
		}
	}
	for txn, e := range r.seen {
		if e >= s.Last.Number {
			r.given[txn] = s.Epoch.Number
		}
	}
	r.openings = slices.DeleteFunc(r.openings, func(o opening) bool { return o.epoch > s.Last.Number })
}
