package core

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Snapshots of the replicated state machine: when this node takes one, when the log
// in memory before one is dropped, and what a member gets in place of a log.

// markWhenDue takes a snapshot of the replicated state machine now and then, so
// that a restart is short and memory bounded.
func (c *Core) markWhenDue() {
	n := c.machine.index
	if n == c.storage.lookedAt {
		return
	}
	if c.storage.lookedAt = n; n == c.storage.marked || n-c.storage.marked < c.cfg.SnapshotEntries && c.log.bytesBetween(c.log.newest(), n) < c.cfg.MaxTailBytes/2 {
		return
	}
	s := c.machine.snapshot()
	c.log.mark(s, c.cfg.Limits.MarkBytes)
	c.storage.marked = n
	c.emit(Persist{Mark: fromRaftSnapshot(s)}, nil)
}

// compact drops what is before a durable snapshot. The library still reads what
// the host has not applied: when it campaigns, for membership changes.
func (c *Core) compact() {
	c.log.compact(min(c.storage.durableMark, c.storage.libApplied), c.cfg.MaxTailBytes)
}

// restoreSnapshot takes over the state that the leader sent in place of a log.
func (c *Core) restoreSnapshot(s *pb.Snapshot) {
	if err := c.machine.restore(s); err != nil {
		panic(fmt.Sprintf("checked on receipt, but: %v", err))
	}
	c.log.replace(s)
	i := c.machine.index
	c.last = i
	c.storage.marked, c.storage.durableMark = i, i
	c.storage.libApplied = i
	c.event(Info, "installing the leader's snapshot at index %d", i)
	c.out.MembersChanged, c.failing.changed = true, true
	c.resolveAll()
}

// forRecipient is the snapshot as a member gets it. The library takes none whose
// configuration lacks the recipient, and a new member was added after the base
// snapshot. It counts itself as a learner from there on, which changes no
// quorum, until its log makes it one: so it gets every entry after the base.
func forRecipient(s *pb.Snapshot, id uint64) *pb.Snapshot {
	conf := s.GetMetadata().GetConfState()
	for _, l := range [][]uint64{conf.GetVoters(), conf.GetLearners(), conf.GetVotersOutgoing(), conf.GetLearnersNext()} {
		if slices.Contains(l, id) {
			return s
		}
	}
	s = proto.Clone(s).(*pb.Snapshot)
	s.Metadata.ConfState.Learners = append(s.Metadata.ConfState.Learners, id)
	return s
}

// snapshotSent reports a snapshot's transfer in every outcome: without it the
// library would wait for ever.
func (c *Core) snapshotSent(in SnapshotSent) {
	st := raft.SnapshotFinish
	if !in.OK {
		st = raft.SnapshotFailure
	}
	c.rn.ReportSnapshot(in.RaftID, st)
}

func fromRaftSnapshot(s *pb.Snapshot) *Snapshot {
	return &Snapshot{Index: s.GetMetadata().GetIndex(), Term: s.GetMetadata().GetTerm(), Data: marshal(s)}
}
