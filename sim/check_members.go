package sim

import (
	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// oneChange: a leader appends a membership entry only when it has applied the
// one before it, and each changes one member or goes by way of a joint
// configuration: so the quorums of any two configurations that follow each other
// overlap (thesis, section 4.1). The bug of 2015 needs a configuration that is
// in use before it is committed; in the library one is in use when applied.
func (c *checks) oneChange(n *node, e *core.Entry) {
	seen := &n.seen
	if e.Term != n.status.Term || n.status.Role != core.RoleLeader {
		return // somebody else's
	}
	if len(seen.confs) > 0 && seen.confs[len(seen.confs)-1] > n.status.Applied {
		c.w.fail(checkMembers, "%v appends a membership change at %d before it applied the one at %d (applied: %d)",
			n, e.Index, seen.confs[len(seen.confs)-1], n.status.Applied)
	}
	c.begins(n, e)
	var cc pb.ConfChangeV2
	if err := proto.Unmarshal(e.Data, &cc); err != nil {
		c.w.fail(checkMembers, "%v appends a membership change at %d that is none: %v", n, e.Index, err)
		return
	}
	if _, joint := cc.EnterJoint(); len(cc.GetChanges()) > 1 && !joint {
		c.w.fail(checkMembers, "%v changes %d members at once at %d", n, len(cc.GetChanges()), e.Index)
	}
	c.askedBefore(n, e, &cc)
}

// membersChanged: after the same membership entry all nodes have the same
// members.
func (c *checks) membersChanged(n *node, m core.Members) {
	if n.foreign() {
		return
	}
	c.countSteps(n.members, m)
	c.sameMembers(n, m)
}

func (c *checks) members0(n *node) { c.sameMembers(n, n.members) }

func (c *checks) sameMembers(n *node, m core.Members) {
	seen, at := &n.seen, uint64(0)
	for _, i := range seen.confs {
		if i <= n.status.Applied {
			at = i
		}
	}
	if at == 0 {
		return // it is in the snapshot before the log
	}
	var h digest
	h.word(uint64(m.LastIncarnation))
	for _, x := range m.List {
		h.words(x.GetRaftId(), uint64(x.GetRole()))
		h.bytes(x.GetReplicaUuid())
	}
	if at == c.recovery.at && at > 0 {
		c.alone(n, m)
	}
	if was, ok := c.agreed[at]; ok && was != h {
		c.w.fail(checkMembers, "%v has other members after entry %d than another node", n, at)
	}
	c.agreed[at] = h
	if at > c.newestAt {
		c.staysOut(n, c.newest, m)
		c.newestAt, c.newest = at, m
		c.members = append(c.members, membership{at, c.w.now, m})
	}
}

// membersAt is who belonged to the cluster at an index.
func (c *checks) membersAt(i uint64) core.Members {
	at := len(c.members) - 1
	for c.members[at].from > i {
		at--
	}
	return c.members[at].Members
}

// countsItself: a node takes itself for a voter if, and only if, its members say
// so. One that is leaving still is one while the configuration is joint.
func (c *checks) countsItself(n *node) {
	r, m := n.status.Role, n.members.Get(n.identity.RaftID)
	switch {
	case r == core.RoleRemoved:
	case r == core.RoleLearner && m.GetRole() == corepb.Role_VOTER && m != nil:
		c.w.fail(checkMembers, "%v is a voter and takes itself for a learner", n)
	case r != core.RoleLearner && (m == nil || m.GetRole() == corepb.Role_JOINING):
		c.w.fail(checkMembers, "%v is %v and takes itself for a voter: %v", n, m.GetRole(), r)
	}
}

// unheard steps a node with a message of a member that it knows was removed: it
// has no effect.
func (c *checks) unheard(n *node, in core.Receive) {
	before := n.status
	n.gone = true
	n.step(in)
	n.gone = false
	if s := n.status; s.Term != before.Term || s.Commit != before.Commit || s.Role != before.Role {
		c.heardRemoved(n, "changes its state")
	}
}

func (c *checks) heardRemoved(n *node, what string) {
	if !n.foreign() {
		c.w.fail(checkMembers, "%v %s on a message of a member that it knows was removed", n, what)
	}
}

// countSteps counts what happened between two memberships.
func (c *checks) countSteps(was, is core.Members) {
	for _, m := range is.List {
		old := was.Get(m.GetRaftId())
		switch {
		case old == nil:
		case old.GetRole() == corepb.Role_JOINING && m.GetRole() == corepb.Role_VOTER:
			c.w.marks.add(markPromoted)
		case old.GetRole() == corepb.Role_VOTER && m.GetRole() == corepb.Role_LEAVING:
			c.w.marks.add(markDemoted)
		}
	}
}

// membershipRests says that no log holds a membership entry that is not applied
// yet somewhere.
func (c *checks) membershipRests() bool {
	for _, n := range c.w.nodes {
		if l := n.seen.confs; !n.foreign() && len(l) > 0 && l[len(l)-1] > c.newestAt {
			return false
		}
	}
	return true
}
