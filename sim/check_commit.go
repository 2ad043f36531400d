package sim

import (
	"github.com/pgraft/pgraft/core"
)

// commitMoved: what a node commits is what everyone commits, and when it is the
// first to, a quorum has it on its disks.
func (c *checks) commitMoved(n *node) {
	seen, to := &n.seen, n.status.Commit
	if to > seen.last() {
		c.w.fail(checkCommitted, "%v commits %d, but its log ends at %d", n, to, seen.last())
		return
	}
	known := uint64(len(c.committed))
	if to < known {
		if to >= seen.base && c.committed[to].chain != seen.at(to).chain {
			c.w.fail(checkCommitted, "%v commits another log up to %d than term %d did", n, to, c.committed[to].leaderTerm)
		}
		return
	}
	if known > 0 && known-1 >= seen.base && c.committed[known-1].chain != seen.at(known-1).chain {
		c.w.fail(checkCommitted, "%v commits another log up to %d than term %d did", n, known-1, c.committed[known-1].leaderTerm)
	}
	for i := known; i <= to; i++ {
		e := committed{leaderTerm: n.status.Term}
		if i >= seen.base {
			e.slot = *seen.at(i)
		} else if i < uint64(len(c.first)) {
			e.slot = c.first[i]
		}
		c.committed = append(c.committed, e)
	}
	if t := seen.at(to).term; n.status.Role == core.RoleLeader && seen.role == core.RoleLeader && t != n.status.Term {
		c.w.fail(checkQuorum, "%v leads in term %d and commits entry %d of term %d: only entries of its own term are committed by counting", n, n.status.Term, to, t)
	}
	if n.status.Role == core.RoleLeader && !c.quorumHas(seen.before, seen.wasJoint, to, seen.at(to).term) && !c.quorumHas(n.core.Members(), seen.joint, to, seen.at(to).term) {
		c.w.fail(checkQuorum, "%v commits entry %d of term %d, which no quorum has on its disks", n, to, seen.at(to).term)
	}
}

// quorumHas says whether a majority of the voters has, or had until its disk was
// lost, an entry durably; of the old ones too while the configuration is joint.
func (c *checks) quorumHas(m core.Members, j *jointChange, index, term uint64) bool {
	return quorum(m, j, func(id uint64) bool {
		d := c.replica(id)
		return d != nil && (d.termAt(index) == term || d.snapshot != nil && d.snapshot.Index >= index)
	})
}
