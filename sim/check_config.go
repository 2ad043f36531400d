package sim

import (
	"slices"

	"google.golang.org/protobuf/proto"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// jointChange is a membership entry that begins a joint configuration: who is a
// voter in the new one only, and who in the old one only.
type jointChange struct{ in, out []uint64 } // Raft ids

// learn keeps a membership entry of anyone's log: whether it begins a joint
// configuration, or leaves none.
func (c *checks) learn(e *core.Entry) {
	k := slotKey{e.Index, e.Term}
	if _, known := c.joints[k]; known {
		return
	}
	var cc pb.ConfChangeV2
	var j *jointChange
	if proto.Unmarshal(e.Data, &cc) == nil && len(cc.GetChanges()) > 1 {
		j = &jointChange{}
		for _, x := range cc.GetChanges() {
			if x.GetType() == pb.ConfChangeAddNode {
				j.in = append(j.in, x.GetNodeId())
			} else {
				j.out = append(j.out, x.GetNodeId())
			}
		}
	}
	if c.joints == nil {
		c.joints = map[slotKey]*jointChange{}
	}
	c.joints[k] = j
}

// jointAt is the joint configuration that a snapshot at index i is in: that of
// the last membership entry that was committed up to there. A process can die before
// anybody is told what its snapshot says to be committed: there the first log counts
// that had the index.
func (c *checks) jointAt(i uint64) *jointChange {
	for i = min(i, uint64(len(c.first))); i > 0 && len(c.joints) > 0; i-- {
		var term uint64
		switch {
		case i < uint64(len(c.committed)):
			term = c.committed[i].term
		case i < uint64(len(c.first)):
			term = c.first[i].term
		}
		if j, ok := c.joints[slotKey{i, term}]; ok {
			return j
		}
	}
	return nil
}

// follow notes whether the newest membership entry that a node has applied began
// a joint configuration.
func (c *checks) follow(n *node) {
	seen := &n.seen
	seen.joint = seen.baseJoint
	for k := len(seen.confs) - 1; k >= 0; k-- {
		if i := seen.confs[k]; i <= n.status.Applied {
			seen.joint = nil
			if seen.has(i) {
				seen.joint = c.joints[slotKey{i, seen.at(i).term}]
			}
			return
		}
	}
}

// majority is counted by the checkers themselves: with core.Majority they would not
// see that it is wrong.
func majority(have, of int) bool { return have > of/2 }

// quorum says whether a majority of the voters has something; in a joint
// configuration one of the new voters and one of the old.
func quorum(m core.Members, j *jointChange, has func(id uint64) bool) bool {
	var all, have, before, had int
	for _, x := range m.List {
		id := x.GetRaftId()
		is := x.GetRole() == corepb.Role_VOTER
		was := is
		if j != nil {
			was = is && !slices.Contains(j.in, id) || slices.Contains(j.out, id)
		}
		if !is && !was {
			continue
		}
		ok := has(id)
		if is {
			if all++; ok {
				have++
			}
		}
		if was {
			if before++; ok {
				had++
			}
		}
	}
	return majority(have, all) && majority(had, before)
}
