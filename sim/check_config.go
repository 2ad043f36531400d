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

// learn keeps a membership entry of anyone's log if it begins a joint
// configuration.
func (c *checks) learn(e *core.Entry) {
	k := slotKey{e.Index, e.Term}
	var cc pb.ConfChangeV2
	if !slices.Contains(c.changes, k) {
		c.changes = append(c.changes, k)
	}
	if _, known := c.joints[k]; known || proto.Unmarshal(e.Data, &cc) != nil || len(cc.GetChanges()) < 2 {
		return
	}
	j := &jointChange{}
	for _, x := range cc.GetChanges() {
		if x.GetType() == pb.ConfChangeAddNode {
			j.in = append(j.in, x.GetNodeId())
		} else {
			j.out = append(j.out, x.GetNodeId())
		}
	}
	if c.joints == nil {
		c.joints = map[slotKey]*jointChange{}
	}
	c.joints[k] = j
}

// follow notes whether the newest membership entry that a node has applied began
// a joint configuration.
func (c *checks) follow(n *node) {
	v := &n.view
	v.joint = nil
	for k := len(v.confs) - 1; k >= 0 && len(c.joints) > 0; k-- {
		if i := v.confs[k]; i <= n.status.Applied {
			if v.has(i) {
				v.joint = c.joints[slotKey{i, v.at(i).term}]
			}
			return
		}
	}
	v.joint = v.baseJoint // its log begins in the middle of a change
}

// jointAt is the joint configuration that the committed log up to an index ends in;
// nil if it ends in none.
func (c *checks) jointAt(index uint64) (j *jointChange) {
	newest := uint64(0)
	for _, k := range c.changes {
		if k.index <= index && k.index > newest && k.index < uint64(len(c.committed)) && c.committed[k.index].term == k.term {
			newest, j = k.index, c.joints[k]
		}
	}
	return j
}

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
	return have > all/2 && had > before/2
}
