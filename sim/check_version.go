package sim

import (
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// raise is the cluster version as the nodes have it: the lowest applied index at which
// one has it, and the highest at which one has not. asked is the newest that any leader
// appended: builds that do not know it take no entries.
type raise struct {
	has, lacks uint64
	asked      uint32
}

// raises: a leader raises the cluster version only when every member has announced, a
// short while before at most, that its build knows it.
func (c *checks) raises(n *node, e *core.Entry) {
	v, ok, err := core.ClusterVersion(*e)
	if err != nil || !ok || e.Term != n.status.Term || n.status.Role != core.RoleLeader {
		return
	}
	c.w.marks.add(markRaises)
	c.raise.asked = max(c.raise.asked, v)
	since := time.Duration(0)
	tick := n.status.Tick - min(n.status.Tick, uint64(n.timing.ElectionTicks)+1)
	if m := n.moments[tick%moments]; m.tick == tick && tick > 0 {
		since = m.now
	}
	for _, m := range n.core.Members().List { // the host hears of a change later in this step
		if x := c.w.byID(core.NodeID(m.GetRaftId())); !x.knewSince(v, since) {
			c.w.fail(checkVersion, "%v raises the cluster to version %d at %d, and since %v %v (%v) has had no build that knows it",
				n, v, e.Index, since, x, m.GetRole())
		}
	}
}

// versionKept: no build applies what it does not know, and all nodes go over to a
// version at the same entry, for good.
func (c *checks) versionKept(n *node) {
	v := n.members.Version
	if v > n.knows() {
		c.w.fail(checkVersion, "%v knows versions up to %d, and applies a log of version %d", n, n.knows(), v)
	}
	if v > core.OldestVersion {
		if c.raise.has == 0 || n.status.Applied < c.raise.has {
			c.raise.has = n.status.Applied
		}
	} else {
		c.raise.lacks = max(c.raise.lacks, n.status.Applied)
	}
	if c.raise.has > 0 && c.raise.lacks >= c.raise.has {
		c.w.fail(checkVersion, "%v is at version %d with %d entries applied; a node had a newer one with %d, another an older one with %d",
			n, v, n.status.Applied, c.raise.has, c.raise.lacks)
	}
}

// moreVersion is the oldest that looks at more than one command in a message.
const moreVersion = 2

// understands: a build of before the log carried a version would take a snapshot of
// any, and the first command of several: neither reaches it.
func (c *checks) understands(n *node, p *packet) {
	if p.info.more > 0 && n.knows() < moreVersion {
		c.w.fail(checkVersion, "%v knows versions up to %d, and gets %v with %d more", n, n.knows(), p.info, p.info.more)
	}
	if p.info.kind != pb.MsgSnap || n.knows() >= core.NewestVersion || n.foreign() {
		return
	}
	var env corepb.Envelope
	if proto.Unmarshal(p.data, &env) != nil {
		return
	}
	if v := versionIn(env.GetRaft().GetSnapshot()); v > n.knows() {
		c.w.fail(checkVersion, "%v knows versions up to %d, and gets a snapshot of version %d", n, n.knows(), v)
	}
}

// readable: a build of before the log carried a version would start from any snapshot:
// the store does not let it.
func (c *checks) readable(n *node, d core.Durable) {
	if d.Snapshot == nil || n.knows() >= core.NewestVersion {
		return
	}
	var s pb.Snapshot
	if proto.Unmarshal(d.Snapshot.Data, &s) != nil {
		return
	}
	if v := versionIn(&s); v > n.knows() {
		c.w.fail(checkVersion, "%v knows versions up to %d, and starts from a snapshot of version %d", n, n.knows(), v)
	}
}

// versionInTheEnd: once all servers have the newest build, so has the cluster.
func (c *checks) versionInTheEnd(leader *node) {
	if v := leader.members.Version; v != leader.knows() {
		c.w.fail(checkLiveness, "all builds know version %d, and the cluster is at version %d", leader.knows(), v)
	}
}
