package sim

import (
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
)

// warned: a node says that it lost acknowledged entries only if it did.
func (c *checks) warned(n *node) {
	if n.disk.dir.had == 0 {
		c.w.fail(checkDurable, "%v says %q, but nothing was taken from its disk", n, n.status.Alarm)
	}
}

// spoken: a vote granted, a candidate's vote for itself, and entries acknowledged
// are on the disk by then, and a replica votes for one candidate in a term (Raft
// paper, section 5.2; etcd issue 14370).
func (c *checks) spoken(n *node, s core.Send, i *wireInfo) {
	d := n.disk.dir
	switch i.kind {
	case pb.MsgVote:
		if n.warned {
			c.w.fail(checkDurable, "%v calls for votes in term %d, and knows that it lost acknowledged entries", n, i.term)
		}
		if id := n.identity.RaftID; d.hard.Term < i.term || d.hard.Term == i.term && d.hard.Vote != id {
			c.w.fail(checkDurable, "%v calls for votes in term %d, but on its disk are term %d and a vote for node %d",
				n, i.term, d.hard.Term, core.NodeID(d.hard.Vote))
		}
	case pb.MsgVoteResp:
		if n.warned {
			c.w.fail(checkDurable, "%v grants node %d its vote in term %d, and knows that it lost acknowledged entries", n, core.NodeID(s.To), i.term)
		}
		if d.hard.Term < i.term || d.hard.Term == i.term && d.hard.Vote != s.To {
			c.w.fail(checkDurable, "%v grants node %d its vote in term %d, but on its disk are term %d and a vote for node %d",
				n, core.NodeID(s.To), i.term, d.hard.Term, core.NodeID(d.hard.Vote))
		}
		k := vote{n.identity.RaftID, i.term}
		if was, ok := c.votes[k]; ok && was != s.To {
			c.w.fail(checkBack, "%v votes in term %d for node %d, and did for node %d", n, i.term, core.NodeID(s.To), core.NodeID(was))
		}
		c.votes[k] = s.To
	case pb.MsgAppResp:
		// An acknowledgement of an older term than the disk's is of no use to
		// anyone, and what it is about may have been replaced already.
		if d.hard.Term > i.term {
			return
		}
		if d.hard.Term < i.term || i.index > d.last() && (d.snapshot == nil || i.index > d.snapshot.Index) {
			c.w.fail(checkDurable, "%v acknowledges entry %d in term %d, but on its disk are term %d and a log that ends at %d",
				n, i.index, i.term, d.hard.Term, d.last())
		}
	}
}

// stored: after a batch the log on the disk ends where the batch does. What stood
// behind it is of another leader, and would come back at a restart.
func (c *checks) stored(n *node, b *core.Persist) {
	if k := len(b.Entries); k > 0 && n.disk.dir.last() != b.Entries[k-1].Index {
		c.w.fail(checkTransition, "on %v's disk the log ends at %d, after a batch that ends at %d", n, n.disk.dir.last(), b.Entries[k-1].Index)
	}
}

// restarted: a node comes back with the term, vote and commit index that its
// disk had.
func (c *checks) restarted(n *node, d core.Durable) {
	id := n.identity.RaftID
	s := n.status
	if s.Term != d.HardState.Term || s.Commit < d.HardState.Commit {
		c.w.fail(checkBack, "%v starts in term %d with commit index %d; on its disk are term %d and %d",
			n, s.Term, s.Commit, d.HardState.Term, d.HardState.Commit)
	}
	if was, ok := c.votes[vote{id, s.Term}]; ok && was != d.HardState.Vote {
		c.w.fail(checkBack, "%v starts in term %d with a vote for node %d, and had voted for node %d",
			n, s.Term, core.NodeID(d.HardState.Vote), core.NodeID(was))
	}
	last := uint64(0)
	for k := range c.votes { // the order does not matter to a maximum
		if k.replica == id {
			last = max(last, k.term)
		}
	}
	if last > s.Term {
		c.w.fail(checkBack, "%v starts in term %d, and had voted in term %d", n, s.Term, last)
	}
}
