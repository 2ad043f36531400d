package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// proposeTime is how long before the clients end every proposal has to commit.
const proposeTime = 3 * time.Second

// live: some election timeouts after the faults are over there is one leader
// that all follow; the members are those that are wanted, all voters, each with
// the whole log; and the last proposals were committed.
func (c *checks) live() {
	w := c.w
	if !w.operator.formed || !w.settled {
		w.fail(checkLiveness, "the cluster did not form")
		return
	}
	leader := w.leader()
	if leader == nil {
		w.fail(checkLiveness, "nobody leads %v after the last fault", w.now-w.o.settleAt())
		return
	}
	for _, n := range w.nodes {
		c.liveNode(leader, n)
		c.answersAll(n)
	}
	for _, n := range w.nodes {
		c.statusesInTheEnd(n)
	}
	for _, o := range w.ops {
		if o.began > w.lastOps() && o.outcome != done && o.outcome != refused && !o.gone && !o.left && !o.tooOld && o.kind != opWait {
			w.fail(checkLiveness, "%v: proposed after the faults were over, and not acknowledged", o)
		}
	}
	c.versionInTheEnd(leader)
	if !leader.holdsLease() && w.sameTiming() {
		w.fail(checkLiveness, "%v leads, and holds no lease", leader)
	}
}

// refusedForRoom: once the faults are over all disks have room, and nobody refuses a
// proposal for want of it.
func (c *checks) refusedForRoom(q *request) {
	if c.w.settled && q.began > c.w.lastOps() {
		c.w.fail(checkLiveness, "%v refuses %v for want of room, and all disks have some", q.node, q.op)
	}
}

// answersAll: a member that is to stay one has answered whatever it was asked
// before the last operations.
func (c *checks) answersAll(n *node) {
	for _, q := range n.waits {
		if c.w.operator.want[n.id-1] && q.op != nil && q.began < c.w.lastOps() {
			c.w.fail(checkLiveness, "%v was asked at %v for %v, and has not answered", n, q.began.Round(time.Millisecond), q.op)
		}
	}
}

// leaves: a node that learns that it is removed answers whatever it was asked.
func (c *checks) leaves(n *node) {
	for _, q := range n.waits {
		if q.asked && !n.foreign() {
			c.w.fail(checkLiveness, "%v knows that it was removed, and has not answered what it was asked at %v", n, q.began.Round(time.Millisecond))
		}
	}
}

// sameTiming says that the members have one election timeout. With very
// different ones the promises can be too short for a lease.
func (w *World) sameTiming() bool {
	for i, n := range w.nodes {
		if w.operator.want[i] && (n.timing.ElectionTicks != w.shape.timing.ElectionTicks || n.timing.TickMillis != w.shape.timing.TickMillis) {
			return false
		}
	}
	return true
}

// lastOps is after when every proposal has to commit.
func (w *World) lastOps() time.Duration { return w.o.Duration - quietTime - proposeTime }

func (c *checks) liveNode(leader, n *node) {
	w, m := c.w, leader.members.Node(n.id)
	if !w.operator.want[n.id-1] {
		if m != nil {
			w.fail(checkLiveness, "%v was to be removed, and is still a member (%v)", n, m.GetRole())
		}
		return
	}
	switch {
	case m == nil:
		w.fail(checkLiveness, "%v was to be added, and is no member; it is %v %s", n, n.state, n.why)
	case m.GetRole() != corepb.Role_VOTER:
		w.fail(checkLiveness, "%v is still %v", n, m.GetRole())
	case n.state != running || n.identity.RaftID != m.GetRaftId():
		w.fail(checkLiveness, "%v is %v %s", n, n.state, n.why)
	case n.status.Lead != leader.identity.RaftID || n.status.Term != leader.status.Term:
		w.fail(checkLiveness, "%v is in term %d with node %d as its leader; %v leads in term %d", n, n.status.Term,
			core.NodeID(n.status.Lead), leader, leader.status.Term)
	case !c.hasAll(n.status.Applied, leader.status.Applied):
		w.fail(checkLiveness, "%v has applied %d entries, %v %d", n, n.status.Applied, leader, leader.status.Applied)
	}
}

// logEnd is where the leader's log ended.
type logEnd struct {
	at   time.Duration
	last uint64
}

// spreadTime is within what time an entry has to be everywhere: a sync can take a second.
const spreadTime = 3 * time.Second

// notesLog notes where the leader's log ends, once the faults are over: where servers fail
// over, entries come also while no client writes, as the primary logs how far it has come.
func (c *checks) notesLog() {
	if p := c.w.servers.serving(); p != nil && c.w.settled {
		c.walEnds = append(c.walEnds, walEnd{c.w.now, p.shared.Epoch, p.pg.Flushed()})
	}
	if l := c.w.leader(); l != nil && c.w.settled {
		c.logEnds = append(c.logEnds, logEnd{c.w.now, l.status.Last})
	}
}

// hasAll says that who has a log up to an index has all of one that ends at last, but for what
// came just now.
func (c *checks) hasAll(has, last uint64) bool {
	if c.w.servers == nil {
		return has == last
	}
	least := uint64(0)
	for _, e := range c.logEnds {
		if e.at <= c.w.now-spreadTime {
			least = e.last
		}
	}
	return has >= min(least, last)
}
