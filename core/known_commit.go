package core

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// A commit index is not synced, so a node that restarts can have a configuration
// that its cluster has left. If it then needs the vote of a member that was
// demoted, and that one's log is longer, nobody can be elected: the demoted one
// may not stand. So every answer to a vote request says how far its sender knows
// the log to be committed, and the candidate catches up with the configuration
// (as in TiKV's raft-rs, maybe_commit_by_vote).

// knownCommit is what this node tells a candidate.
func (c *Core) knownCommit() *corepb.KnownCommit {
	term, err := c.log.Term(c.hard.Commit)
	if err != nil {
		return nil // the log does not reach so far yet, or begins later
	}
	return &corepb.KnownCommit{Index: c.hard.Commit, Term: term}
}

// commitKnown moves the commit index up to what another member knows to be
// committed: an entry of the same index and term is the same entry, and so is
// all before it (Raft paper, section 5.3). The library takes a commit index only
// from a leader, so it gets an empty append, of this node itself, and is told
// to forget that leader before anyone sees it.
func (c *Core) commitKnown(k *corepb.KnownCommit) {
	if k.GetIndex() <= c.hard.Commit || k.GetIndex() > c.last || c.role == raft.StateLeader || c.lead != 0 {
		return
	}
	if term, err := c.log.Term(k.GetIndex()); err != nil || term != k.GetTerm() {
		return
	}
	// It ends a candidacy, so only where the configuration depends on it.
	if !c.log.changesMembers(c.hard.Commit, k.GetIndex()) {
		return
	}
	c.step(&pb.Message{Type: pb.MsgApp.Enum(), From: new(c.self), To: new(c.self), Term: new(c.hard.Term),
		Index: new(k.GetIndex()), LogTerm: new(k.GetTerm()), Commit: new(k.GetIndex())})
	if err := c.rn.ForgetLeader(); err != nil {
		c.event(Warning, "forget that this node told itself of commit index %d: %v", k.GetIndex(), err)
	}
	c.event(Info, "entry %d is committed, says the answer to a vote request", k.GetIndex())
	c.drain()
}
