package sim

import (
	"slices"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// stepTaken is when a node took its newest step, and as which member.
type stepTaken struct {
	as uint64 // Raft id
	at time.Duration
}

// askedBefore: when a leader appends a change of who votes, a quorum of the voters as
// they are, and one of the voters as they will be, were alive a moment before: each
// took a step after the leader's tick of two heartbeat intervals ago, or of an election
// timeout ago if a learner becomes a voter. A leader that went by what it had heard
// before would count the dead. It is the leader's ticks that count: one that stood
// still knows nothing of the time.
func (c *checks) askedBefore(n *node, e *core.Entry, cc *pb.ConfChangeV2) {
	var ch corepb.MemberChange
	if err := proto.Unmarshal(cc.GetContext(), &ch); err != nil || len(cc.GetContext()) == 0 {
		return // the library's own: it leaves a joint configuration
	}
	ticks := n.timing.ElectionTicks
	switch ch.GetStep() {
	case corepb.MemberChange_DEMOTE:
		ticks = 2 * n.timing.HeartbeatTicks
	case corepb.MemberChange_PROMOTE, corepb.MemberChange_REPLACE:
	default:
		return
	}
	m := &n.moments[(n.status.Tick-uint64(ticks))%moments]
	if n.status.Tick <= uint64(ticks) || m.tick != n.status.Tick-uint64(ticks) {
		return // it has just started
	}
	alive := func(id uint64) bool {
		x := c.w.nodes[core.NodeID(id)-1]
		return x == n || x.newest.as == id && x.newest.at >= m.now
	}
	id, old := ch.GetMember().GetRaftId(), ch.GetMember().GetReplaces()
	var now, then []uint64
	for _, x := range n.members.List {
		if x.GetRole() == corepb.Role_VOTER {
			now = append(now, x.GetRaftId())
			if x.GetRaftId() != old && x.GetRaftId() != id {
				then = append(then, x.GetRaftId())
			}
		}
	}
	if ch.GetStep() != corepb.MemberChange_DEMOTE {
		then = append(then, id)
	}
	for _, voters := range [2][]uint64{now, then} {
		dead := slices.DeleteFunc(slices.Clone(voters), alive)
		if !majority(len(voters)-len(dead), len(voters)) {
			c.w.fail(checkAlive, "%v appends %v of node %d at %d, and of the %d voters %d have done nothing for %d of its ticks: %x",
				n, ch.GetStep(), core.NodeID(id), e.Index, len(voters), len(dead), ticks, dead)
		}
	}
	c.w.marks.add(markAskedBefore)
}
