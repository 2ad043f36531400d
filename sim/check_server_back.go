package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// hasFlushed notes what a commit that is acknowledged rests on: the primary's own WAL, and
// that of the standbys which are counted.
func (c *checks) hasFlushed(v *server, end uint64) {
	at := failover.Position{Epoch: v.shared.Epoch, LSN: end}
	v.had = later(v.had, at)
	for _, s := range v.senders() {
		if x := v.in.of(s.Token.Member); x != nil && s.Flushed >= end && s.Token.Epoch == at.Epoch {
			x.had = later(x.had, at)
		}
	}
}

func later(a, b failover.Position) failover.Position {
	if a.Compare(b) > 0 {
		return a
	}
	return b
}

// reported: no report by which an epoch is granted is below what its server had on its disk
// when a commit was acknowledged by it. Data that went back does not report, and neither does
// data that lacks WAL: the server would end as it is promoted.
func (c *checks) reported(epoch uint64, reports []failover.Reported) {
	for _, r := range reports {
		x := c.w.servers.of(r.Member)
		if x != nil && r.Position.Compare(x.had) < 0 {
			c.w.fail(checkServerBack, "epoch %d is granted by a report of %v, %+v, and its server had flushed up to %+v", epoch, x.n, r.Position, x.had)
		}
		if x != nil && r.Boot == x.boot && !x.rejoining && x.pg.Phase() != postgres.Down && x.pg.Short() {
			c.w.fail(checkServerBack, "epoch %d is granted by a report of %v, whose data lacks WAL that it needs", epoch, x.n)
		}
	}
}

// doubts: data that went back is in doubt from its next boot on, and no other is. (What was
// made anew may lack WAL, and is untrusted if that does not come. WAL that is noted for nobody
// quarantines. So does what was started by hand, and that may have left a timeline. Data that
// goes along to another Raft store may be taken for a copy.)
func (c *checks) doubts(v *server, d failover.Doubt) {
	switch {
	case v.mem.Damage == failover.QuarantinedUnguarded:
		v.wentBack = v.wentBack || d != failover.NoDoubt
	case !v.wentBack && !v.otherStore && d != failover.NoDoubt && d != failover.DoubtShort:
		c.w.fail(checkServerBack, "%v boots with doubt (%v), and its data is what it was", v.n, d)
	case v.wentBack && d == failover.NoDoubt && !v.data.AwaitsSource() && !v.data.IsNobodys(uint32(v.pg.LastTimeline())):
		c.w.fail(checkServerBack, "%v boots without a doubt, and its data went back", v.n)
	}
}

// quarantinesNobody: as long as nobody has promoted or started a server by hand, put other data
// on it, or gone on without the others, no member is quarantined.
func (c *checks) quarantinesNobody() {
	x := c.w.servers
	if x.handled {
		return
	}
	s := x.newest()
	for _, m := range s.Members {
		if m.Quarantined != failover.NotQuarantined && m.Quarantined != failover.QuarantinedByOperator {
			c.w.fail(checkServerHand, "node %d is quarantined (%v), and nobody has laid a hand on any server", core.NodeID(m.ID), m.Quarantined)
		}
	}
}

// mayBeAnew notes whether a server may make its data anew, as it is ordered to: only from the
// primary of an epoch that has opened, as a fork that never opens destroys a good copy. A
// member of the set of an epoch does not wait for that, once it has been forked for
// sync_timeout.
func (c *checks) mayBeAnew(v, from *server) {
	s := v.n.core.FailoverState()
	e := &s.Epoch
	least := (time.Duration(s.Settings.SyncTimeoutMillis)*time.Millisecond - v.n.tick()) * 8 / 10 // by a clock that drifts
	in := e.Set.Has(v.n.identity.RaftID) || e.SetVersion > 0                                      // it may have been as that was ordered
	forked := e.Stage == failover.StageForked && in && c.w.now-from.tookWrites >= least
	if v.anewOf = 0; e.Stage == failover.StageOpen || forked {
		v.anewOf = e.Number
	}
}

// anew: a server's data is made anew from a primary that it may be made anew from, and that
// knows of no newer epoch. What a rejoin has left half way, or an operator gives up, is no
// copy any more; nor is one of who takes no part, while failover is off.
func (c *checks) anew(v, from *server) {
	switch {
	case v.cutShort || v.out:
	case v.anewOf != from.reigns:
		c.w.fail(checkServerAnew, "%v makes its data anew from %v in epoch %d, which has not opened", v.n, from.n, from.reigns)
	case from.shared.Epoch > from.reigns:
		c.w.fail(checkServerAnew, "%v makes its data anew from %v in epoch %d, which is over: that one knows of epoch %d", v.n, from.n, from.reigns, from.shared.Epoch)
	}
}
