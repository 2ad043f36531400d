package sim

import (
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// apartElections is after how many election timeouts a member that takes no part in failover
// leads no more: a transfer that comes to nothing takes some.
const apartElections = 12

// handsOn: while a member that takes no part leads, no epoch begins and no primary has a lease. So
// it hands leadership to one that takes part, as long as there is one that it can reach; and this
// one does not leave it to such a member again.
func (c *checks) handsOn() {
	w, r := c.w, &c.w.servers.reigns
	l := w.leader()
	if l == nil || l.server == nil || !l.server.apart || l.core.FailoverState().Mode == failover.ModeOff || !c.isHeir(l) {
		r.apart = w.now
	}
	longest := time.Duration(0)
	for _, n := range w.nodes {
		longest = max(longest, time.Duration(n.timing.ElectionTicks)*n.tick())
	}
	if w.now-r.apart > apartElections*longest {
		w.fail(checkServerApart, "%v takes no part in failover, and has led since %v, or another one that does not", l, r.apart)
	}
}

// isHeir says that there is a voter that takes part, and can take over from a leader.
func (c *checks) isHeir(l *node) bool {
	if !c.sound(l) {
		return false
	}
	for _, v := range c.w.servers.all {
		if v.n != l && !v.apart && v.setsApart == 0 && c.sound(v.n) && v.n.talksTo(l) {
			return true
		}
	}
	return false
}
