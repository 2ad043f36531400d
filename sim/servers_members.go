package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// What the people who run servers that fail over do to change the members: a member is taken
// out of the sync set before it is removed, and a primary switches over before.

// leaving is what is done for the removal of a member.
type leaving struct {
	member uint64
	since  time.Duration
	asked  time.Duration // when a switchover was asked for last
}

// impatience is for how long the operator waits for W to allow a removal before W may fall.
const impatience = 3 * time.Second

// frees has failover let a member go: failover_priority 0 takes its server out of the sync
// set, and a switchover takes the primary's part from it. True where that is so; now and then
// the operator does not look, and is refused.
func (x *servers) frees(l, n *node) bool {
	if x == nil {
		return true
	}
	s, id := l.core.FailoverState(), l.members.Node(n.id).GetRaftId()
	if x.leaving[n.id-1].member != id {
		x.leaving[n.id-1] = leaving{member: id, since: x.w.now}
	}
	out := &x.leaving[n.id-1]
	if v := n.withServer(); v != nil && n.is(id) {
		v.priority = 0
	}
	why := s.MayLeave(id)
	switch {
	case s.Mode == failover.ModeOff && id == s.Epoch.Primary: // it takes writes, and goes on
		x.welcomes(n)
	case why == failover.NotVoid || x.moves.Below(16) == 0:
		return true
	case x.asks:
	case why == failover.VoidLastPrimary && s.Epoch.Stage == failover.StageOpen && x.w.now-out.asked > impatience && n.is(id):
		if to := x.heir(l, &s, id); to != 0 {
			out.asked = x.w.now
			x.propose(l, failover.Request{Epoch: s.Epoch.Number, Target: to, Way: failover.WaySwitchover, Millis: 4000})
		}
	case x.w.now-out.since > impatience && s.Settings.Durability == failover.Required && why != failover.VoidBetween:
		x.mayFall(l)
	}
	return false
}

// heir is who is to be the primary in the place of one that goes.
func (x *servers) heir(l *node, s *failover.State, goes uint64) uint64 {
	for _, m := range s.Members {
		if v := x.of(m.ID); m.ID != goes && v != nil && v.isMember() && v.n.state == running && s.Electable(m.ID, l.voters()) {
			return m.ID
		}
	}
	return 0
}

// mayFall has W be lowered where it has to.
func (x *servers) mayFall(l *node) {
	if x.settings.Durability != failover.Required {
		return
	}
	x.settings.Durability, x.wanted.Durability = failover.Preferred, failover.Preferred
	x.w.say(l, "durability is set to preferred by the operator")
}

// isShort says that a member is lost for good, until it is removed and added again: its machine
// or its Raft store is, or another one went on alone from a lost quorum.
func (x *servers) isShort() bool {
	return x.alone != nil || slices.ContainsFunc(x.data(), func(v *server) bool {
		m := x.w.checks.newest.Node(v.n.id)
		return v.isMember() && (v.blank || m != nil && x.w.ruined(v.n, m))
	})
}

// mayGo says whether the servers beside one are enough for what is required of a sync set.
func (x *servers) mayGo(n *node) bool {
	others := 0
	for _, v := range x.data() {
		if v.n != n && v.isMember() && !v.blank {
			others++
		}
	}
	if n.withServer() == nil {
		return others > 0
	}
	least := 1
	if x.settings.Durability == failover.Required {
		least += int(x.settings.SyncCount)
	}
	return others >= least
}

// welcomes has a server that is to be a member again be one like any other.
func (x *servers) welcomes(n *node) {
	if v := n.withServer(); v != nil {
		v.priority = priority
	}
}

// role is what the newest members have of a node; ok is false if it is none.
func (w *World) role(n *node) (r corepb.Role, ok bool) {
	m := w.checks.newest.Node(n.id)
	return m.GetRole(), m != nil
}
