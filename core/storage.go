package core

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// storage is what has been handed to the host and is not answered yet. The
// library's responses to a write stay here until the host says that the write
// is durable: nothing is acknowledged earlier (etcd issue 14370).
type storage struct {
	seq         uint64 // of the newest batch
	batches     []batch
	applies     []pendingApply
	libApplied  uint64 // what the library knows to be applied
	marked      uint64 // index of the newest mark handed out
	durableMark uint64 // index of the newest mark that is stored
	// readable is up to which index the log store holds what is committed, while the
	// leader's snapshot is on its way there.
	readable uint64
}

type batch struct {
	seq       uint64
	responses []*pb.Message
	mark      uint64 // index of the mark in it, or 0
	installs  bool   // it has the leader's snapshot
	filled    uint64 // last index of the history in it, or 0
}

type pendingApply struct {
	index     uint64 // last user entry in it: the host has to take it over
	responses []*pb.Message
}

// emit numbers a batch and hands it out.
func (c *Core) emit(p Persist, responses []*pb.Message) uint64 {
	c.storage.seq++
	p.Seq = c.storage.seq
	b := batch{seq: p.Seq, responses: responses, installs: p.Snapshot != nil}
	if p.Mark != nil {
		b.mark = p.Mark.Index
	}
	if n := len(p.History); n > 0 {
		b.filled = p.History[n-1].Index
	}
	c.storage.batches = append(c.storage.batches, b)
	c.out.Persist = append(c.out.Persist, p)
	return p.Seq
}

// persist turns the library's MsgStorageAppend into a batch. One without
// responses needs no sync: a commit index alone may be lost.
func (c *Core) persist(m *pb.Message) {
	p := Persist{Sync: len(m.GetResponses()) > 0}
	if s := m.GetSnapshot(); s != nil {
		p.Snapshot = fromRaftSnapshot(s)
		c.storage.readable, p.Keep = c.readable(), c.keep(s)
		c.restoreSnapshot(s)
	}
	if es := m.GetEntries(); len(es) > 0 {
		p.Entries = make([]Entry, len(es))
		for i, e := range es {
			p.Entries[i] = fromRaft(e)
			c.noticeRefusal(e)
		}
		c.log.append(es)
		c.last = es[len(es)-1].GetIndex()
	}
	if m.Term != nil {
		p.HardState = &HardState{Term: m.GetTerm(), Vote: m.GetVote(), Commit: m.GetCommit()}
	}
	c.emit(p, m.GetResponses())
}

// callForVotes holds a candidate's requests until its new term and its vote for
// itself are durable. The library lets them out at once and only does not count
// the vote: elected by the others alone, and crashed, it would know nothing of
// that term and could win it a second time (testdata/core/vote_request_after_sync.txt).
func (c *Core) callForVotes(ms []*pb.Message) {
	if len(ms) > 0 {
		b := &c.storage.batches[len(c.storage.batches)-1] // the term and vote, of the same Ready
		b.responses = append(b.responses, ms...)
	}
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
	c.out.MembersChanged = true
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

// persisted releases what waited for batches up to seq.
func (c *Core) persisted(seq uint64) {
	if seq > c.storage.seq {
		panic(fmt.Sprintf("persisted %d, but only %d was handed out", seq, c.storage.seq))
	}
	n := 0
	for ; n < len(c.storage.batches) && c.storage.batches[n].seq <= seq; n++ {
		b := c.storage.batches[n]
		for _, m := range b.responses {
			c.respond(m)
		}
		if b.mark > 0 {
			c.storage.durableMark = max(c.storage.durableMark, b.mark)
			c.compact()
		}
		if b.filled > 0 {
			c.retain.Filled(b.filled, c.around())
		}
	}
	c.storage.batches = slices.Delete(c.storage.batches, 0, n)
	if p := &c.promise; p.pendingSeq > 0 && seq >= p.pendingSeq {
		p.durableMillis = max(p.durableMillis, p.pendingMillis)
		p.pendingSeq, p.pendingMillis = 0, 0
	}
}

// compact drops what is before a durable snapshot. The library still reads what
// the host has not applied: when it campaigns, for membership changes.
func (c *Core) compact() {
	c.log.compact(min(c.storage.durableMark, c.storage.libApplied), c.cfg.MaxTailBytes)
}

// respond delivers a response of the library's: to itself, or to a member. A vote
// that waited for the disk while this node heard that it lost data stays here.
func (c *Core) respond(m *pb.Message) {
	if c.lost && elects(m) {
		return
	}
	if m.GetTo() == c.self {
		c.step(m)
		return
	}
	c.sendRaft(m)
}

// applyCommitted applies entries to the replicated state machine at once, and
// hands the user's to the host. The library hears of it when the host has
// taken them over.
func (c *Core) applyCommitted(m *pb.Message) {
	user := uint64(0)
	for _, e := range m.GetEntries() {
		if e.GetIndex() <= c.machine.index { // a snapshot overtook it
			continue
		}
		a := c.machine.apply(e, func(cc *pb.ConfChangeV2) *pb.ConfState { return c.rn.ApplyConfChange(cc) })
		switch {
		case a.change != nil:
			c.changeApplied(a)
		case a.jointLeft:
			c.jointLeft()
		case a.isCommand:
			c.resolve(a)
		}
		if a.first {
			user = e.GetIndex()
			c.out.Apply = append(c.out.Apply, Apply{Index: user, Term: e.GetTerm(), Data: a.user})
		}
	}
	c.supersede()
	c.storage.applies = append(c.storage.applies, pendingApply{user, m.GetResponses()})
	c.hostApplied(0) // a batch without user entries waits for nobody
}

// hostApplied tells the library about applied entries, in order.
func (c *Core) hostApplied(index uint64) {
	n := 0
	for ; n < len(c.storage.applies) && c.storage.applies[n].index <= index; n++ {
		for _, r := range c.storage.applies[n].responses {
			es := r.GetEntries()
			c.storage.libApplied = max(c.storage.libApplied, es[len(es)-1].GetIndex())
			c.step(r)
		}
	}
	if n > 0 {
		c.storage.applies = slices.Delete(c.storage.applies, 0, n)
		c.compact()
	}
}

// markWhenDue takes a snapshot of the replicated state machine now and then, so
// that a restart is short and memory bounded.
func (c *Core) markWhenDue() {
	n := c.machine.index
	if n == c.storage.marked || n-c.storage.marked < c.cfg.SnapshotEntries && c.log.bytesBetween(c.log.newest(), n) < c.cfg.MaxTailBytes/2 {
		return
	}
	s := c.machine.snapshot()
	c.log.mark(s, c.cfg.Limits.MarkBytes)
	c.storage.marked = n
	c.emit(Persist{Mark: fromRaftSnapshot(s)}, nil)
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
