package sim

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// failoverEntry is what an entry of the log says to package failover; nil: nothing.
func failoverEntry(e *core.Entry) (x failover.Entry) {
	scan(e.Data, func(num protowire.Number, _ uint64, b []byte) {
		if num != 5 {
			return
		}
		if y, err := failover.Unmarshal(b); err == nil {
			x = y
		}
	})
	return x
}

// heardAtBegin is what a leader knew when it began an epoch: the log may take long over that.
// The others fall silent meanwhile, or an operator changes the settings.
type heardAtBegin struct {
	lately map[uint64]bool // members
	async  bool
}

// beginsEpoch notes that.
func (c *checks) beginsEpoch(n *node, e *core.Entry) {
	if c.w.servers == nil || n.status.Role != core.RoleLeader || e.Term != n.status.Term {
		return
	}
	if _, ok := failoverEntry(e).(failover.Begin); !ok {
		return
	}
	heard := heardAtBegin{map[uint64]bool{}, n.core.FailoverState().Settings.Durability == failover.Async}
	for _, v := range c.w.servers.all {
		heard.lately[v.n.identity.RaftID] = n.hasHeard(v.n.identity.RaftID)
	}
	c.w.servers.reigns.heard[slotKey{e.Index, e.Term}] = heard
}

// goesOn says whether those whom a leader heard as it began an epoch could go on from the
// one before, by the set that was in force where the log took it.
func (c *checks) goesOn(n *node, last failover.Reign, epoch uint64) bool {
	has := n.hasHeard
	if s := n.core.FailoverState(); s.Epoch.Number == epoch && n.seen.has(s.Epoch.Changed) {
		last = s.Last
		at := slotKey{s.Epoch.Changed, n.seen.at(s.Epoch.Changed).term}
		heard, ok := c.w.servers.reigns.heard[at]
		switch {
		case heard.async || s.Settings.Durability == failover.Async:
			return true // the one that is near may be anyone
		case ok:
			has = func(id uint64) bool { return heard.lately[id] }
		}
	}
	return last.Met(has)
}
