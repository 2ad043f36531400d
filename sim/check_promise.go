package sim

import (
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
)

// made is a promise as the wire carried it: until the server's clock shows so
// much, its replica elects nobody but the leader it was made to. A restart does
// not end it.
type made struct {
	replica, to uint64 // Raft ids
	term        uint64 // of the leader, when it was made last
	server      *node
	until       time.Duration // by the server's clock
	over        bool          // another one, to the leader of a later term, took its place
}

// promised notes a promise that leaves. The disk knows by then how long it lasts,
// or a restart would not wait for its end.
func (c *checks) promised(n *node, s *core.Send, i *wireInfo) {
	if stored := n.disk.dir.promise; stored < i.promise {
		c.w.fail(checkDurable, "%v promises node %d %d ms, and on its disk are %d ms", n, core.NodeID(s.To), i.promise, stored)
	}
	until := n.clock.at(c.w.now) + time.Duration(i.promise)*time.Millisecond
	known := false
	for k := range c.promises {
		switch p := &c.promises[k]; {
		case p.replica != n.identity.RaftID:
		case p.to == s.To:
			known = true
			p.until, p.term, p.over = max(p.until, until), max(p.term, i.term), false
		case p.term < i.term:
			// A later leader was elected, so the lease of this one is at its end:
			// it was given up, or somebody else's promise to it had ended.
			p.over = true
		}
	}
	if !known {
		c.promises = append(c.promises, made{n.identity.RaftID, s.To, i.term, n, until, false})
	}
}

// kept: whoever promised gives no vote in a later term to anyone else, and asks
// for none, until its promise ends; a restart in between changes nothing. Only a
// transfer does, and then the leader has given its lease up before.
func (c *checks) kept(n *node, to uint64, i *wireInfo) {
	who := candidacy{to, i.term}
	if i.kind == pb.MsgVote {
		who.replica = n.identity.RaftID
	}
	handed := c.candidates[who].handed
	now := n.clock.at(c.w.now)
	for _, p := range c.promises {
		if p.replica != n.identity.RaftID || p.to == who.replica || p.over || p.term >= i.term || p.until <= now {
			continue
		}
		l := c.w.nodes[core.NodeID(p.to)-1]
		if !handed || l.identity.RaftID == p.to && !l.foreign() && l.lease.term < i.term && l.holdsLease() {
			c.w.fail(checkPromise, "%v takes part in the election of term %d by %v, and promised node %d, which leads term %d, to wait for another %v",
				n, i.term, i.kind, core.NodeID(p.to), p.term, p.until-now)
		}
	}
}

// backed: a lease ends, in true time and as the clocks run now, before the
// promises of a quorum do; in a joint configuration of one of each.
func (c *checks) backed(n *node) {
	c.follow(n)
	end, me := n.clock.trueAt(n.lease.until), n.identity.RaftID
	promised := func(id uint64) bool { return id == me || c.promisedUntil(id, me) >= end }
	if m := n.core.Members(); !quorum(m, n.seen.joint, promised) {
		short := []uint32{}
		for _, x := range m.List {
			if !promised(x.GetRaftId()) {
				short = append(short, core.NodeID(x.GetRaftId()))
			}
		}
		c.w.fail(checkPromise, "%v holds the lease in term %d for another %v, and of %d members these have not promised for so long: %d",
			n, n.lease.term, end-c.w.now, len(m.List), short)
	}
}

// promisedUntil is the true instant at which a replica's promise ends.
func (c *checks) promisedUntil(replica, to uint64) time.Duration {
	for i := range c.promises {
		if p := &c.promises[i]; p.replica == replica && p.to == to {
			return p.server.clock.trueAt(p.until)
		}
	}
	return 0
}
