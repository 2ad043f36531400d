package core

import (
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// The inputs of a Batch are taken without settling in between, but for those that may
// change who leads, in which term, or who is a member: before such an input and after
// it the core settles, as if it were alone. So nothing is decided on a role that the
// library has left already.

// batching is what a Step knows of the Batch that it takes.
type batching struct {
	on        bool
	unsettled bool // inputs were taken since the core settled last
	loud      bool // the input that was taken last has to be settled before the next
}

// mayBeInBatch says whether an input may be one of a Batch. Ticks stand alone: the lease
// is counted from the moment of each.
func mayBeInBatch(in Input) bool {
	switch in.(type) {
	case Tick, Batch, Stop:
		return false
	}
	return true
}

// takeBatch takes the inputs of a Batch, but for the settling after the last.
func (c *Core) takeBatch(inputs []Input) {
	if n := len(inputs); n == 0 || n > MaxBatchInputs {
		panic(fmt.Sprintf("a batch of %d inputs", n))
	}
	c.batch = batching{on: true}
	for _, in := range inputs {
		if !mayBeInBatch(in) {
			panic(fmt.Sprintf("%T in a batch", in))
		}
		if c.batch.loud {
			c.settleInBatch()
		}
		c.cause = ""
		c.take(in)
		c.batch.unsettled = true
	}
	c.batch = batching{}
}

// alone is called before an input is taken that may change roles, terms or members.
func (c *Core) alone() {
	if c.batch.unsettled {
		c.settleInBatch()
	}
	c.batch.loud = c.batch.on
}

func (c *Core) settleInBatch() {
	c.batch.unsettled, c.batch.loud = false, false
	c.settle()
	if c.out.MembersChanged {
		c.retainMembers()
	}
}

// quiet says that an input changes neither role, leader and term of this node nor the
// members, so that the next input may be taken before the core settles. What is not
// known to be so is not. For messages that is decided behind the door, see quietBody.
func (c *Core) quiet(in Input) bool {
	switch in.(type) {
	case Receive, Propose, ReadBarrier, ConfirmLeader, WaitApplied, Cancel, FailoverServer, FailoverPort, FailoverCompared, FailoverJoin:
		return true
	case Persisted: // a candidate's own vote may make it the leader
		return c.role == raft.StateLeader || c.role == raft.StateFollower
	}
	return false
}

func (c *Core) quietBody(env *corepb.Envelope) bool {
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_Forward, *corepb.Envelope_ForwardReply, *corepb.Envelope_ReadRequest, *corepb.Envelope_ReadReply,
		*corepb.Envelope_FailoverTold:
		return true
	case *corepb.Envelope_Raft:
		return c.quietRaft(b.Raft)
	}
	return false
}

// quietRaft: what goes to and fro between a leader and its followers.
func (c *Core) quietRaft(m *pb.Message) bool {
	switch m.GetType() {
	case pb.MsgApp:
		return m.GetTerm() == c.hard.Term && c.role == raft.StateFollower && c.lead == m.GetFrom()
	case pb.MsgAppResp, pb.MsgHeartbeatResp:
		return m.GetTerm() == c.hard.Term && c.role == raft.StateLeader
	}
	return false
}
