package core

import (
	"fmt"

	"go.etcd.io/raft/v3"
)

// A Batch is worked off without settling between its inputs, but for those that may
// change who leads, in which term, or who is a member: before such an input and after
// it the core settles, as if it were alone. So nothing is decided on a role that the
// library has left already.

// mayBeInBatch says whether an input may be one of a Batch. Ticks stand alone: the lease
// is counted from the moment of each.
func mayBeInBatch(in Input) bool {
	switch in.(type) {
	case Tick, Batch:
		return false
	}
	return true
}

// batch takes the inputs of a Batch but for the settling after the last.
func (c *Core) batch(inputs []Input) {
	if n := len(inputs); n == 0 || n > MaxBatchInputs {
		panic(fmt.Sprintf("a batch of %d inputs", n))
	}
	unsettled := false
	for i, in := range inputs {
		if !mayBeInBatch(in) {
			panic(fmt.Sprintf("%T in a batch", in))
		}
		alone := !c.keepsRoles(in)
		if alone && unsettled {
			c.settle()
		}
		c.cause = ""
		c.take(in)
		if unsettled = !alone; alone && i < len(inputs)-1 {
			c.settle()
			if c.out.MembersChanged {
				c.retainMembers()
			}
		}
	}
}

// keepsRoles says that an input changes neither role, leader and term of this node nor
// the members, so that the next input of a batch may be taken before the core settles.
// What is not known to be so is not.
func (c *Core) keepsRoles(in Input) bool {
	switch in.(type) {
	case Propose, ReadBarrier, ConfirmLeader, WaitApplied, Cancel:
		return true
	case Persisted: // a candidate's own vote may make it the leader
		return c.role == raft.StateLeader || c.role == raft.StateFollower
	case Receive:
		return false
	}
	return false
}
